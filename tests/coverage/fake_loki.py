"""A Loki in memory that reads the LogQL of the audit: stream selectors, line filters, counts by labels."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from release_watch.catalog.selectors import Matcher, parse_selector
from release_watch.errors import BackendError
from release_watch.telemetry.answers import from_nanoseconds
from release_watch.transport import Answer

_COUNT = re.compile(
    r"sum(?: by \((?P<by>[^)]*)\))? \(count_over_time\((?P<lines>.*?) ?\[(?P<bucket>\d+)s\]\)\)"
)
_LINES = re.compile(r'(?P<selector>\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})(?P<filters>.*)', re.DOTALL)
_FILTER = re.compile(r'(\|=|!=|\|~|!~) "((?:[^"\\]|\\.)*)"')
_MATCHES = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}
_KEEPS = {
    "|=": lambda text, wanted: wanted in text,
    "!=": lambda text, wanted: wanted not in text,
    "|~": lambda text, wanted: re.search(wanted, text) is not None,
    "!~": lambda text, wanted: re.search(wanted, text) is None,
}

Line = tuple[dict[str, str], datetime, str]


class FakeLoki:
    """Write lines into it, then audit; ``refuses`` and ``most_series`` make it a server with limits."""

    base_url = "http://loki.example"

    def __init__(self, *, floors: bool = False) -> None:
        self.written: list[Line] = []
        self.asked: list[str] = []
        self.refuses: dict[str, int] = {}
        self.most_series = 1_000_000
        self._floors = floors

    def write(self, labels: Mapping[str, str], at: datetime, text: str = '{"level":"info"}') -> None:
        self.written.append((dict(labels), at, text))

    def write_steadily(
        self, labels: Mapping[str, str], start: datetime, end: datetime, every: timedelta, text: str = "{}"
    ) -> None:
        while start <= end:
            self.write(labels, start, text)
            start += every

    def request(self, _method: str, path: str, *, params: Mapping[str, Any], **_: object) -> Answer:
        query = str(params.get("query") or params.get("match[]"))
        self.asked.append(query)
        for words, status in self.refuses.items():
            if words in f"{path} {query}":
                if status >= 500:
                    raise BackendError("Loki", f"answered {status}", status=status)
                return Answer(status, "refused")
        start, end = (_moment(params[name]) for name in ("start", "end"))
        if path.endswith("/series"):
            streams = {tuple(sorted(line[0].items())) for line in self._kept(query)}
            return Answer(200, {"status": "success", "data": [dict(stream) for stream in streams]})
        if count := _COUNT.fullmatch(query):
            return self._counted(count, start, end, int(params["step"]))
        return self._listed(query, start, end, int(params["limit"]))

    def _counted(self, count: re.Match[str], start: datetime, end: datetime, step: int) -> Answer:
        by = [name.strip() for name in (count["by"] or "").split(",") if name.strip()]
        bucket = int(count["bucket"])
        assert step == bucket, "buckets overlap or leave holes"
        series: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        for labels, at, _ in self._kept(count["lines"]):
            moment = self._bucket_of(at, start, end, bucket)
            if moment is not None:
                series[tuple(labels.get(name, "") for name in by)][moment] += 1
        if len(series) > self.most_series:
            return Answer(400, f"maximum number of series ({self.most_series}) reached for a single query")
        result = [
            {
                "metric": {name: value for name, value in zip(by, key, strict=True) if value},
                "values": [[moment, str(number)] for moment, number in sorted(counted.items())],
            }
            for key, counted in series.items()
        ]
        return Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

    def _bucket_of(self, at: datetime, start: datetime, end: datetime, bucket: int) -> int | None:
        """Return the time that the server gives the bucket of a line, as Loki or as one that floors times."""
        if self._floors:
            return int(at.timestamp() // bucket) * bucket if start <= at <= end else None
        steps = -((start - at).total_seconds() // bucket)
        moment = start + timedelta(seconds=max(0, steps) * bucket)
        inside = moment - timedelta(seconds=bucket) < at <= moment <= end
        return int(moment.timestamp()) if inside else None

    def _listed(self, query: str, start: datetime, end: datetime, limit: int) -> Answer:
        found = [line for line in self._kept(query) if start <= line[1] < end]
        found = sorted(found, key=lambda line: line[1], reverse=True)[:limit]
        result = [
            {"stream": labels, "values": [[str(int(at.timestamp() * 1e6) * 1000), text]]}
            for labels, at, text in found
        ]
        return Answer(200, {"status": "success", "data": {"resultType": "streams", "result": result}})

    def _kept(self, query: str) -> Iterator[Line]:
        read = _LINES.fullmatch(query.strip())
        assert read, query
        matchers = parse_selector(read["selector"])
        filters = [
            (operator, re.sub(r"\\(.)", r"\1", text)) for operator, text in _FILTER.findall(read["filters"])
        ]
        for labels, at, text in self.written:
            if all(_holds(matcher, labels) for matcher in matchers) and all(
                _KEEPS[operator](text, wanted) for operator, wanted in filters
            ):
                yield labels, at, text


def _holds(matcher: Matcher, labels: Mapping[str, str]) -> bool:
    return bool(_MATCHES[matcher.operator](labels.get(matcher.label, ""), matcher.value))


def _moment(nanoseconds: str) -> datetime:
    return from_nanoseconds(nanoseconds)
