"""Logs: counts and lines from Loki or a server that answers its queries."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from release_watch.catalog.selectors import joined, parse_selector
from release_watch.errors import BackendError
from release_watch.telemetry.answers import from_nanoseconds, get, nanoseconds, shortened, understood
from release_watch.transport import Transport

BACKEND = "Loki"
_MOST_BUCKETS = 600
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class LogLine(NamedTuple):
    """One log line and the labels of its stream."""

    at: datetime
    labels: dict[str, str]
    text: str


class Loki:
    """The log server behind ``transport``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def base_url(self) -> str:
        """The server's address without credentials."""
        return self._transport.base_url

    def tally(
        self, selector: str, start: datetime, end: datetime, by: Sequence[str] = ()
    ) -> dict[tuple[str, ...], int]:
        """Return how many lines there are in (start, end], by the values of the labels ``by``.

        A label that a stream has not counts as empty. Lines are counted in buckets of at least a second, of
        which a server that floors times may add one at the start.

        Raises:
            ValueError: if ``selector`` is no stream selector or ``by`` holds no label names.
            BackendError: if the server does not answer, or refuses the query.
        """
        bucket = max(1, math.ceil((end - start).total_seconds() / _MOST_BUCKETS))
        first = start + timedelta(seconds=bucket)
        if first > end:
            return {}
        query = tally_query(selector, bucket, by)
        params = {"query": query, "start": nanoseconds(first), "end": nanoseconds(end), "step": bucket}
        # Instant queries are coarse on servers that only resemble Loki; buckets in a range are exact on all.
        data = self._data("/loki/api/v1/query_range", params)
        return understood(BACKEND, query, lambda: _sums(data, by))

    def count(self, selector: str, start: datetime, end: datetime) -> int:
        """Return how many lines the streams of ``selector`` have in (start, end]; see :meth:`tally`.

        Raises:
            ValueError: if it is no stream selector.
            BackendError: if the server does not answer, or refuses the query.
        """
        return sum(self.tally(selector, start, end).values())

    def lines(self, selector: str, start: datetime, end: datetime, limit: int = 100) -> list[LogLine]:
        """Return at most ``limit`` lines of the streams of ``selector``, the newest first.

        Raises:
            ValueError: if it is no stream selector.
            BackendError: if the server does not answer, or refuses the query.
        """
        query = stream(selector)
        params = {
            "query": query,
            "start": nanoseconds(start),
            "end": nanoseconds(end),
            "limit": limit,
            "direction": "backward",
        }
        data = self._data("/loki/api/v1/query_range", params)
        found = understood(BACKEND, query, lambda: list(_lines(data)))
        return sorted(found, key=lambda line: line.at, reverse=True)[:limit]

    def _data(self, path: str, params: dict[str, Any]) -> Any:
        body = get(self._transport, BACKEND, path, params)
        if not isinstance(body, dict) or body.get("status") != "success":
            raise BackendError(BACKEND, f"{self.base_url}{path} gave no result: {shortened(body)}")
        return body.get("data")


def stream(selector: str) -> str:
    """Return a stream selector written anew, so that it can be nothing else.

    Raises:
        ValueError: if it is no stream selector.
    """
    return "{" + joined(parse_selector(selector)) + "}"


def tally_query(selector: str, bucket_seconds: int, by: Sequence[str] = ()) -> str:
    """Return the LogQL that counts the lines of each bucket by these labels.

    Raises:
        ValueError: if ``selector`` is no stream selector or ``by`` holds no label names.
    """
    if wrong := [name for name in by if not _LABEL.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is no label name")
    grouping = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouping} (count_over_time({stream(selector)}[{bucket_seconds}s]))"


def _sums(data: Any, by: Sequence[str]) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = defaultdict(int)
    for entry in data["result"]:
        key = tuple(str(entry["metric"].get(name, "")) for name in by)
        sums[key] += round(sum(float(value) for _, value in entry["values"]))
    return dict(sums)


def _lines(data: Any) -> Iterator[LogLine]:
    for entry in data["result"]:
        for at, text, *_ in entry["values"]:
            yield LogLine(from_nanoseconds(at), dict(entry["stream"]), str(text))
