"""A Tempo in memory that reads the TraceQL and the tags of the audit."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.errors import BackendError
from release_watch.transport import Answer

_QUERY = re.compile(r"\{ (?P<conditions>.*) \} \| select\((?P<select>[^)]*)\)", re.DOTALL)
_CONDITION = re.compile(r'(?P<key>[\w.]+) (?P<operator>=~|!~|=) "(?P<value>(?:[^"\\]|\\.)*)"')


class Written(NamedTuple):
    """One span as it was sent."""

    trace_id: str
    service: str
    version: str
    at: datetime
    name: str = "GET /"
    attributes: Mapping[str, str] = {}

    def value(self, key: str) -> str:
        own = {
            "resource.service.name": self.service,
            "service.name": self.service,
            "resource.service.version": self.version,
            "service.version": self.version,
            "name": self.name,
        }
        return own.get(key) or self.attributes.get(key.removeprefix("span."), "")


class FakeTempo:
    """Send spans to it, then audit; it answers with the newest traces first.

    ``traceql`` false makes it refuse TraceQL, ``longest`` any query that is longer; ``deaf`` makes it answer
    with any traces.
    """

    base_url = "http://tempo.example"

    def __init__(self) -> None:
        self.spans: list[Written] = []
        self.asked: list[str] = []
        self.limits: list[int] = []
        self.status: dict[str, int] = {}
        self.traceql = True
        self.longest = 100_000
        self.deaf = False

    def send(
        self,
        service: str,
        at: datetime,
        version: str = "1.1.0",
        name: str = "GET /",
        trace: str = "",
        **more: str,
    ) -> None:
        attributes = {key.replace("_", "."): value for key, value in more.items()}
        trace_id = trace or f"trace-{len(self.spans)}"
        self.spans.append(Written(trace_id, service, version, at, name, attributes))

    def request(self, _method: str, path: str, *, params: Mapping[str, Any], **_: object) -> Answer:
        assert path == "/api/search"
        query = str(params.get("q") or params.get("tags"))
        self.asked.append(query)
        self.limits.append(params["limit"])
        for words, status in self.status.items():
            if words in query:
                raise BackendError("Tempo", f"answered {status}", status=status)
        refused = "q" in params and (not self.traceql or len(query) > self.longest)
        if refused:
            return Answer(400, "invalid TraceQL query")
        within = [s for s in self.spans if params["start"] <= s.at.timestamp() <= params["end"]]
        if "q" not in params:
            return self._by_tags(within, query, params["limit"])
        read = _QUERY.fullmatch(query)
        assert read, query
        matched = [span for span in within if self.deaf or _holds(read["conditions"], span)]
        return self._traces(matched, read["select"].split(", "), params["limit"], params["spss"])

    def _by_tags(self, within: list[Written], tags: str, limit: int) -> Answer:
        wanted = dict(tag.split("=", 1) for tag in shlex.split(tags))
        found = [s for s in within if all(s.value(key) == value for key, value in wanted.items())]
        found = sorted(found, key=lambda span: span.at, reverse=True)[:limit]
        return Answer(200, {"traces": [_summary(span) for span in found]})

    def _traces(self, matched: list[Written], select: list[str], limit: int, spss: int) -> Answer:
        traces: dict[str, list[Written]] = defaultdict(list)
        for span in sorted(matched, key=lambda span: span.at, reverse=True):
            traces[span.trace_id].append(span)
        found = [
            {
                **_summary(spans[0]),
                "spanSets": [{"spans": [_told(s, select) for s in spans[:spss]], "matched": len(spans)}],
            }
            for spans in list(traces.values())[:limit]
        ]
        return Answer(200, {"traces": found})


def _holds(conditions: str, span: Written) -> bool:
    """Return whether a span meets all conditions; those in round brackets are alternatives."""
    for either in re.findall(
        r"(?:^|&& )(\([^&]*\|\| [^&]*\)|[\w.]+ (?:=~|!~|=) \"(?:[^\"\\]|\\.)*\")", conditions
    ):
        alternatives = list(_CONDITION.finditer(either))
        assert alternatives, conditions
        if not any(_meets(condition, span) for condition in alternatives):
            return False
    return True


def _meets(condition: re.Match[str], span: Written) -> bool:
    wanted = re.sub(r"\\(.)", r"\1", condition["value"])
    value = span.value(condition["key"])
    if condition["operator"] == "=":
        return value == wanted
    return (re.search(wanted, value) is not None) is (condition["operator"] == "=~")


def _summary(span: Written) -> dict[str, Any]:
    return {"traceID": span.trace_id, "startTimeUnixNano": _nanoseconds(span.at), "durationMs": 5}


def _told(span: Written, select: list[str]) -> dict[str, Any]:
    told = {key: span.value(key.removeprefix(".")) for key in select}
    return {
        "spanID": "1",
        "startTimeUnixNano": _nanoseconds(span.at),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in told.items() if v],
    }


def _nanoseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1e6) * 1000)
