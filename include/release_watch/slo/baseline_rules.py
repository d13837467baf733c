"""Alerts on degradation against the release's own baseline; each says where its threshold comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Literal

from release_watch.artifacts.models import BaselineMetrics, MetricBaseline, NormalRange
from release_watch.baseline.metrics import (
    DAILY_CPU_SWING,
    DAILY_SWING,
    MEMORY_EFFECT,
    NOTICEABLE_SECONDS,
)
from release_watch.catalog.models import Service
from release_watch.clock import rfc3339
from release_watch.release import Release
from release_watch.slo.annotations import AlertText, alert_rule, literal
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.symptoms import MOST_RULES
from release_watch.slo.windows import plain

ALERT = "DegradedAgainstBaseline"
HOLD = timedelta(minutes=10)
INTERVAL = timedelta(minutes=1)
MARGIN = Decimal("0.1")
"""A value must leave the normal range by a tenth of its bound: a significant 0.5 % is no incident."""
LEAST_ERROR_RATIO = Decimal("0.01")
"""A baseline without errors has an upper bound of 0, which a single failure would exceed."""
LEAST_TRAFFIC = Decimal("0.1")
"""Requests per second below which a ratio or a quantile is made of too few of them."""

_WORSE_WHEN_LOW = ("throughput", "availability")
_OF_REQUESTS = ("error_ratio", "latency")
_TRAFFIC = "throughput_rps"
_DAY = timedelta(days=1)

Direction = Literal["up", "down", "both"]


def baseline_rule_groups(
    baseline: BaselineMetrics,
    services: Sequence[Service],
    release: Release,
    *,
    runbook_url: str = "",
    dashboard_url: str = "",
) -> list[RuleGroup]:
    """Return alerts on metrics that leave the normal range of ``baseline``, in groups per service.

    Metrics without a normal range, and a baseline that did not convince, give no alert.
    """
    if not baseline.verdict.proceeds:
        return []
    text = AlertText(runbook_url, dashboard_url, f"{release.release_id} (version {release.version})")
    groups: list[RuleGroup] = []
    for service in services:
        rules = [
            _rule(metric, metric.normal_range, service, baseline, text)
            for metric in baseline.metrics
            if metric.service == service.name
            and metric.normal_range is not None
            and _finite(metric.normal_range)
        ]
        for number, start in enumerate(range(0, len(rules), MOST_RULES), start=1):
            prefix = "baseline" if number == 1 else f"baseline{number}"
            part = tuple(rules[start : start + MOST_RULES])
            groups.append(RuleGroup(name=f"{prefix}-{service.name}", interval=duration(INTERVAL), rules=part))
    return groups


def degradation_direction(metric: str, service: Service) -> Direction:
    """Return in which direction a metric is worse; business metrics say it themselves."""
    for business in service.business_metrics:
        if business.name == metric:
            return business.direction
    return "down" if metric.startswith(_WORSE_WHEN_LOW) else "up"


def _rule(
    metric: MetricBaseline, normal: NormalRange, service: Service, baseline: BaselineMetrics, text: AlertText
) -> Rule:
    direction = degradation_direction(metric.metric, service)
    low, high = _limits(metric, normal, service, baseline)
    query = _bracketed(metric.query)
    below, above = f"{query} < {plain(low)}", f"{query} > {plain(high)}"
    expr = {"down": below, "up": above, "both": f"{below} or {above}"}[direction]
    limits = {
        "down": f"below {plain(low)}",
        "up": f"above {plain(high)}",
        "both": f"below {plain(low)} or above {plain(high)}",
    }[direction]
    where = ""
    if traffic := _traffic(metric, baseline):
        expr = f"{expr} and on () {_bracketed(traffic)} > {LEAST_TRAFFIC}"
        where = f", while more than {LEAST_TRAFFIC} requests/s come"
    origin = (
        f"the {baseline.kind.value} baseline of {baseline.release_id}, {rfc3339(baseline.window.start)} to "
        f"{rfc3339(baseline.window.end)}, {metric.samples} samples, normal range {normal.low:.6g} to "
        f"{normal.high:.6g} {metric.unit}"
    )
    return alert_rule(
        ALERT,
        expr,
        hold=HOLD,
        labels={
            "service": service.name,
            "environment": baseline.environment,
            "severity": "ticket",
            "metric": metric.metric,
        },
        text=text,
        summary=f"{service.name}: {metric.metric} is worse than its baseline",
        description=f"{literal(metric.metric)} is {{{{ $value | humanize }}}} {literal(metric.unit)}. "
        f"The threshold comes from {literal(origin)}.",
        threshold=f"{limits} {metric.unit} for {duration(HOLD)}{where}; from {origin}",
    )


def _traffic(metric: MetricBaseline, baseline: BaselineMetrics) -> str | None:
    """Return the query of the traffic that a metric is made of; None where it is not made of requests."""
    if not metric.metric.startswith(_OF_REQUESTS):
        return None
    of_service = (one for one in baseline.metrics if one.service == metric.service)
    return next((one.query for one in of_service if one.metric == _TRAFFIC), None)


def _bracketed(query: str) -> str:
    """Return a query to calculate with; a comment in it must not swallow what follows."""
    return f"({query}\n)" if "#" in query else f"({query})"


def _finite(normal: NormalRange) -> bool:
    return isfinite(normal.low) and isfinite(normal.high)


def _limits(
    metric: MetricBaseline, normal: NormalRange, service: Service, baseline: BaselineMetrics
) -> tuple[Decimal, Decimal]:
    """Return what a metric must fall below or exceed: the normal range and a margin that matters."""
    low, high = Decimal(repr(normal.low)), Decimal(repr(normal.high))
    margin, shift = _margins(metric.metric, service, baseline)
    low, high = low - max(margin * abs(low), shift), high + max(margin * abs(high), shift)
    return low, max(high, LEAST_ERROR_RATIO) if metric.metric.startswith("error_ratio") else high


def _margins(name: str, service: Service, baseline: BaselineMetrics) -> tuple[Decimal, Decimal]:
    """Return by which share of a bound, and by how much in its unit, a metric must leave its range.

    What follows the load swings by more than a baseline has seen that is shorter than a day.
    """
    if name.startswith("latency") and name.endswith("_seconds"):
        return MARGIN, Decimal(repr(NOTICEABLE_SECONDS))
    if name.startswith("memory"):
        return Decimal(repr(MEMORY_EFFECT)), Decimal(0)
    if baseline.window.end - baseline.window.start < _DAY:
        if name.startswith("cpu"):
            return Decimal(repr(DAILY_CPU_SWING)), Decimal(0)
        if name == _TRAFFIC or any(name == business.name for business in service.business_metrics):
            return Decimal(repr(DAILY_SWING)), Decimal(0)
    return MARGIN, Decimal(0)
