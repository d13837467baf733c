"""Logs: counts and lines from Loki or a server that answers its queries."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from release_watch.catalog.selectors import joined, parse_selector
from release_watch.errors import BackendError
from release_watch.identifiers import promql_string
from release_watch.telemetry.answers import from_nanoseconds, get, nanoseconds, shortened, understood
from release_watch.transport import Transport

BACKEND = "Loki"
_MOST_BUCKETS = 600
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class LineFilter(NamedTuple):
    """Which lines to keep: with a text (``|=``), without (``!=``), matching (``|~``) or not (``!~``)."""

    operator: Literal["|=", "!=", "|~", "!~"]
    text: str

    def __str__(self) -> str:
        return f"{self.operator} {promql_string(self.text)}"


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
        self,
        selector: str,
        start: datetime,
        end: datetime,
        by: Sequence[str] = (),
        *,
        keep: Sequence[LineFilter] = (),
        most_buckets: int = _MOST_BUCKETS,
    ) -> dict[tuple[str, ...], int]:
        """Return how many lines in (start, end] pass all of ``keep``, by the values of the labels ``by``.

        A label that a stream has not counts as empty. Lines are counted in at most ``most_buckets`` buckets
        of at least a second. A line from before ``start`` never counts; those of the first two buckets after
        it may be missed.

        Raises:
            ValueError: if ``selector`` is no stream selector or ``by`` holds no label names.
            BackendError: if the server does not answer, or refuses the query.
        """
        bucket = max(1, math.ceil((end - start).total_seconds() / most_buckets))
        found = self.history(selector, start, end, bucket, by, keep=keep)
        return {key: sum(count for _, count in counts) for key, counts in found.items()}

    def history(
        self,
        selector: str,
        start: datetime,
        end: datetime,
        bucket: int,
        by: Sequence[str] = (),
        *,
        keep: Sequence[LineFilter] = (),
    ) -> dict[tuple[str, ...], list[tuple[datetime, int]]]:
        """Return the time and number of lines of each bucket that has some, by the labels ``by``.

        Buckets are ``bucket`` seconds long and lie at multiples of it, where also a server that floors times
        has them. They carry their end on Loki, their beginning on others. See :meth:`tally`.

        Raises:
            ValueError: if ``selector`` is no stream selector or ``by`` holds no label names.
            BackendError: if the server does not answer, or refuses the query.
        """
        first = (math.ceil(start.timestamp() / bucket) + 1) * bucket
        if first > end.timestamp():
            return {}
        query = tally_query(selector, bucket, by, keep)
        params = {
            "query": query,
            "start": f"{first}000000000",
            "end": nanoseconds(end),
            "step": bucket,
        }
        # Instant queries are coarse on servers that only resemble Loki; buckets in a range are exact on all.
        data = self._data("/loki/api/v1/query_range", params)
        return understood(BACKEND, query, lambda: _histories(data, by))

    def count(self, selector: str, start: datetime, end: datetime) -> int:
        """Return how many lines the streams of ``selector`` have in (start, end]; see :meth:`tally`.

        Raises:
            ValueError: if it is no stream selector.
            BackendError: if the server does not answer, or refuses the query.
        """
        return sum(self.tally(selector, start, end).values())

    def lines(
        self,
        selector: str,
        start: datetime,
        end: datetime,
        limit: int = 100,
        *,
        keep: Sequence[LineFilter] = (),
    ) -> list[LogLine]:
        """Return at most ``limit`` lines of the streams of ``selector`` that pass ``keep``, the newest first.

        Raises:
            ValueError: if it is no stream selector.
            BackendError: if the server does not answer, or refuses the query.
        """
        query = line_query(selector, keep)
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

    def streams(self, selector: str, start: datetime, end: datetime) -> list[dict[str, str]]:
        """Return the labels of each stream of ``selector``; some servers leave the time out of account.

        Raises:
            ValueError: if it is no stream selector.
            BackendError: if the server does not answer, or refuses the query.
        """
        query = stream(selector)
        params = {"match[]": query, "start": nanoseconds(start), "end": nanoseconds(end)}
        data = self._data("/loki/api/v1/series", params)
        return understood(BACKEND, query, lambda: [dict(labels) for labels in data])

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


def line_query(selector: str, keep: Sequence[LineFilter] = ()) -> str:
    """Return the LogQL of the lines of a stream selector that pass ``keep``.

    Raises:
        ValueError: if ``selector`` is no stream selector.
    """
    return " ".join([stream(selector), *map(str, keep)])


def tally_query(
    selector: str, bucket_seconds: int, by: Sequence[str] = (), keep: Sequence[LineFilter] = ()
) -> str:
    """Return the LogQL that counts the lines of each bucket by these labels.

    Raises:
        ValueError: if ``selector`` is no stream selector or ``by`` holds no label names.
    """
    if wrong := [name for name in by if not _LABEL.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is no label name")
    grouping = f" by ({', '.join(by)})" if by else ""
    space = " " if keep else ""
    return f"sum{grouping} (count_over_time({line_query(selector, keep)}{space}[{bucket_seconds}s]))"


def _histories(data: Any, by: Sequence[str]) -> dict[tuple[str, ...], list[tuple[datetime, int]]]:
    found: dict[tuple[str, ...], list[tuple[datetime, int]]] = defaultdict(list)
    for entry in data["result"]:
        key = tuple(str(entry["metric"].get(name, "")) for name in by)
        found[key] += [
            (datetime.fromtimestamp(float(at), UTC), round(float(value))) for at, value in entry["values"]
        ]
    return dict(found)


def _lines(data: Any) -> Iterator[LogLine]:
    for entry in data["result"]:
        for at, text, *_ in entry["values"]:
            yield LogLine(from_nanoseconds(at), dict(entry["stream"]), str(text))
