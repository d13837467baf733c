"""How much of its error budget each SLO has burned since the release, and at which pace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import Severity
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.clock import in_words
from release_watch.verdict import Objective, Verdict
from release_watch.watch.sightings import Heard, Sighting, asked, heard

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends
    from release_watch.telemetry.metrics import Metrics

PREFIX = "budget:"

SPENT = 0.02
"""The share of the whole period's budget that a page is worth (SRE Workbook, table 5-6)."""

MUCH_SPENT = 0.1
"""The share at which the slowest ticket fires, however long it took."""

TIMES_BEFORE = 2.0
"""An SLO that burned nearly as fast before the release is not burning because of it."""

FEWEST_BAD = 5
"""So few failures are chance at any traffic; see :data:`release_watch.slo.burn_alerts.LEAST_BAD_EVENTS`."""

LONGEST = timedelta(days=2)
"""Raw counters are read over so long a stretch at most: of a longer one, only the newest part counts."""


class Burn(NamedTuple):
    """The bad events of a stretch, all events of it, and the burn rate: 1 spends the budget in the period."""

    bad: float
    total: float
    rate: float


def budgets(
    slos: Iterable[Slo], services: Mapping[str, Service], release: Release, backends: Backends, at: datetime
) -> Heard:
    """Return how the error budget of every SLO of the services stands since the release.

    A budget of which 2 % is spent since the release is worse, critical from 10 % on, unless it burned nearly
    as fast before.
    """
    return heard(
        asked(
            _name(slo),
            f"{PREFIX}{slo.name}",
            lambda slo=slo: _told(slo, backends.metrics(services[slo.service]), release, at),  # type: ignore[misc]
            slo.service,
        )
        for slo in slos
        if slo.service in services
    )


def _name(slo: Slo) -> str:
    return f"{slo.service} {PREFIX}{slo.name}"


def _told(slo: Slo, metrics: Metrics, release: Release, at: datetime) -> Heard:
    stretch = min(at - release.deployed_at, LONGEST)
    if stretch < timedelta(seconds=1):
        return Heard()
    query = burn_query(slo, stretch)
    now = burned(slo, metrics, stretch, at)
    before = burned(slo, metrics, stretch, release.deployed_at)
    if now is None:
        objective = Objective(
            name=_name(slo),
            verdict=Verdict.WARN,
            reason=f"no events in {in_words(stretch)}, so nothing is burned; check that traffic arrives",
            query=query,
        )
        return Heard((objective,), unheard=frozenset({(slo.service, f"{PREFIX}{slo.name}")}))
    spent = now.rate * (stretch / timedelta(days=slo.window_days))
    earlier = before.rate if before else 0.0
    worse = spent >= SPENT and now.bad >= FEWEST_BAD and now.rate > max(1.0, TIMES_BEFORE * earlier)
    reason = (
        f"burns at {now.rate:.3g} times the even pace, before the release at {earlier:.3g}; "
        f"{spent:.2%} of the budget of {slo.window_days} days was spent in {in_words(stretch)}"
    )
    objective = Objective(
        name=_name(slo),
        verdict=Verdict.WARN if worse else Verdict.GO,
        reason=reason,
        value=f"{spent:.2%} of the budget",
        threshold=f"{SPENT:.0%} of the budget",
        baseline=f"burn rate {earlier:.3g}",
        query=query,
        samples=round(now.total),
    )
    return Heard((objective,), tuple(_sighting(slo, spent, release, objective)) if worse else ())


def _sighting(slo: Slo, spent: float, release: Release, objective: Objective) -> Iterator[Sighting]:
    severity = Severity.CRITICAL if spent >= MUCH_SPENT else Severity.MAJOR
    yield Sighting(
        slo.service, f"{PREFIX}{slo.name}", severity, release.deployed_at, objective.reason, objective
    )


def burned(slo: Slo, metrics: Metrics, stretch: timedelta, at: datetime) -> Burn | None:
    """Return what burned in the stretch that ends at ``at``, of the worst group; None without events.

    Raises:
        BackendError: if the server does not answer, or refuses.
    """
    totals = _numbers(slo, metrics, slo.total, stretch, at)
    # Of what is counted as good, nothing means that all of it was bad, not that there was none.
    counted = _numbers(slo, metrics, slo.bad or slo.good or slo.total, stretch, at)
    burns = []
    for group, total in totals.items():
        known = counted.get(group, 0.0)
        bad = known if slo.bad else max(total - known, 0.0)
        if total > 0:
            burns.append(Burn(bad, total, bad / total / float(slo.error_budget)))
    return max(burns, key=lambda burn: burn.rate, default=None)


def burn_query(slo: Slo, stretch: timedelta) -> str:
    """Return the PromQL of the share of bad, or of good, events of a stretch, for people."""
    counted = _counted(slo, slo.bad or slo.good or slo.total, stretch)
    return f"({counted}) / ({_counted(slo, slo.total, stretch)})"


def _numbers(
    slo: Slo, metrics: Metrics, source: str, stretch: timedelta, at: datetime
) -> dict[tuple[str, ...], float]:
    found = metrics.instant(_counted(slo, source, stretch), at)
    return {tuple(one.labels.get(name, "") for name in slo.group_by): one.value for one in found}


def _counted(slo: Slo, source: str, stretch: timedelta) -> str:
    """Return the PromQL of the number of events of a stretch."""
    length = f"{max(1, round(stretch.total_seconds()))}s"
    by = f"sum by ({', '.join(slo.group_by)})" if slo.group_by else "sum"
    if not slo.templated:
        return f"{by} (increase({source}[{length}]))"
    events = f"{by} (({source.replace(WINDOW, length)}) >= 0)"
    return f"{events} * {round(stretch.total_seconds())}" if slo.per_second else events
