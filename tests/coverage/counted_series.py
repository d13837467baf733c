"""Metrics that count series held in memory, as the questions about references ask them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import promql_parser as promql

from release_watch.catalog.selectors import Matcher
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.promql import SeriesSelector, parsed, selectors_of

LOOK_BACK = timedelta(minutes=5)


class CountedSeries:
    """A server of series and their age; it understands ``label_replace(count(...), ...) or ...``."""

    base_url = "http://server.example"

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._series: list[tuple[dict[str, str], timedelta]] = []
        self.refusing: str | None = None
        self.error: BackendError | None = None
        self.asked: list[str] = []

    def have(self, *selectors: str, age: timedelta = timedelta(0)) -> None:
        """Hold one series for each selector of equality matchers."""
        for text in selectors:
            (selector,) = selectors_of(text)
            labels = {matcher.label: matcher.value for matcher in selector.matchers}
            self._series.append(({"__name__": selector.metric, **labels}, age))

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        assert at == self._at
        self.asked.append(query)
        if self.error:
            raise self.error
        if self.refusing and self.refusing in query:
            raise BackendError("Prometheus", "answered 422: it would load too much", status=422)
        try:
            return list(self._samples(parsed(query)))
        except ValueError as error:
            raise BackendError("Prometheus", f"answered 400: {error}", status=400) from error

    def _samples(self, node: Any) -> Iterator[Sample]:
        match node:
            case promql.BinaryExpr():
                yield from self._samples(node.lhs)
                yield from self._samples(node.rhs)
            case promql.Call() if node.func.name == "label_replace":
                for sample in self._samples(node.args[0]):
                    yield sample._replace(labels={**sample.labels, node.args[1].val: node.args[2].val})
            case promql.AggregateExpr():
                by = node.modifier.labels if node.modifier else []
                groups = Counter(
                    tuple(labels.get(name, "") for name in by) for labels in self._found(node.expr)
                )
                for key, count in groups.items():
                    named = {name: value for name, value in zip(by, key, strict=True) if value}
                    yield Sample(named, self._at, float(count))

    def _found(self, node: Any) -> Iterator[dict[str, str]]:
        (selector,) = selectors_of(node.prettify())
        oldest = selector.range or LOOK_BACK
        for labels, age in self._series:
            # A series that ceased is not found at once, only within a range.
            seen = age <= oldest if selector.range else age == timedelta(0)
            if seen and _selects(selector, labels):
                yield labels


def _selects(selector: SeriesSelector, labels: dict[str, str]) -> bool:
    named = not selector.metric or labels["__name__"] == selector.metric
    return named and all(_matches(matcher, labels.get(matcher.label, "")) for matcher in selector.matchers)


def _matches(matcher: Matcher, value: str) -> bool:
    if "~" in matcher.operator:
        return (re.fullmatch(matcher.value, value) is not None) == (matcher.operator == "=~")
    return (value == matcher.value) == (matcher.operator == "=")
