"""A Prometheus in memory: as much of PromQL as the audit of metrics uses, over series made up by a test."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import promql_parser as promql

from release_watch.telemetry.metrics import Sample, series_name

Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
LOOK_BACK = 300.0
STALE = None
"""A value that ends a series until its next sample, as Prometheus writes one when a scrape fails."""


@dataclass
class Series:
    labels: dict[str, str]
    samples: list[tuple[float, float | None]]


@dataclass
class MemoryPrometheus:
    """Implements ``release_watch.telemetry.metrics.Metrics`` over ``series``; keeps what it was asked."""

    series: list[Series] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuse: Callable[[str], Exception | None] = lambda _query: None
    base_url: str = "http://prometheus.example"

    def add(
        self,
        name: str,
        at: datetime,
        value: float | Sequence[float] = 1.0,
        *,
        count: int = 1,
        step: float = 15.0,
        ends: bool = False,
        **labels: str,
    ) -> None:
        """Add a series of ``count`` samples ``step`` seconds apart, the last one ``at``.

        ``ends`` writes after it what Prometheus does when the target is gone.
        """
        values = list(value) if isinstance(value, Sequence) else [float(value)] * count
        last = at.timestamp()
        samples: list[tuple[float, float | None]] = [
            (last - step * (len(values) - 1 - number), one) for number, one in enumerate(values)
        ]
        if ends:
            samples.append((last + 1, STALE))
        known = {"__name__": name, **labels}
        for one in self.series:
            if one.labels == known:
                one.samples = sorted([*one.samples, *samples], key=lambda sample: sample[0])
                return
        self.series.append(Series(known, samples))

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.asked.append(query)
        if error := self.refuse(query):
            raise error
        assert at is not None
        found = self._vector(promql.parse(query), at.timestamp())
        return [Sample(dict(labels), at, value) for labels, value in found.items()]

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.asked.append(query)
        parsed, columns, moment = promql.parse(query), dict[str, dict[Any, float]](), start
        while moment <= end:
            for labels, value in self._vector(parsed, moment.timestamp()).items():
                columns.setdefault(series_name(dict(labels)), {})[pd.Timestamp(moment)] = value
            moment += step
        return pd.DataFrame({name: pd.Series(points) for name, points in columns.items()})

    # -- evaluation
    def _vector(self, node: Any, at: float) -> Vector:
        found = self._value(node, at)
        assert isinstance(found, dict), f"{node} is no vector"
        return found

    def _value(self, node: Any, at: float) -> Any:
        if isinstance(node, promql.ParenExpr):
            return self._value(node.expr, at)
        if isinstance(node, promql.NumberLiteral):
            return float(node.val)
        if isinstance(node, promql.VectorSelector):
            return {labels: value for labels, (_, value) in self._newest(node, at).items()}
        if isinstance(node, promql.AggregateExpr):
            return self._aggregate(node, at)
        if isinstance(node, promql.BinaryExpr):
            return _binary(node, self._value(node.lhs, at), self._value(node.rhs, at))
        assert isinstance(node, promql.Call), f"{type(node).__name__} is not known here"
        return self._call(node, at)

    def _matching(self, node: Any) -> Iterable[Series]:
        matchers = [(m.name, str(m.op), m.value) for m in node.matchers.matchers]
        if node.name:
            matchers.append(("__name__", "MatchOp.Equal", node.name))
        return [one for one in self.series if all(_matches(one.labels, *matcher) for matcher in matchers)]

    def _newest(self, node: Any, at: float) -> dict[Labels, tuple[float, float]]:
        moment = at - (node.offset.total_seconds() if node.offset else 0.0)
        found = {}
        for one in self._matching(node):
            before = [s for s in one.samples if moment - LOOK_BACK < s[0] <= moment]
            if before and before[-1][1] is not STALE:
                found[_key(one.labels)] = (before[-1][0], before[-1][1] or 0.0)
        return found

    def _ranges(self, node: Any, at: float) -> dict[Labels, list[float]]:
        if isinstance(node, promql.SubqueryExpr):
            length, step = node.range.total_seconds(), node.step.total_seconds()
            points: dict[Labels, list[float]] = {}
            moment = math.ceil((at - length) / step) * step
            while moment <= at:
                for labels, value in self._vector(node.expr, moment).items():
                    points.setdefault(labels, []).append(value)
                moment += step
            return points
        selector = node.vector_selector
        return {
            _key(one.labels): values
            for one in self._matching(selector)
            if (
                values := [
                    value
                    for when, value in one.samples
                    if at - node.range.total_seconds() <= when <= at and value is not STALE
                ]
            )
        }

    def _aggregate(self, node: Any, at: float) -> Vector:
        by = list(node.modifier.labels) if node.modifier else []
        groups: dict[Labels, list[tuple[Labels, float]]] = {}
        for labels, value in self._vector(node.expr, at).items():
            kept = {name: text for name, text in labels if name in by}
            groups.setdefault(_key(kept), []).append((labels, value))
        if str(node.op) == "topk":
            most = int(_number(node.param))
            return {
                labels: value
                for members in groups.values()
                for labels, value in sorted(members, key=lambda one: -one[1])[:most]
            }
        return {
            labels: _AGGREGATES[str(node.op)]([v for _, v in members]) for labels, members in groups.items()
        }

    def _call(self, node: Any, at: float) -> Any:
        name = node.func.name
        if name == "time":
            return at
        if name == "timestamp":
            return {_nameless(labels): when for labels, (when, _) in self._newest(node.args[0], at).items()}
        if name == "histogram_count":
            return {}  # no native histogram can be made here
        if name == "label_replace":
            vector, label, value = self._vector(node.args[0], at), node.args[1].val, node.args[2].val
            return {_key(dict(labels) | {label: value}): number for labels, number in vector.items()}
        if name == "sqrt":
            vector = self._vector(node.args[0], at)
            return {_nameless(k): math.sqrt(v) if v >= 0 else math.nan for k, v in vector.items()}
        over = _OVER_TIME[name]
        return {_nameless(labels): over(values) for labels, values in self._ranges(node.args[0], at).items()}


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _nameless(labels: Labels) -> Labels:
    return tuple(label for label in labels if label[0] != "__name__")


def _number(node: Any) -> float:
    return float(node.val)


def _matches(labels: Mapping[str, str], name: str, kind: str, value: str) -> bool:
    actual = labels.get(name, "")
    if kind in ("MatchOp.Equal", "MatchOp.NotEqual"):
        return (actual == value) is (kind == "MatchOp.Equal")
    return (re.fullmatch(value, actual) is not None) is (kind == "MatchOp.Re")


def _least(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return min(numbers) if numbers else math.nan


def _most(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers) if numbers else math.nan


_AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "min": _least,
    "max": _most,
    "count": lambda values: float(len(values)),
}
_OVER_TIME: dict[str, Callable[[Sequence[float]], float]] = {
    "sum_over_time": sum,
    "min_over_time": _least,
    "max_over_time": _most,
    "count_over_time": lambda values: float(len(values)),
    "present_over_time": lambda _values: 1.0,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def _binary(node: Any, left: Any, right: Any) -> Any:
    sign = str(node.op)
    if sign in ("and", "or", "unless"):
        return _set(node, sign, left, right)
    if sign in _COMPARISONS:
        assert isinstance(left, dict) and not isinstance(right, dict), f"{node} is not known here"
        return {labels: value for labels, value in left.items() if _COMPARISONS[sign](value, right)}
    calculate = _ARITHMETIC[sign]
    if isinstance(left, dict) and isinstance(right, dict):
        others = {_nameless(labels): value for labels, value in right.items()}
        return {
            _nameless(labels): calculate(value, others[_nameless(labels)])
            for labels, value in left.items()
            if _nameless(labels) in others
        }
    if isinstance(left, dict):
        return {_nameless(labels): calculate(value, right) for labels, value in left.items()}
    if isinstance(right, dict):
        return {_nameless(labels): calculate(left, value) for labels, value in right.items()}
    return calculate(left, right)


def _set(node: Any, sign: str, left: Vector, right: Vector) -> Vector:
    matching = node.modifier.matching if node.modifier else None
    names = None if matching is None else set(matching.labels)

    def counts(name: str) -> bool:
        return name != "__name__" if names is None else name in names

    def signature(labels: Labels) -> Labels:
        return tuple(label for label in labels if counts(label[0]))

    if sign == "or":
        known = {signature(labels) for labels in left}
        return left | {labels: value for labels, value in right.items() if signature(labels) not in known}
    known = {signature(labels) for labels in right}
    return {labels: v for labels, v in left.items() if (signature(labels) in known) is (sign == "and")}
