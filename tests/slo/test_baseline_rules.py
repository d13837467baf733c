"""Alerts against the release's own baseline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from release_watch.artifacts.models import (
    BaselineKind,
    BaselineMetrics,
    MetricBaseline,
    NormalRange,
    Window,
)
from release_watch.catalog.models import BusinessMetric, Service
from release_watch.release import Release
from release_watch.slo.baseline_rules import baseline_rule_groups
from release_watch.slo.promtool import check_rules
from release_watch.slo.rulefile import to_yaml
from release_watch.verdict import Verdict

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def metric(name: str, low: float, high: float, unit: str = "s") -> MetricBaseline:
    return MetricBaseline(
        service="checkout",
        metric=name,
        unit=unit,
        quantiles={"0.5": low},
        normal_range=NormalRange(low=low, high=high),
        samples=1440,
        completeness=1,
        query=f"{name}_query",
    )


def baseline(*metrics: MetricBaseline, verdict: Verdict = Verdict.GO) -> BaselineMetrics:
    return BaselineMetrics(
        release_id="r-1",
        environment="production",
        generated_at=END,
        kind=BaselineKind.RELEASE,
        window=Window(start=START, end=END),
        verdict=verdict,
        reason="enough samples",
        metrics=metrics,
    )


@pytest.mark.parametrize(
    ("name", "low", "high", "expr"),
    [
        ("latency_p95_seconds", 0.1, 0.4, "(latency_p95_seconds_query) > 0.44"),
        ("throughput_rps", 10.0, 20.0, "(throughput_rps_query) < 9"),
        ("error_ratio", 0.0, 0.0, "(error_ratio_query) > 0.01"),
        ("orders", 2.0, 4.0, "(orders_query) < 1.8 or (orders_query) > 4.4"),
    ],
    ids=["latency rises", "throughput falls", "error-free baseline", "business both ways"],
)
def test_an_alert_fires_where_the_metric_is_worse_than_its_range(
    name: str, low: float, high: float, expr: str, service: Service, release: Release
) -> None:
    orders = BusinessMetric(name="orders", query="orders_query", unit="1/s", direction="both")
    watched = service.model_copy(update={"business_metrics": (orders,)})
    (group,) = baseline_rule_groups(baseline(metric(name, low, high)), [watched], release)
    assert group.rules[0].expr == expr


def test_an_alert_says_where_its_threshold_comes_from(
    service: Service, release: Release, promtool: Path
) -> None:
    groups = baseline_rule_groups(baseline(metric("latency_p95_seconds", 0.1, 0.4)), [service], release)
    check_rules(to_yaml(groups), promtool)
    for words in ("release baseline of r-1", "2026-01-01T00:00:00.000Z", "1440 samples", "0.1 to 0.4 s"):
        assert words in groups[0].rules[0].annotations["threshold"]


def test_a_baseline_that_does_not_convince_gives_no_alert(service: Service, release: Release) -> None:
    doubtful = baseline(metric("latency_p95_seconds", 0.1, 0.4), verdict=Verdict.INCONCLUSIVE)
    assert baseline_rule_groups(doubtful, [service], release) == []


@pytest.mark.parametrize(
    "high", [None, float("inf"), float("nan")], ids=["no range", "infinite", "not a number"]
)
def test_a_metric_without_a_finite_range_gives_no_alert(
    high: float | None, service: Service, release: Release
) -> None:
    found = metric("latency_p95_seconds", 0.1, high or 0.0)
    unranged = found if high else found.model_copy(update={"normal_range": None})
    assert baseline_rule_groups(baseline(unranged), [service], release) == []
