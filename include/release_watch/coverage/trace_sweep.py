"""Which of many services have spans: a few searches for all of them, not one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote_plus

from release_watch.coverage.covering import covering
from release_watch.identifiers import promql_string
from release_watch.telemetry.traces import NoTraceQLError, Span, Spans, Tempo, search_tags

_ROUNDS = 6
_FEWEST_TRACES, _MOST_TRACES = 100, 1_000
_TRACES_PER_SERVICE = 5
LONGEST_PATTERN = 1_000
"""Characters of a pattern: servers that only resemble Tempo may not read longer ones."""
_LEFT_OVER = 20
"""Services that the rounds leave open and that are asked for one by one."""
_MOST_BY_TAGS = 50
"""Services that are asked for one by one where the server knows no TraceQL."""
_FEW_TRACES = 5


class Sighting(NamedTuple):
    """The spans or traces of a service that a search brought: how many, and when the newest began."""

    spans: int
    newest: datetime


@dataclass
class Looked:
    """The services that were seen, and those of which nothing can be told; the others have no span."""

    seen: dict[str, Sighting] = field(default_factory=dict)
    untold: set[str] = field(default_factory=set)


class Sweep:
    """Searches of one trace server; what it refuses once is not tried again."""

    def __init__(self, tempo: Tempo) -> None:
        self._tempo = tempo
        self.traceql = True
        """Whether the server answers TraceQL, as far as is known."""

    def query_for(self, name: str, version: str | None = None) -> str:
        """Return the search that shows the same for one service, in the language that the server answers."""
        if self.traceql:
            return span_query([name], _of_version(version))
        return search_tags(name, {"service.version": version} if version else {})

    def look(
        self, names: Collection[str], since: datetime, until: datetime, version: str | None = None
    ) -> Looked:
        """Return which services have spans that began in (since, until], of that version where one is given.

        The searches do not grow with the services: each round asks for those not seen yet, without the
        busiest of the others, and the last round is the one whose answer is complete or brings nothing new.
        What busy services then still hide is asked for one by one up to a bound; beyond it nothing is told.

        Raises:
            BackendError: if the server does not answer, or refuses the search in either language.
        """
        if self.traceql:
            try:
                return self._rounds(set(names), since, until, version)
            except NoTraceQLError:
                self.traceql = False
        return self._by_tags(sorted(set(names)), since, until, version)

    def _rounds(self, unseen: set[str], since: datetime, until: datetime, version: str | None) -> Looked:
        looked = Looked()
        crowd: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            if not unseen:
                return looked
            limit = max(_FEWEST_TRACES, min(_MOST_TRACES, _TRACES_PER_SERVICE * len(unseen)))
            conditions = [*_of_version(version), *_without(crowd, LONGEST_PATTERN // 4)]
            page = self._tempo.spans(span_query(unseen, conditions), since, until, limit)
            new = sightings(page, unseen, since, until)
            looked.seen |= new
            unseen -= new.keys()
            if page.complete:
                return looked
            others = Counter(name for span in page.spans if (name := service_of(span)) and name not in unseen)
            if not new and crowd.keys() >= others.keys():
                break
            crowd += others
        ordered = sorted(unseen)
        looked.untold.update(ordered[_LEFT_OVER:])
        for name in ordered[:_LEFT_OVER]:
            page = self._tempo.spans(span_query([name], _of_version(version)), since, until, _FEW_TRACES)
            new = sightings(page, [name], since, until)
            looked.seen |= new
            if not new and not page.complete:
                looked.untold.add(name)
        return looked

    def _by_tags(self, names: Sequence[str], since: datetime, until: datetime, version: str | None) -> Looked:
        looked = Looked(untold=set(names[_MOST_BY_TAGS:]))
        tags = {"service.version": version} if version else {}
        for name in names[:_MOST_BY_TAGS]:
            found = self._tempo.search(name, since, until, _FEW_TRACES, tags)
            # The search works in whole seconds; a trace from before the deployment proves nothing.
            times = [trace.started_at for trace in found if since < trace.started_at <= until]
            if times:
                looked.seen[name] = Sighting(len(times), max(times))
        return looked


def span_query(
    names: Collection[str],
    conditions: Iterable[str] = (),
    select: Iterable[str] = (),
    longest: int = LONGEST_PATTERN,
) -> str:
    """Return the TraceQL of the spans of these services under all ``conditions``, and what it selects.

    With more names than fit it asks for others that begin alike too: see :func:`.covering`.
    """
    if len(names) == 1:
        of_service = f"resource.service.name = {promql_string(next(iter(names)))}"
    else:
        # Anchored by hand: Tempo before 2.7 and others look for the pattern anywhere.
        of_service = f"resource.service.name =~ {promql_string(anchored(covering(names, longest)))}"
    wanted = " && ".join([of_service, *conditions])
    return f"{{ {wanted} }} | select({', '.join(['.service.name', '.peer.service', *select])})"


def anchored(pattern: str) -> str:
    """Return a pattern that matches a whole text or nothing."""
    return f"^(?:{pattern})$"


def service_of(span: Span) -> str | None:
    """Return the service that a span is of; None where that cannot be told.

    Some servers put the called service, ``peer.service``, in the place of the calling one.
    """
    name = span.attributes.get("service.name")
    return None if name == span.attributes.get("peer.service") else name


def sightings(page: Spans, names: Collection[str], since: datetime, until: datetime) -> dict[str, Sighting]:
    """Return those of ``names`` that have spans in the answer that began in (since, until]."""
    found: dict[str, Sighting] = {}
    for span in page.spans:
        name = service_of(span)
        if name is not None and name in names and since < span.started_at <= until:
            spans, newest = found.get(name, Sighting(0, span.started_at))
            found[name] = Sighting(spans + 1, max(newest, span.started_at))
    return found


def _of_version(version: str | None) -> list[str]:
    return [f"resource.service.version = {promql_string(version)}"] if version else []


def _without(crowd: Counter[str], most: int) -> list[str]:
    """Return the condition that leaves the most frequent services out, as many as fit into an address."""
    left_out: list[str] = []
    for name, _ in crowd.most_common():
        if len(quote_plus("|".join([*left_out, name]))) > most:
            break
        left_out.append(name)
    if not left_out:
        return []
    return [f"resource.service.name !~ {promql_string(anchored(covering(left_out, LONGEST_PATTERN)))}"]
