"""Alerts against the release's own baseline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from release_watch.artifacts.models import (
    BaselineKind,
    BaselineMetrics,
    MetricBaseline,
    NormalRange,
    Window,
)
from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.models import BusinessMetric, Service
from release_watch.release import Release
from release_watch.slo.baseline_rules import baseline_rule_groups
from release_watch.slo.lint import errors, lint
from release_watch.slo.promtool import check_rules
from release_watch.slo.rulefile import to_yaml
from release_watch.verdict import Verdict
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, fires, try_rules

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


def baseline(
    *metrics: MetricBaseline, verdict: Verdict = Verdict.GO, length: timedelta = END - START
) -> BaselineMetrics:
    return BaselineMetrics(
        release_id="r-1",
        environment="production",
        generated_at=END,
        kind=BaselineKind.RELEASE,
        window=Window(start=START, end=START + length),
        verdict=verdict,
        reason="enough samples",
        metrics=metrics,
    )


@pytest.mark.parametrize(
    ("name", "low", "high", "expr"),
    [
        ("latency_p95_seconds", 0.1, 0.4, "(latency_p95_seconds_query) > 0.5"),
        ("latency_p95_seconds", 1.0, 4.0, "(latency_p95_seconds_query) > 4.4"),
        ("memory_bytes", 1.0, 100.0, "(memory_bytes_query) > 130"),
        ("cpu_cores", 0.1, 0.5, "(cpu_cores_query) > 0.55"),
        ("throughput_rps", 10.0, 20.0, "(throughput_rps_query) < 9"),
        ("error_ratio", 0.0, 0.0, "(error_ratio_query) > 0.01"),
        ("orders", 2.0, 4.0, "(orders_query) < 1.8 or (orders_query) > 4.4"),
    ],
    ids=[
        "latency rises by what a person feels",
        "latency rises by a tenth",
        "memory rises by more than a new version may take",
        "processor time rises",
        "throughput falls",
        "error-free baseline",
        "business both ways",
    ],
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


@pytest.mark.parametrize(
    ("name", "limit"),
    [("throughput_rps", "< 3"), ("orders", "< 3"), ("cpu_cores", "> 60"), ("error_ratio", "> 22")],
    ids=["throughput", "business", "processor time", "errors do not follow the load"],
)
def test_a_baseline_shorter_than_a_day_has_seen_no_night(
    name: str, limit: str, service: Service, release: Release
) -> None:
    orders = BusinessMetric(name="orders", query="orders_query", unit="1/s", direction="down")
    watched = service.model_copy(update={"business_metrics": (orders,)})
    short = baseline(metric(name, 10.0, 20.0), length=timedelta(hours=4))
    (group,) = baseline_rule_groups(short, [watched], release)
    assert group.rules[0].expr.endswith(limit)


def test_a_ratio_of_few_requests_is_no_degradation(service: Service, release: Release) -> None:
    both = baseline(metric("error_ratio", 0.0, 0.0), metric("throughput_rps", 1.0, 2.0))
    ratio = baseline_rule_groups(both, [service], release)[0].rules[0]
    assert ratio.expr == "(error_ratio_query) > 0.01 and on () (throughput_rps_query) > 0.1"
    assert "while more than 0.1 requests/s come" in ratio.annotations["threshold"]


def test_many_metrics_are_split_into_groups(service: Service, release: Release, promtool: Path) -> None:
    queried = metric("orders", 1.0, 2.0).model_copy(update={"query": "up # a comment"})
    many = baseline(*(queried.model_copy(update={"metric": f"orders-{n}"}) for n in range(45)))
    groups = baseline_rule_groups(many, [service], release, runbook_url="https://runbook")
    assert [(group.name, len(group.rules)) for group in groups] == [
        ("baseline-checkout", 20),
        ("baseline2-checkout", 20),
        ("baseline3-checkout", 5),
    ]
    assert errors(lint(groups)) == []
    check_rules(to_yaml(groups), promtool)


BUCKET = 'http_server_request_duration_seconds_bucket{job="shop/checkout",le='
OK, FAILED = (f'{REQUESTS}{{job="shop/checkout",http_response_status_code="{code}"}}' for code in (200, 500))
ANY = "DegradedAgainstBaseline"
HISTORIES = [
    # worse than the baseline: errors, latency and traffic, each alone
    History({OK: "0+90x60", FAILED: "0+10x60"}, fires(ANY, {"10m": False, "20m": True})),
    History({OK: "0+300x20 6000+3x40"}, fires(ANY, {"9m": False, "35m": True})),
    History(
        {
            OK: "0+60x60",
            f'{BUCKET}"0.1"}}': "0+1x60",
            f'{BUCKET}"2.5"}}': "0+60x60",
            f'{BUCKET}"+Inf"}}': "0+60x60",
        },
        fires(ANY, {"10m": False, "20m": True}),
    ),
    # a reset, ten minutes of a healthy service
    History(
        {OK: "0+300x30 0+300x30", FAILED: "0+0x60"}, fires(ANY, {"15m": False, "32m": False, "50m": False})
    ),
    History({OK: "0+300x10"}, fires(ANY, {"5m": False, "10m": False})),
]


def test_degradation_is_alerted_on_and_nothing_else(
    service: Service, release: Release, promtool: Path, tmp_path: Path
) -> None:
    ranges = {"error_ratio": (0.0, 0.0), "latency_p95_seconds": (0.05, 0.2), "throughput_rps": (1.0, 9.0)}
    measured = baseline(
        *(
            metric(spec.metric, *ranges[spec.metric]).model_copy(update={"query": spec.query})
            for spec in metric_specs([service])
            if spec.metric in ranges
        )
    )
    try_rules(promtool, tmp_path, baseline_rule_groups(measured, [service], release), HISTORIES, step="1m")


def test_a_few_requests_at_night_raise_no_alert_on_their_errors(
    service: Service, release: Release, promtool: Path, tmp_path: Path
) -> None:
    specs = {spec.metric: spec for spec in metric_specs([service])}
    measured = baseline(
        *(
            metric(name, 0.0, 0.0).model_copy(update={"query": specs[name].query})
            for name in ("error_ratio", "throughput_rps")
        )
    )
    groups = baseline_rule_groups(measured, [service], release)
    few = History({OK: "0+2x60", FAILED: "0+2x60"}, fires(ANY, {"40m": False}))
    nothing = History({OK: "5x60", FAILED: "5x60"}, fires(ANY, {"40m": False}))
    try_rules(promtool, tmp_path, groups, [few, nothing], step="1m")
