"""A sample of whole traces: which spans, of which kind and length, and what their resources name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from release_watch.catalog.models import Service
from release_watch.coverage.questions import Question
from release_watch.coverage.score_attributes import LEVELS, plain
from release_watch.errors import InvalidInputError
from release_watch.telemetry.answers import understood
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.traces import BACKEND, Tempo, TraceSummary
from release_watch.transport import Transport

MOST_TRACES = 20
"""Whole traces that one score reads, and searches that it makes, however many services there are."""
SETTLED = timedelta(seconds=15)
"""Spans are exported in batches, by default every 5 s: a younger trace may not be whole yet."""
_LONGEST_SEARCH = timedelta(hours=1)
_KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_NO_PARENT = frozenset({"", "0" * 16, "AAAAAAAAAAA="})


class Span(NamedTuple):
    """One span. ``kind`` is empty where the server does not tell it, ``milliseconds`` then None.

    Attributes and resource are by the names that Prometheus gives keys: ``service_name``. ``levels`` is
    whether the server kept the two apart.
    """

    span_id: str
    parent_id: str
    name: str
    kind: str
    milliseconds: float | None
    attributes: Mapping[str, str]
    resource: Mapping[str, str]
    levels: bool


@dataclass(frozen=True)
class SpansSeen:
    """The spans of one service, by trace, and the ids of all spans of each whole trace.

    A trace without a root may still be running; only ``whole`` ones show that a parent is missing.
    """

    service_name: str
    traces: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    whole: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def spans(self) -> list[Span]:
        """All of its spans."""
        return [span for spans in self.traces.values() for span in spans]

    @property
    def query(self) -> str:
        """The search, in TraceQL, that shows its traces."""
        return f'{{ resource.service.name = "{self.service_name}" }}'


class TraceSampler:
    """Reads at most :data:`MOST_TRACES` traces, the critical services first; a trace serves all in it."""

    def __init__(self, services: Iterable[Service], question: Question) -> None:
        self._question = question
        self._left = self._searches = MOST_TRACES
        self._each = max(1, MOST_TRACES // max(1, len(tuple(services))))
        self._traces: dict[str, tuple[Span, ...]] = {}

    def look_at_spans(self, services: Sequence[Service], backends: Backends) -> dict[str, SpansSeen]:
        """Return the spans of each service in the sample.

        Raises:
            BackendError: if the server does not answer, or refuses a search.
            NotConfiguredError: if its connection is not there.
        """
        reader = TraceReader(backends.traces(services[0]))
        names = {s.name: s.signals.traces.service_name for s in services if s.signals.traces}
        self._traces = {}
        for service in sorted(services, key=lambda one: (not one.critical, not self._released(one.name))):
            missing = self._each - sum(
                names[service.name] in _services(spans) for spans in self._traces.values()
            )
            if missing > 0 and self._searches > 0 and self._left > 0:
                self._read(names[service.name], min(missing, self._left), reader)
        return {name: self._seen(name, service_name) for name, service_name in names.items()}

    def _released(self, service: str) -> bool:
        return service in self._question.release.services

    def _read(self, service_name: str, most: int, reader: TraceReader) -> None:
        self._searches -= 1
        for summary in self._search(service_name, reader.tempo):
            if most > 0 and summary.trace_id not in self._traces:
                most -= 1
                self._left -= 1
                self._traces[summary.trace_id] = reader.read(summary.trace_id)

    def _search(self, service_name: str, tempo: Tempo) -> list[TraceSummary]:
        """Return traces that began after the deployment and have come to rest, the newest first."""
        end = self._question.at - SETTLED
        start = max(self._question.release.deployed_at, end - _LONGEST_SEARCH)
        if start >= end:
            return []
        try:
            found = tempo.search(service_name, start, end, MOST_TRACES)
        except InvalidInputError:  # a name that cannot stand in a search
            return []
        return [t for t in found if t.started_at > start and t.started_at + _length(t) <= end]

    def _seen(self, service: str, service_name: str) -> SpansSeen:
        wanted = {name: spans for name, spans in self._traces.items() if service_name in _services(spans)}
        return SpansSeen(
            service_name,
            {
                name: own
                for name, spans in wanted.items()
                if (own := tuple(self._own(service, service_name, spans)))
            },
            {
                name: frozenset(span.span_id for span in spans)
                for name, spans in wanted.items()
                if any(not span.parent_id for span in spans)
            },
        )

    def _own(self, service: str, service_name: str, spans: Iterable[Span]) -> Iterator[Span]:
        """Yield the spans of a service, without those that name another version than the release's."""
        for span in spans:
            version = span.resource.get("service_version")
            ours = not self._released(service) or version in (None, self._question.release.version)
            if ours and span.resource.get("service_name") == service_name:
                yield span


