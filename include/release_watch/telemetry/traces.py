"""Traces: what Tempo, or a server that answers its search, has of a service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.identifiers import identifier
from release_watch.telemetry.answers import from_nanoseconds, get, understood
from release_watch.transport import Transport

BACKEND = "Tempo"


class TraceSummary(NamedTuple):
    """One trace: where it began, when, and how long it took."""

    trace_id: str
    root_service: str
    root_name: str
    started_at: datetime
    duration_ms: float


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
