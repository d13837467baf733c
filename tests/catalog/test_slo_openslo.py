"""What OpenSLO v1 documents may say, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.slos import Slo, SlosFound, slos_in

RATIO = """\
      ratioMetric:
        counter: true
        bad: { metricSource: { type: Prometheus, spec: { query: 'requests_total{code=~"5.."}' } } }
        total: { metricSource: { type: Prometheus, spec: { query: requests_total } } }
"""
OBJECTIVE = "objectives: [{ target: 0.99 }]"


def threshold(query: str) -> str:
    return (
        f"      thresholdMetric: {{ metricSource: {{ type: Prometheus, spec: {{ query: '{query}' }} }} }}\n"
    )


def raw(query: str, kind: str = "failure") -> str:
    return (
        f"      ratioMetric:\n        rawType: {kind}\n"
        f"        raw: {{ metricSource: {{ type: Prometheus, spec: {{ query: '{query}' }} }} }}\n"
    )


def document(
    indicator: str = RATIO, objectives: str = OBJECTIVE, method: str = "Occurrences", more: str = ""
) -> str:
    return f"""\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: shop-answers
{more if more.startswith("  annotations") or more.startswith("  labels") else ""}
spec:
  description: It answers
  service: shop
  budgetingMethod: {method}
  timeWindow: [{{ duration: 30d, isRolling: true }}]
  {objectives}
{"" if more.startswith(("  annotations", "  labels")) else more}
  indicator:
    spec:
{indicator}"""


def policy(condition: str, severity: str = "page", more: str = "") -> str:
    return f"""\
  alertPolicies:
    - kind: AlertPolicy
      metadata: {{ name: inline }}
      spec:
        {more}
        conditions:
          - kind: AlertCondition
            spec: {{ severity: {severity}, condition: {{ op: gt, {condition} }} }}
