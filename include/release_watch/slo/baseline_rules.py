"""Alerts on degradation against the release's own baseline; each says where its threshold comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Literal

from release_watch.artifacts.models import BaselineMetrics, MetricBaseline, NormalRange
from release_watch.catalog.models import Service
from release_watch.clock import rfc3339
from release_watch.release import Release
from release_watch.slo.annotations import AlertText, alert_rule, literal
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.windows import plain

HOLD = timedelta(minutes=10)
INTERVAL = timedelta(minutes=1)
MARGIN = Decimal("0.1")
"""A value must leave the normal range by a tenth of its bound: a significant 0.5 % is no incident."""
LEAST_ERROR_RATIO = Decimal("0.01")
"""A baseline without errors has an upper bound of 0, which a single failure would exceed."""

_WORSE_WHEN_LOW = ("throughput", "availability")

Direction = Literal["up", "down", "both"]


def baseline_rule_groups(
    baseline: BaselineMetrics,
    services: Sequence[Service],
    release: Release,
    *,
    runbook_url: str = "",
    dashboard_url: str = "",
) -> list[RuleGroup]:
    """Return alerts on metrics that leave the normal range of ``baseline``, one group per service.

    Metrics without a normal range, and a baseline that did not convince, give no alert.
    """
    if not baseline.verdict.proceeds:
        return []
    text = AlertText(runbook_url, dashboard_url, f"{release.release_id} (version {release.version})")
    groups: list[RuleGroup] = []
    for service in services:
        rules = tuple(
            _rule(metric, metric.normal_range, service, baseline, text)
            for metric in baseline.metrics
            if metric.service == service.name
            and metric.normal_range is not None
            and _finite(metric.normal_range)
        )
        if rules:
            groups.append(
                RuleGroup(name=f"baseline-{service.name}", interval=duration(INTERVAL), rules=rules)
            )
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
    low, high = _limits(metric.metric, normal)
    below, above = f"({metric.query}) < {plain(low)}", f"({metric.query}) > {plain(high)}"
    expr = {"down": below, "up": above, "both": f"{below} or {above}"}[direction]
    limits = {
        "down": f"below {plain(low)}",
        "up": f"above {plain(high)}",
        "both": f"below {plain(low)} or above {plain(high)}",
    }[direction]
    origin = (
        f"the {baseline.kind.value} baseline of {baseline.release_id}, {rfc3339(baseline.window.start)} to "
        f"{rfc3339(baseline.window.end)}, {metric.samples} samples, normal range {normal.low:.6g} to "
        f"{normal.high:.6g} {metric.unit}"
    )
    return alert_rule(
        "DegradedAgainstBaseline",
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
        threshold=f"{limits} {metric.unit} for {duration(HOLD)}; from {origin}",
    )


def _finite(normal: NormalRange) -> bool:
    return isfinite(normal.low) and isfinite(normal.high)


def _limits(metric: str, normal: NormalRange) -> tuple[Decimal, Decimal]:
    low, high = Decimal(repr(normal.low)), Decimal(repr(normal.high))
    low, high = low - MARGIN * abs(low), high + MARGIN * abs(high)
    return low, max(high, LEAST_ERROR_RATIO) if metric.startswith("error_ratio") else high