class TraceReader:
    """Reads whole traces from one server."""

    def __init__(self, tempo: Tempo) -> None:
        self.tempo = tempo
        self._transport: Transport = tempo._transport
        # Tempo answers JSON to who accepts it; servers that only resemble it do so under another path.
        self._paths = ["/api/traces/{}", "/api/traces/{}/json"]

    def read(self, trace_id: str) -> tuple[Span, ...]:
        """Return the spans of a trace; none where the server no longer has it.

        Raises:
            BackendError: if the server does not answer, or with something that is no trace.
        """
        for path in self._paths:
            answer = self._transport.request(
                "GET", path.format(trace_id), headers={"Accept": "application/json"}
            )
            if answer.status < 400 and isinstance(answer.body, dict):
                self._paths = [path]
                return _read(trace_id, answer.body)
        return ()


def _read(trace_id: str, body: Mapping[str, Any]) -> tuple[Span, ...]:
    return understood(BACKEND, f"trace {trace_id}", lambda: tuple(_spans(body)))


def _spans(body: Mapping[str, Any]) -> Iterator[Span]:
    """Yield the spans of a trace in OTLP's JSON, as it is or as Tempo 1 and 2 wrap it."""
    inner = body.get("trace") or body
    for part in inner.get("resourceSpans") or inner.get("batches") or ():
        resource = _attributes((part.get("resource") or {}).get("attributes"))
        for scope in part.get("scopeSpans") or part.get("instrumentationLibrarySpans") or ():
            for span in scope.get("spans") or ():
                yield _span(span, resource)


def _span(span: Mapping[str, Any], resource: Mapping[str, str]) -> Span:
    attributes = _attributes(span.get("attributes"))
    # qryn writes its own resource, and the real one's attributes among those of each span.
    levels = resource.get("collector") != "qryn"
    own = resource if levels else {**resource, **_only(attributes, "resource")}
    parent = str(span.get("parentSpanId") or "")
    return Span(
        span_id=str(span["spanId"]),
        parent_id="" if parent in _NO_PARENT else parent,
        name=str(span.get("name") or ""),
        kind=_kind(span.get("kind")),
        milliseconds=_milliseconds(span),
        attributes=attributes,
        resource=own,
        levels=levels,
    )


def _only(attributes: Mapping[str, str], level: str) -> dict[str, str]:
    return {key: value for key, value in attributes.items() if LEVELS.get(key) == level}


def _attributes(entries: Any) -> dict[str, str]:
    return {plain(str(entry["key"])): _text(entry.get("value")) for entry in entries or ()}


def _text(value: Mapping[str, Any] | None) -> str:
    """Return an attribute's value, ``{"stringValue": "x"}``, as a text."""
    return str(next(iter(value.values()), "")) if value else ""


def _kind(value: Any) -> str:
    """Return ``CLIENT`` of ``SPAN_KIND_CLIENT``, of its number 3, and of ``client``; empty for none."""
    if isinstance(value, int):
        return _KINDS[value] if 0 <= value < len(_KINDS) else ""
    name = str(value or "").upper().removeprefix("SPAN_KIND_")
    return name if name in _KINDS else ""


def _milliseconds(span: Mapping[str, Any]) -> float | None:
    start, end = span.get("startTimeUnixNano"), span.get("endTimeUnixNano")
    return (int(end) - int(start)) / 1e6 if start and end else None


def _services(spans: Iterable[Span]) -> set[str]:
    return {span.resource.get("service_name", "") for span in spans}


def _length(trace: TraceSummary) -> timedelta:
    return timedelta(milliseconds=trace.duration_ms)