"""


def read(text: str) -> SlosFound:
    return slos_in(*parse_documents(text, "slo.yaml"))


def sound(text: str) -> list[Slo]:
    found = read(text)
    assert found.problems == []
    return [slo for slo, _ in found.slos]


def only(text: str) -> Slo:
    (slo,) = sound(text)
    return slo


def annotated(**lines: str) -> str:
    inner = ", ".join(f"release-watch.io/{key.replace('_', '-')}: {text}" for key, text in lines.items())
    return f"  annotations: {{ {inner} }}"


@pytest.mark.parametrize(
    ("written", "days"),
    [("7d", 7), ("1w", 7), ("168h", 7), ("28d", 28), ("4w", 28), ("30d", 30), ("1M", 30), ("1Q", 90)],
)
def test_a_rolling_window_may_be_written_in_any_unit(written: str, days: int) -> None:
    assert only(document().replace("30d", written)).window_days == days


def test_a_calendar_window_is_refused_with_the_rolling_one() -> None:
    calendar = "{ duration: 1M, calendar: { startTime: 2026-01-01 12:00:00, timeZone: UTC } }"

    (problem,) = read(document().replace("{ duration: 30d, isRolling: true }", calendar)).problems

    assert "slo.yaml:10: spec.timeWindow.0.calendar" in problem
    assert "write [{duration: 30d, isRolling: true}]" in problem


def test_each_objective_becomes_an_slo_with_a_name_of_its_own() -> None:
    several = """objectives:
  - { displayName: Good experience, target: 0.99 }
  - { displayName: Bearable, targetPercent: 99.9 }"""
    unnamed = "objectives: [{ target: 0.99 }, { targetPercent: 99.9 }]"

    assert [slo.name for slo in sound(document(objectives=several))] == [
        "shop-answers-good-experience",
        "shop-answers-bearable",
    ]
    assert [(slo.name, slo.objective) for slo in sound(document(objectives=unnamed))] == [
        ("shop-answers-99", Decimal("0.99")),
        ("shop-answers-99-9", Decimal("0.999")),
    ]
    assert [slo.source for slo in sound(document(objectives=several))] == ["slo.yaml:12", "slo.yaml:13"]


@pytest.mark.parametrize(
    ("query", "value", "good", "seconds"),
    [
        pytest.param(
            'http_request_duration_seconds{job="a"}',
            "0.5",
            'http_request_duration_seconds_bucket{job="a",le="0.5"}',
            "0.5",
            id="family",
        ),
        pytest.param(
            'latency_bucket{job="a"}', "0.25", 'latency_bucket{job="a",le="0.25"}', "0.25", id="bucket"
        ),
        pytest.param(
            "http_server_duration_milliseconds",
            "250",
            'http_server_duration_milliseconds_bucket{le=~"250|250\\\\.0"}',
            "0.25",
            id="milliseconds",
        ),
        pytest.param(
            "rpc_duration_seconds",
            "1",
            'rpc_duration_seconds_bucket{le=~"1|1\\\\.0"}',
            "1",
            id="whole number, which exporters write in two ways",
        ),
    ],
)
def test_a_latency_threshold_becomes_the_bucket_with_its_le(
    query: str, value: str, good: str, seconds: str
) -> None:
    slo = only(document(threshold(query), f"objectives: [{{ target: 0.99, op: lte, value: {value} }}]"))

    family = query.partition("{")[0].removesuffix("_bucket")
    assert (slo.kind, slo.good, slo.bad, slo.templated) == ("latency", good, None, False)
    assert slo.total.startswith(f"{family}_count")
    assert slo.threshold_seconds == Decimal(seconds)


def test_a_unit_of_its_own_is_converted_to_that_of_the_metric() -> None:
    objectives = "objectives: [{ target: 0.99, op: lt, value: 500 }]"
    query = threshold("http_request_duration_seconds")

    slo = only(document(query, objectives, more=annotated(unit="ms")))

    assert slo.good == 'http_request_duration_seconds_bucket{le="0.5"}'
    assert "for 500 milliseconds write 0.5" in read(document(query, objectives)).problems[0]


def test_a_histogram_that_measures_no_time_has_no_threshold_in_seconds() -> None:
    slo = only(
        document(
            threshold("response_size_bytes_bucket"), "objectives: [{ target: 0.9501, op: lte, value: 5000 }]"
        )
    )

    assert (slo.kind, slo.threshold_seconds) == ("ratio", None)


def test_a_gauge_counts_the_samples_that_fulfil_the_bound() -> None:
    objectives = "objectives: [{ target: 0.99, op: lte, value: 100 }]"

    slo = only(document(threshold('queue_length{job="a"}'), objectives))
    grouped = only(document(threshold("queue_length"), objectives, more=annotated(group_by="job")))

    assert (slo.kind, slo.per_second, slo.threshold_seconds) == ("threshold", False, None)
    assert slo.good == 'sum(count_over_time((queue_length{job="a"} <= 100)[{{.window}}:1m]))'
    assert slo.total == 'sum(count_over_time((queue_length{job="a"} >= -Inf)[{{.window}}:1m]))'
    assert grouped.good == "sum by (job) (count_over_time((queue_length <= 100)[{{.window}}:1m]))"


def test_the_type_of_a_metric_can_be_said_where_its_name_does_not_tell() -> None:
    objectives = "objectives: [{ target: 0.99, op: lte, value: 0.5 }]"

    def kind(query: str, said: str) -> str:
        return only(document(threshold(query), objectives, more=annotated(metric_type=said))).kind

    assert kind("checkout_time", "histogram") == "latency"
    assert kind("last_backup_duration_seconds", "gauge") == "threshold"


def test_a_ready_made_ratio_counts_its_samples() -> None:
    bad = only(document(raw('error_ratio{job="a"}')))
    good = only(document(raw('success_ratio{job="a"}', "success")))

    assert bad.bad == 'sum(sum_over_time((error_ratio{job="a"} >= 0)[{{.window}}:1m]))'
    assert bad.total == 'sum(count_over_time((error_ratio{job="a"} >= 0)[{{.window}}:1m]))'
    assert (bad.good, bad.per_second) == (None, False)
    assert good.bad is None
    assert good.good == 'sum(sum_over_time((success_ratio{job="a"} >= 0)[{{.window}}:1m]))'


def test_gauges_of_good_and_all_are_added_up() -> None:
    slo = only(document(RATIO.replace("counter: true", "counter: false")))

    assert slo.bad == 'sum(sum_over_time((requests_total{code=~"5.."} >= 0)[{{.window}}:1m]))'


@pytest.mark.parametrize(
    ("method", "objective", "length", "share"),
    [
        ("Timeslices", "timeSliceTarget: 0.95, timeSliceWindow: 5m", 5, "0.95"),
        ("Timeslices", "timeSliceTarget: 1, timeSliceWindow: 2", 2, "1"),
        ("RatioTimeslices", "timeSliceWindow: 1h", 60, None),
    ],
)
def test_time_slices_have_a_length_and_a_target(
    method: str, objective: str, length: int, share: str | None
) -> None:
    slo = only(document(objectives=f"objectives: [{{ target: 0.99, {objective} }}]", method=method))

    assert (slo.budgeting, slo.slice) == (method, timedelta(minutes=length))
    assert slo.slice_target == (None if share is None else Decimal(share))
