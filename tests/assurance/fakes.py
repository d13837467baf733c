"""A release, the shipped configuration, and backends that answer from what a test puts into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from release_watch.catalog.config import Config, load_config
from release_watch.errors import NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.metrics import Sample
from release_watch.transport import Answer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONFIG: Config = load_config(Path(__file__).resolve().parents[2] / "include" / "config")

QUESTION = re.compile(r'label_replace\((.*?), "release_watch_question", "(\d+)", "", ""\)', re.DOTALL)
"""A question among others in one query, and its number."""


def release(release_id: str = "rel-1", *services: str, days_ago: float = 1, **more: Any) -> Release:
    given = {
        "deployment_id": f"dep-{release_id}",
        "release_id": release_id,
        "version": "1.1.0",
        "environment": "production",
        "services": services or ("checkout", "payments"),
        "deployed_at": NOW - timedelta(days=days_ago),
        "evidence_uri": "file:///evidence",
    }
    return Release.model_validate({**given, **more})


EVENTS = 10_000
_BY = re.compile(r"^sum by \(([^)]*)\) ")
_MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')


class GoodEvents(NamedTuple):
    """Counters of which ``share`` are good events; failures have a code 5.., good ones a bucket."""

    share: float

    def samples(self, question: str) -> list[tuple[dict[str, str], float]]:
        """Return what counts each of the values that a question asks for together, or alone the share."""
        by = _BY.match(question)
        if by is None:
            return [({}, self.share)]
        listed = {name: values.split("|") for name, values in _MATCHER.findall(question)}
        labels = by[1].split(", ")
        count = self.share if "_bucket{" in question else 1 - self.share if "5.." in question else 1.0
        return [
            (dict(zip(labels, values, strict=True)), EVENTS * count)
            for values in product(*(listed[label] for label in labels))
        ]


class FakeMetrics:
    base_url = "http://prometheus"

    def __init__(self, frame: pd.DataFrame | None = None, instants: Mapping[str, Any] | None = None) -> None:
        self.frame = pd.DataFrame() if frame is None else frame
        self.instants = dict(instants or {})
        self.queries: list[str] = []
        self.ranges: list[tuple[datetime, datetime, timedelta]] = []

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.queries.append(query)
        asked = QUESTION.findall(query)
        if not asked:
            return self._samples(query, at)
        return [
            sample._replace(labels={**sample.labels, "release_watch_question": number})
            for question, number in asked
            for sample in self._samples(question, at)
        ]

    def _samples(self, query: str, at: datetime | None) -> list[Sample]:
        found = next((value for part, value in self.instants.items() if part in query), [])
        if isinstance(found, Exception):
            raise found
        if isinstance(found, GoodEvents):
            found = found.samples(query)
        return [Sample(labels, at or NOW, value) for labels, value in found]

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.queries.append(query)
        self.ranges.append((start, end, step))
        return self.frame


class FakeServer:
    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.base_url, self.answers = "http://server", dict(answers or {})
        self.requests: list[tuple[str, str]] = []

    def request(self, method: str, path: str, **_: Any) -> Answer:
        self.requests.append((method, path))
        answer = self.answers.get(path, Answer(404, {}))
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeBackends:
    """Whatever a test does not give is a connection that is not configured."""

    def __init__(self, metrics: FakeMetrics | None = None, **servers: FakeServer) -> None:
        self._metrics, self._servers = metrics, servers

    def metrics(self, service: object = None) -> FakeMetrics:  # noqa: ARG002 - one server for all services
        if self._metrics is None:
            raise NotConfiguredError("prometheus_default", "metrics")
        return self._metrics

    def __getattr__(self, name: str) -> Any:
        def find(*_: object) -> FakeServer:
            if name not in self._servers:
                raise NotConfiguredError(f"{name}_default", name)
            return self._servers[name]

        return find
