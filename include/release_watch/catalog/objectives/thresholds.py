"""Threshold metrics: a bound for what a histogram measured, or for a gauge."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from release_watch.catalog.objectives.events import STEP, Events, summed
from release_watch.catalog.objectives.grouping import check_grouping
from release_watch.catalog.objectives.model import WINDOW
from release_watch.catalog.objectives.places import Place
from release_watch.catalog.objectives.queries import Counter, Query
from release_watch.catalog.objectives.units import SECONDS, doubtful, seconds_in, unit_of
from release_watch.catalog.selectors import Matcher

Operator = Literal["lte", "lt", "gte", "gt"]

_SIGNS = {"lte": "<=", "lt": "<", "gte": ">=", "gt": ">"}
_MEASURES_TIME = re.compile(r"(?:^|_)(?:duration|latency|response_time|request_time)(?:_[a-z]+)*$")


class Bound(NamedTuple):
    """What is good: a comparison with ``value`` in ``unit``, None for the metric's own."""

    place: Place
    operator: Operator
    value: Decimal
    unit: str | None = None


def bounded(query: Query, bound: Bound, group_by: tuple[str, ...], metric_type: str | None = None) -> Events:
    """Return the events of a threshold metric.

    A histogram is known by ``_bucket``, by a name that speaks of a duration, or by ``metric_type``
    (``histogram`` or ``gauge``); anything else is a gauge, of which each sample is an event.

    Raises:
        InvalidInputError: for a metric that has no threshold, or a bound that no bucket can tell.
    """
    if query.counter is None:
        remedy = (
            "is an expression; name the histogram or the gauge by a bare selector such as "
            'http_request_duration_seconds{job="shop"}: a quantile below a value is the same as that share '
            "of events below it; record anything else by a rule and name that"
        )
        raise query.refusal(remedy)
    check_grouping((query,), group_by)
    name = query.counter.name
    if name.endswith(("_total", "_count", "_sum")):
        raise query.refusal(f"{name} only rises, so no value of it is good or bad; use ratioMetric")
    if _is_histogram(name, metric_type):
        return _latency(query, query.counter, bound)
    return _gauge(query.counter, bound, group_by)


def is_integer_le(value: Decimal) -> bool:
    """Return whether exporters write a bound in two ways, such as 1 and 1.0."""
    return value == value.to_integral_value()


def _is_histogram(name: str, metric_type: str | None) -> bool:
    if metric_type:
        return metric_type == "histogram"
    return name.endswith("_bucket") or _MEASURES_TIME.search(name) is not None


def _latency(query: Query, histogram: Counter, bound: Bound) -> Events:
    if bound.operator not in ("lte", "lt"):
        remedy = "must be lte or lt: the buckets of a histogram count what is below; use ratioMetric with bad"
        raise bound.place.at("op").refusal(bound.operator, remedy)
    if any(matcher.label == "le" for matcher in histogram.matchers):
        raise query.refusal("has le already, and value names the bucket; leave le out")
    family = histogram.name.removesuffix("_bucket")
    value = _in_metric_unit(family, bound)
    if value <= 0:
        raise bound.place.at("value").refusal(str(bound.value), "must be above 0")
    good = Counter(f"{family}_bucket", (*histogram.matchers, _le(value)))
    total = Counter(f"{family}_count", histogram.matchers)
    seconds = seconds_in(family, value)
    kind: Literal["ratio", "latency"] = "ratio" if seconds is None else "latency"
    return Events(kind, str(good), None, str(total), threshold_seconds=seconds)


def _in_metric_unit(family: str, bound: Bound) -> Decimal:
    place, own = bound.place.at("value"), unit_of(family)
    if bound.unit is None:
        if doubt := doubtful(family, bound.value):
            raise place.refusal(str(bound.value), doubt)
        return bound.value
    if own is None:
        raise place.refusal(str(bound.value), f"{family} measures no time; leave release-watch.io/unit out")
    return bound.value * SECONDS[bound.unit] / SECONDS[own]


def _le(value: Decimal) -> Matcher:
    """Return the matcher of a bucket, in both ways in which exporters write a whole number."""
    text = f"{value.normalize():f}"
    return Matcher("le", "=~", rf"{text}|{text}\.0") if is_integer_le(value) else Matcher("le", "=", text)


def _gauge(gauge: Counter, bound: Bound, group_by: tuple[str, ...]) -> Events:
    condition = f"{gauge} {_SIGNS[bound.operator]} {bound.value.normalize():f}"
    good = summed(f"count_over_time(({condition})[{WINDOW}:{STEP}])", group_by)
    total = summed(f"count_over_time(({gauge} >= -Inf)[{WINDOW}:{STEP}])", group_by)
    return Events("threshold", good, None, total, per_second=False)
