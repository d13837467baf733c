"""The share of failed spans of each service since the release, against the time before it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import Severity
from release_watch.clock import in_words
from release_watch.errors import BackendError
from release_watch.identifiers import promql_string
from release_watch.telemetry.traces import NoTraceQLError, Spans, Tempo
from release_watch.verdict import Objective, Verdict
from release_watch.watch.sightings import Heard, Sighting, asked, heard

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.telemetry.backends import Backends

METRIC = "trace_error_ratio"

MOST_TRACES = 300
HALVINGS = 6
"""A stretch whose spans do not fit into one answer is halved so often at most: of a minute, to a second."""

FEWEST_SPANS = 20
FEWEST_FAILED = 5
NOTICEABLE = 0.01
"""A share of failed spans must rise by so much, however sure the rise is."""

_Z = 2.5758293035489004
"""The 99.5 % quantile of the normal distribution: 99 % between plus and minus."""

FAILED = ("status = error", "span.http.response.status_code >= 500")
"""What tells a failed span; servers that only resemble Tempo know the second one alone."""


class Share(NamedTuple):
    """Failed spans and all spans of a stretch, and how long it is."""

    failed: int
    total: int
    stretch: timedelta

    @property
    def ratio(self) -> float:
        """The share, 0 where there are none."""
        return self.failed / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 99 % Wilson score interval of the share (E. B. Wilson, JASA 22, 1927)."""
        if not self.total:
            return (0.0, 1.0)
        square, n = _Z**2, self.total
        centre = (self.ratio + square / (2 * n)) / (1 + square / n)
        half = _Z / (1 + square / n) * math.sqrt(self.ratio * (1 - self.ratio) / n + square / (4 * n**2))
        return (max(0.0, centre - half), min(1.0, centre + half))


def trace_errors(
    services: Iterable[Service],
    backends: Backends,
    *,
    version: str,
    deployed_at: datetime,
    length: timedelta,
    at: datetime,
) -> Heard:
    """Return the share of failed spans of each service in the last ``length``, against that before.

    Shares are of whole answers: a stretch that is too busy for one is halved towards its end. A service is
    worse where the intervals of both shares are apart by more than a percentage point.
    """
    start = max(deployed_at, at - length)
    return heard(
        asked(
            f"{service.name} {METRIC}",
            METRIC,
            lambda s=service: _told(s, backends.traces(s), version, deployed_at, start, at),  # type: ignore[misc]
            service.name,
        )
        for service in services
        if service.signals.traces is not None
    )


def _told(
    service: Service, tempo: Tempo, version: str, deployed_at: datetime, start: datetime, at: datetime
) -> Heard:
    name = service.signals.traces.service_name if service.signals.traces else service.name
    of_service = f"resource.service.name = {promql_string(name)}"
    ours = f"{of_service} && resource.service.version = {promql_string(version)}"
    try:
        now = share(tempo, ours, start, at)
        before = share(tempo, of_service, deployed_at - (at - start), deployed_at)
    except NoTraceQLError as error:
        return _not_told(service.name, Verdict.WARN, f"the server cannot tell failed spans: {error}")
    if now is None or before is None:
        return _not_told(service.name, Verdict.WARN, "too many spans for one answer, also of a short stretch")
    if now.total < FEWEST_SPANS or before.total < FEWEST_SPANS:
        few = f"{now.total} spans of {version}, {before.total} before: fewer than {FEWEST_SPANS} tell nothing"
        return _not_told(service.name, Verdict.WARN, few)
    low, high = now.interval[0], before.interval[1]
    worse = now.failed >= FEWEST_FAILED and low > high + NOTICEABLE
    reason = (
        f"{now.ratio:.2%} of {now.total} spans failed in {in_words(now.stretch)}, "
        f"before the release {before.ratio:.2%} of {before.total}"
    )
    objective = Objective(
        name=f"{service.name} {METRIC}",
        verdict=Verdict.WARN if worse else Verdict.GO,
        reason=reason,
        value=f"{now.ratio:.2%}",
        threshold=f"{high + NOTICEABLE:.2%}",
        baseline=f"{before.ratio:.2%}",
        query=f"{{ {ours} && {FAILED[0]} }}",
        samples=now.total,
    )
    sighting = Sighting(service.name, METRIC, Severity.MAJOR, max(start, deployed_at), reason, objective)
    return Heard((objective,), (sighting,) if worse else ())


def _not_told(service: str, verdict: Verdict, reason: str) -> Heard:
    objective = Objective(name=f"{service} {METRIC}", verdict=verdict, reason=reason)
    return Heard((objective,), unheard=frozenset({(service, METRIC)}))


def share(tempo: Tempo, wanted: str, start: datetime, end: datetime) -> Share | None:
    """Return the share of failed spans among those ``wanted``; None where no stretch fits into one answer.

    Raises:
        NoTraceQLError: if the server knows no way to tell a failed span.
        BackendError: if it does not answer.
    """
    for _ in range(HALVINGS + 1):
        everything = tempo.spans(f"{{ {wanted} }}", start, end, MOST_TRACES)
        if everything.complete:
            failed = _failed(tempo, wanted, start, end)
            return Share(_inside(failed, start, end), _inside(everything, start, end), end - start)
        start = end - (end - start) / 2
    return None


def _failed(tempo: Tempo, wanted: str, start: datetime, end: datetime) -> Spans:
    for condition in FAILED[:-1]:
        try:
            return tempo.spans(f"{{ {wanted} && {condition} }}", start, end, MOST_TRACES)
        except BackendError:  # servers that only resemble Tempo may fail at what they do not know
            continue
    return tempo.spans(f"{{ {wanted} && {FAILED[-1]} }}", start, end, MOST_TRACES)


def _inside(found: Spans, start: datetime, end: datetime) -> int:
    return sum(start < span.started_at <= end for span in found.spans)
