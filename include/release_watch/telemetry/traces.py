"""Traces: what Tempo, or a server that answers its search, has of a service."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.errors import BackendError
from release_watch.identifiers import identifier
from release_watch.telemetry.answers import from_nanoseconds, get, understood
from release_watch.transport import Transport

BACKEND = "Tempo"
SPANS_PER_TRACE = 50
"""Matching spans of one trace that a TraceQL search asks for; Tempo allows 100 unless told otherwise."""
_REFUSED = (400, 404, 405, 422, 500, 501)
_SCOPE = re.compile(r"^(?:resource\.|span\.|\.)")


class NoTraceQLError(BackendError):
    """A server that answers refuses a TraceQL query, or answers it without spans."""


class TraceSummary(NamedTuple):
    """One trace: where it began, when, and how long it took."""

    trace_id: str
    root_service: str
    root_name: str
    started_at: datetime
    duration_ms: float


class Span(NamedTuple):
    """One span that a TraceQL query matched, with the attributes that it selects, without their scope."""

    trace_id: str
    started_at: datetime
    name: str
    attributes: dict[str, str]


class Spans(NamedTuple):
    """What a TraceQL query matched, and whether that is all there is to match."""

    spans: list[Span]
    complete: bool


class Tempo:
    """The trace server behind ``transport``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def base_url(self) -> str:
        """The server's address without credentials."""
        return self._transport.base_url

    def search(
        self,
        service_name: str,
        start: datetime,
        end: datetime,
        limit: int = 20,
        tags: Mapping[str, str] | None = None,
    ) -> list[TraceSummary]:
        """Return at most ``limit`` traces in which the service took part, the newest first.

        ``tags`` are further attributes, for example ``{"service.version": "1.1.0"}``.

        Raises:
            InvalidInputError: if a name or value is no identifier.
            BackendError: if the server does not answer, or refuses the search.
        """
        wanted = search_tags(service_name, tags or {})
        params = {
            "tags": wanted,
            "start": int(start.timestamp()),
            "end": int(end.timestamp()) + 1,
            "limit": limit,
        }
        body = get(self._transport, BACKEND, "/api/search", params)
        found = understood(BACKEND, wanted, lambda: [_summary(t) for t in body.get("traces") or []])
        return sorted(_whole(found), key=lambda trace: trace.started_at, reverse=True)[:limit]

    def spans(self, query: str, start: datetime, end: datetime, limit: int) -> Spans:
        """Return the spans that the TraceQL ``query`` matches in at most ``limit`` traces.

        Which traces, if there are more, is up to the server. Times are exact, and may lie a second outside of
        ``start`` and ``end``.

        Raises:
            NoTraceQLError: if the server refuses the query or does not tell spans.
            BackendError: if the server does not answer, or refuses whoever asks.
        """
        params = {
            "q": query,
            "start": int(start.timestamp()),
            "end": int(end.timestamp()) + 1,
            "limit": limit,
            "spss": SPANS_PER_TRACE,
        }
        try:
            body = get(self._transport, BACKEND, "/api/search", params)
        except BackendError as error:
            if error.status in _REFUSED:
                raise NoTraceQLError(BACKEND, str(error), status=error.status) from error
            raise
        traces = understood(BACKEND, query, lambda: list(body.get("traces") or []))
        if any("spanSets" not in trace and "spanSet" not in trace for trace in traces):
            raise NoTraceQLError(BACKEND, "the server answers a TraceQL query without spans")
        return understood(BACKEND, query, lambda: _spans(traces, limit))


def search_tags(service_name: str, tags: Mapping[str, str]) -> str:
    """Return the ``tags`` parameter of a search, in logfmt.

    Raises:
        InvalidInputError: if a name or value is no identifier.
    """
    wanted = {"service.name": service_name, **tags}
    return " ".join(f"{identifier(k, 'tag')}={json.dumps(identifier(v, k))}" for k, v in wanted.items())


def _whole(found: list[TraceSummary]) -> list[TraceSummary]:
    """Return each trace once, as its earliest entry: some servers answer with an entry per span."""
    earliest: dict[str, TraceSummary] = {}
    for trace in sorted(found, key=lambda trace: trace.started_at):
        earliest.setdefault(trace.trace_id, trace)
    return list(earliest.values())


def _summary(trace: Mapping[str, Any]) -> TraceSummary:
    return TraceSummary(
        trace_id=str(trace["traceID"]),
        root_service=str(trace.get("rootServiceName") or ""),
        root_name=str(trace.get("rootTraceName") or ""),
        started_at=from_nanoseconds(trace["startTimeUnixNano"]),
        duration_ms=float(trace.get("durationMs") or 0),
    )


def _spans(traces: Sequence[Mapping[str, Any]], limit: int) -> Spans:
    spans: list[Span] = []
    complete = len(traces) < limit
    for trace in traces:
        for found in trace.get("spanSets") or [trace["spanSet"]]:
            matched = found.get("spans") or []
            spans += [_span(str(trace["traceID"]), span) for span in matched]
            complete = complete and max(len(matched), int(found.get("matched") or 0)) < SPANS_PER_TRACE
    return Spans(spans, complete)


def _span(trace_id: str, span: Mapping[str, Any]) -> Span:
    attributes = {
        _SCOPE.sub("", str(attribute["key"])): str(next(iter(attribute["value"].values()), ""))
        for attribute in span.get("attributes") or []
    }
    name = str(span.get("name") or attributes.get("name") or "")
    return Span(trace_id, from_nanoseconds(span["startTimeUnixNano"]), name, attributes)
