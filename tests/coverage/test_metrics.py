from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.artifacts.models import CoverageCheck, CoverageStatus
from release_watch.catalog.models import MetricsSignal
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import now
from release_watch.coverage.conventions import CONVENTIONS
from release_watch.coverage.metrics import check_metrics
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError
from release_watch.release import Release
from tests.coverage.promql import MemoryPrometheus

DEPLOYED = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
AT = DEPLOYED + timedelta(minutes=10)
FRESH = AT - timedelta(seconds=5)
OTEL = "http_server_request_duration_seconds"
OK = {"http_response_status_code": "200"}
ROUTE = {"http_route": "/orders", "http_request_method": "POST"}
BOUNDS = ("0.1", "0.5", "1", "+Inf")

Audit = Callable[..., dict[str, CoverageCheck]]


@pytest.fixture
def prometheus() -> MemoryPrometheus:
    return MemoryPrometheus()


@pytest.fixture
def audit(prometheus: MemoryPrometheus, make_release: Callable[..., Release]) -> Audit:
    def audited(
        service: str = "checkout",
        *,
        at: datetime = AT,
        released: bool = True,
        endpoints: Sequence[str] = (),
        signal: dict[str, str] | None = None,
        **policy: Any,
    ) -> dict[str, CoverageCheck]:
        release = make_release(service if released else "another")
        question = Question(release, at, CoveragePolicy(**policy), {service: endpoints})
        signals = {service: MetricsSignal(**(signal or {"selector": f'job="shop/{service}"'}))}
        return {check.name: check for check in check_metrics(signals, prometheus, question)[service]}

    return audited


def expose(
    prometheus: MemoryPrometheus,
    service: str = "checkout",
    *,
    family: str = OTEL,
    last: datetime = FRESH,
    count: int = 20,
    bounds: Sequence[str] = BOUNDS,
    total: float = 2.5,
    **labels: str,
) -> None:
    """Add the series of a histogram, by default those of a healthy service."""
    known = {"job": f"shop/{service}", "instance": "pod-1", **ROUTE, **OK, "version": "1.1.0", **labels}
    for name, value, more in (
        ("count", 7.0, {}),
        ("sum", total, {}),
        *(("bucket", 7.0, {"le": bound}) for bound in bounds),
    ):
        prometheus.add(f"{family}_{name}", last, value, count=count, **known, **more)


def failing(checks: dict[str, CoverageCheck]) -> dict[str, str]:
    return {name: check.status for name, check in checks.items() if check.status is not CoverageStatus.PASS}


# --- healthy services -------------------------------------------------------------------------------


def test_a_healthy_service_passes_every_check(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus)

    checks = audit(endpoints=["POST /orders"])

    assert list(checks) == [
        "live",
        "release",
        "endpoints",
        "histogram",
        "outcomes",
        "values",
        "gaps",
        "cardinality",
        "clock",
    ]
    assert failing(checks) == {}
    assert "no error yet" in checks["outcomes"].observed


@pytest.mark.parametrize("age", [20, 45, 119, 121, 300], ids=lambda seconds: f"{seconds} s")
def test_a_service_that_was_just_deployed_has_no_gap(
    prometheus: MemoryPrometheus, audit: Audit, age: int
) -> None:
    at = DEPLOYED + timedelta(seconds=age)
    expose(prometheus, last=DEPLOYED - timedelta(seconds=1), version="1.0.0", instance="pod-0")
    expose(prometheus, last=at - timedelta(seconds=1), count=max(1, (age - 8) // 15))

    assert failing(audit(at=at)) == {}


def test_a_counter_that_is_born_long_after_the_deployment_has_no_gap(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, count=4)

    assert failing(audit(max_gap=timedelta(seconds=60))) == {}


@pytest.mark.parametrize("version", ["", "1.1.0"], ids=["versions unknown", "versions known"])
def test_pods_that_are_replaced_with_a_pause_are_no_gap(
    prometheus: MemoryPrometheus, audit: Audit, version: str
) -> None:
    old = {"version": version and "1.0.0"}
    expose(prometheus, last=DEPLOYED + timedelta(seconds=30), instance="pod-0", **old)
    expose(prometheus, count=20, version=version)

    assert "gaps" not in failing(audit(max_gap=timedelta(seconds=60)))


@pytest.mark.parametrize("convention", [c for c in CONVENTIONS if not c.native], ids=lambda c: c.counter)
def test_every_convention_is_detected_with_its_outcomes_and_histogram(
    prometheus: MemoryPrometheus, audit: Audit, convention: Any
) -> None:
    status = {
        "http_status_code": "200",
        "status": "2xx",
        "rpc_response_status_code": "OK",
        "rpc_grpc_status_code": "0",
        "grpc_code": "OK",
    }
    labels = {"job": "shop/checkout", "version": "1.1.0", **status, **OK}
    prometheus.add(convention.counter, FRESH, 3, count=20, **labels)
    for bound in BOUNDS:
        prometheus.add(f"{convention.latency}_bucket", FRESH, 3, le=bound, **labels)

    assert failing(audit()) == {}


# --- live and of this release -----------------------------------------------------------------------


def test_a_service_without_series_is_not_live_and_has_no_further_checks(audit: Audit) -> None:
    checks = audit(endpoints=["POST /orders"])

    assert failing(checks) == {"live": "FAIL", "release": "INCONCLUSIVE"}
    assert checks["live"].query is not None
    promql_parser.parse(checks["live"].query)


def test_fresh_series_of_the_old_version_alone_are_a_failure(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, version="1.0.0")

    checks = audit()

    assert failing(checks) == {"release": "FAIL"}
    assert checks["release"].observed == "only version 1.0.0"


def test_what_only_the_old_version_shows_does_not_count_for_the_new_one(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, version="1.0.0", instance="pod-0", http_route="/refunds")
    expose(prometheus, bounds=())

    checks = audit(endpoints=["POST /orders", "POST /refunds"])

    assert failing(checks) == {"endpoints": "FAIL", "histogram": "FAIL"}
    assert checks["endpoints"].observed == "no series of POST /refunds"
    assert "of version 1.1.0" in checks["endpoints"].expected


def target_info(prometheus: MemoryPrometheus, version: str, instance: str) -> None:
    prometheus.add(
        "target_info", FRESH, count=20, job="shop/checkout", instance=instance, service_version=version
    )


@pytest.mark.parametrize(
    ("targets", "status", "observed"),
    [
        pytest.param({"pod-1": "1.1.0"}, "PASS", "version 1.1.0, by target_info", id="ours"),
        pytest.param({"pod-1": "1.0.0"}, "FAIL", "only version 1.0.0, by target_info", id="old"),
        pytest.param(
            {"pod-1": "1.0.0", "pod-2": "1.1.0"},
            "FAIL",
            "only version 1.0.0 has request series; target_info alone names 1.1.0",
            id="ours without requests",
        ),
        pytest.param(
            {"pod-2": "1.1.0"},
            "INCONCLUSIVE",
            "target_info names 1.1.0, but no request series belongs to it",
            id="ours not joined",
        ),
        pytest.param({}, "INCONCLUSIVE", "no version in the telemetry", id="none"),
    ],
)
def test_a_version_may_come_from_the_target_info_of_the_request_series(
    prometheus: MemoryPrometheus, audit: Audit, targets: dict[str, str], status: str, observed: str
) -> None:
    expose(prometheus, version="")
    for instance, version in targets.items():
        target_info(prometheus, version, instance)

    check = audit()["release"]

    assert (check.status, check.observed) == (status, observed)


def test_by_target_info_too_only_the_new_version_counts(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus, version="", instance="pod-0")
    expose(prometheus, version="", bounds=())
    target_info(prometheus, "1.0.0", "pod-0")
    target_info(prometheus, "1.1.0", "pod-1")

    assert failing(audit()) == {"histogram": "FAIL"}


# --- one convention counts --------------------------------------------------------------------------


def test_of_two_conventions_the_one_with_samples_of_the_release_counts(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, version="1.0.0", instance="pod-0", bounds=())
    expose(prometheus, family="http_server_duration_milliseconds", http_status_code="200")

    checks = audit()

    assert failing(checks) == {}
    assert "http_server_duration_milliseconds_count" in (checks["live"].query or "")


def test_of_two_fresh_conventions_only_the_first_counts(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus)
    expose(prometheus, family="http_server_duration_milliseconds", total=math.nan)

    checks = audit()

    assert failing(checks) == {}
    assert checks["outcomes"].observed.startswith("1 series")


def test_an_endpoint_may_be_counted_under_any_of_the_conventions(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus)
    prometheus.add(
        "rpc_server_duration_milliseconds_count",
        FRESH,
        job="shop/checkout",
        version="1.1.0",
        rpc_service="shop.Orders",
        rpc_method="Place",
        rpc_grpc_status_code="0",
    )

    assert failing(audit(endpoints=["POST /orders", "POST /shop.Orders/Place"])) == {}


@pytest.mark.parametrize(
    ("errors", "seen", "status"),
    [
        pytest.param('result="failed"', "done", "PASS", id="a success"),
        pytest.param('result="failed"', "failed", "FAIL", id="only errors"),
        pytest.param('result="failed"', "", "FAIL", id="no such label"),
        pytest.param('exception!=""', "", "PASS", id="a label on errors alone"),
    ],
)
def test_a_service_may_name_its_own_counter_and_errors(
    prometheus: MemoryPrometheus, audit: Audit, errors: str, seen: str, status: str
) -> None:
    prometheus.add("jobs_done_total", FRESH, count=20, app="worker", version="1.1.0", result=seen)
    signal = {"selector": 'app="worker"', "counter": "jobs_done_total", "errors": errors}

    checks = audit("worker", signal=signal)

    assert checks["outcomes"].status == status
    assert "histogram" not in checks
    assert checks["live"].status is CoverageStatus.PASS


# --- complete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        pytest.param((), "no buckets", id="only a count"),
        pytest.param(("+Inf",), "no buckets", id="only infinity"),
        pytest.param(("1", "5", "+Inf"), "only 2 bounds", id="two bounds"),
    ],
)
def test_a_latency_without_enough_buckets_is_a_gap(
    prometheus: MemoryPrometheus, audit: Audit, bounds: Sequence[str], words: str
) -> None:
    expose(prometheus, bounds=bounds)

    checks = audit()

    assert failing(checks) == {"histogram": "FAIL"}
    assert words in checks["histogram"].observed


def test_a_summary_is_a_gap_because_its_quantiles_cannot_be_aggregated(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, family="http_request_duration_seconds", bounds=(), code="200")
    prometheus.add(
        "http_request_duration_seconds", FRESH, job="shop/checkout", version="1.1.0", quantile="0.99"
    )

    check = audit()["histogram"]

    assert check.status is CoverageStatus.FAIL
    assert "summary" in check.observed
    assert "Histogram" in (check.remedy or "")


def test_spring_boot_without_buckets_is_told_its_setting(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus, family="http_server_requests_seconds", bounds=(), status="200", uri="/orders")

    assert "percentiles-histogram" in (audit()["histogram"].remedy or "")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("", "does not say how a request ended"),
        ("fine", "does not say how a request ended"),
        ("503", "only failed requests are counted"),
    ],
)
def test_outcomes_that_cannot_be_told_apart_are_a_gap(
    prometheus: MemoryPrometheus, audit: Audit, status: str, found: str
) -> None:
    expose(prometheus, http_response_status_code=status)

    checks = audit()

    assert failing(checks) == {"outcomes": "FAIL"}
    assert found in checks["outcomes"].observed


# --- usable -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "words"),
    [
        pytest.param(math.nan, "NaN or infinite", id="NaN"),
        pytest.param(math.inf, "NaN or infinite", id="infinite"),
        pytest.param(-1.0, "negative", id="negative"),
    ],
)
@pytest.mark.parametrize("series", ["count", "sum", "bucket"])
def test_a_value_that_no_counter_can_have_is_a_gap(
    prometheus: MemoryPrometheus, audit: Audit, series: str, total: float, words: str
) -> None:
    expose(prometheus)
    labels = {"job": "shop/checkout", "version": "1.1.0", **OK}
    prometheus.add(f"{OTEL}_{series}", FRESH, total, **labels, le="9" if series == "bucket" else "")

    checks = audit()

    assert failing(checks) == {"values": "FAIL"}
    assert checks["values"].observed.startswith(f"{OTEL}_{series} is ")
    assert all(word in checks["values"].observed for word in words.split(" or "))


def test_a_hole_that_is_over_is_told_with_its_length_and_end(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus, last=AT - timedelta(minutes=6), count=8)
    _break_off(prometheus)
    expose(prometheus, last=FRESH, count=8)

    checks = audit()

    assert failing(checks) == {}
    # From 03:04:00 to 03:08:10, seen by looks 30 s apart.
    told = "one hole, about 4 min 25 s without a sample, until 03:08:25 UTC; none since"
    assert checks["gaps"].observed == told


def test_holes_that_come_again_are_a_gap(prometheus: MemoryPrometheus, audit: Audit) -> None:
    for ended in (8, 4):
        expose(prometheus, last=AT - timedelta(minutes=ended), count=4)
        _break_off(prometheus)
    expose(prometheus, last=FRESH, count=4)

    checks = audit()

    assert failing(checks) == {"gaps": "FAIL"}
    assert checks["gaps"].observed.startswith("2 holes, the longest about ")


def _break_off(prometheus: MemoryPrometheus) -> None:
    for one in prometheus.series:
        one.samples.append((one.samples[-1][0] + 1, None))


def test_holes_shorter_than_the_bound_are_no_gap(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus, last=AT - timedelta(minutes=3), count=8)
    expose(prometheus, last=FRESH, count=6)

    assert failing(audit()) == {}


def test_a_target_whose_scrapes_all_fail_is_a_gap_though_others_are_well(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus)
    prometheus.add("up", FRESH, 0, count=30, job="shop/checkout", instance="pod-2", version="1.1.0")

    checks = audit()

    assert failing(checks) == {"gaps": "FAIL"}
    assert checks["gaps"].observed == "1 targets have failed every scrape for 2 min"


@pytest.mark.parametrize(
    ("version", "values", "ends"),
    [
        pytest.param("1.1.0", [0.0] * 4, False, id="a pod that starts"),
        pytest.param("1.0.0", [1.0] * 10 + [0.0] * 20, True, id="a pod that was taken away"),
        pytest.param("1.0.0", [0.0] * 30, False, id="a pod of the old version"),
    ],
)
def test_targets_that_come_and_go_with_a_deployment_are_no_gap(
    prometheus: MemoryPrometheus, audit: Audit, version: str, values: list[float], ends: bool
) -> None:
    expose(prometheus)
    prometheus.add(
        "up",
        FRESH - timedelta(seconds=2),
        values,
        ends=ends,
        job="shop/checkout",
        instance="pod-2",
        version=version,
    )

    assert failing(audit()) == {}


def test_too_many_series_are_a_gap_that_names_the_label(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus)
    for number in range(150):
        expose(prometheus, user_id=f"u{number}", bounds=(), zone="ab"[number % 2], count=1)

    checks = audit(max_series=100)

    assert failing(checks) == {"cardinality": "FAIL"}
    assert "label user_id has 150 values" in checks["cardinality"].observed
    assert "user_id" in (checks["cardinality"].remedy or "")


def test_series_of_the_version_before_do_not_count_against_the_bound(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    for version in ("1.0.0", "1.1.0"):
        for number in range(30):
            expose(prometheus, version=version, http_route=f"/{number}", bounds=("1", "2", "3"))

    assert failing(audit(max_series=200)) == {}


def test_a_scraped_service_is_counted_by_its_scrape(prometheus: MemoryPrometheus, audit: Audit) -> None:
    expose(prometheus)
    prometheus.add("scrape_samples_post_metric_relabeling", FRESH, 20_000, job="shop/checkout")

    checks = audit()

    assert checks["cardinality"].observed.startswith("20000 series")
    assert not any(query.startswith("label_replace(count by (job, version") for query in prometheus.asked)


@pytest.mark.parametrize("ahead", [40, 250, 500], ids=lambda seconds: f"{seconds} s")
def test_samples_from_the_future_are_a_gap(prometheus: MemoryPrometheus, audit: Audit, ahead: int) -> None:
    at = max(now(), DEPLOYED + timedelta(minutes=10))
    expose(prometheus, last=at - timedelta(seconds=1), count=20)
    expose(prometheus, last=at + timedelta(seconds=ahead), count=1)

    checks = audit(at=at)

    assert failing(checks)["clock"] == "FAIL"
    assert "in the future" in checks["clock"].observed


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(20.0, "PASS"), (90.0, "FAIL"), (1e15, "FAIL"), (math.nan, "PASS"), (math.inf, "FAIL")],
)
def test_a_process_that_starts_in_the_future_is_a_gap(
    prometheus: MemoryPrometheus, audit: Audit, ahead: float, status: str
) -> None:
    at = max(now(), DEPLOYED + timedelta(minutes=10))
    expose(prometheus, last=at, count=20)
    prometheus.add("process_start_time_seconds", at, at.timestamp() + ahead, job="shop/checkout")

    assert audit(at=at)["clock"].status == status


# --- the server, and many services ------------------------------------------------------------------


def test_a_query_that_is_refused_leaves_its_check_open_and_the_others_proven(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus)
    prometheus.refuse = lambda query: (
        BackendError("Prometheus", "answered 422: too many samples", status=422)
        if "sum_over_time" in query
        else None
    )

    checks = audit()

    assert failing(checks) == {"values": "INCONCLUSIVE"}
    assert "too many samples" in checks["values"].observed


def test_a_server_that_dies_in_the_middle_is_not_asked_again(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    expose(prometheus)
    prometheus.refuse = lambda query: (
        None if query.startswith("label_replace(max") else BackendError("Prometheus", "did not answer")
    )

    checks = audit()

    assert {"histogram", "values", "gaps", "clock"} <= set(failing(checks))
    assert set(failing(checks).values()) == {"INCONCLUSIVE"}
    assert len(prometheus.asked) == 2


def test_a_server_that_does_not_say_what_is_live_is_an_error(
    prometheus: MemoryPrometheus, audit: Audit
) -> None:
    prometheus.refuse = lambda _query: BackendError("Prometheus", "did not answer")

    with pytest.raises(BackendError):
        audit()


@pytest.mark.parametrize("count", [1, 30])
def test_the_number_of_queries_does_not_grow_with_the_services(
    prometheus: MemoryPrometheus, make_release: Callable[..., Release], count: int
) -> None:
    names = [f"s{number}" for number in range(count)]
    for number, name in enumerate(names):
        expose(prometheus, name, count=1)
        prometheus.add("target_info", FRESH, job=f"shop/{name}", number=str(number))
    signals = {name: MetricsSignal(selector=f'job="shop/{name}"') for name in names}
    question = Question(
        make_release(*names), AT, CoveragePolicy(), {name: ["POST /orders"] for name in names}
    )

    checks = check_metrics(signals, prometheus, question)

    assert {check.status for found in checks.values() for check in found} == {CoverageStatus.PASS}
    assert len(prometheus.asked) == 9


def test_every_query_shown_is_promql_of_that_service_alone(
    prometheus: MemoryPrometheus, make_release: Callable[..., Release]
) -> None:
    signals = {name: MetricsSignal(selector=f'job="shop/{name}"') for name in ("checkout", "payments")}
    for name in signals:
        expose(prometheus, name)
    question = Question(make_release(*signals), AT, CoveragePolicy(), {"checkout": ["POST /orders"]})

    for name, checks in check_metrics(signals, prometheus, question).items():
        for check in checks:
            promql_parser.parse(check.query or "")
            others = [other for other in signals if other != name]
            assert not any(other in (check.query or "") for other in others)


GAPS = {
    "histogram": {"bounds": ()},
    "outcomes": {"http_response_status_code": ""},
    "values": {"total": math.nan},
    "release": {"version": "1.0.0"},
}


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("abcde"), st.sampled_from([None, *GAPS]), min_size=1))
def test_each_service_has_exactly_the_gap_that_it_was_given(broken: dict[str, str | None]) -> None:
    prometheus = MemoryPrometheus()
    for name, gap in broken.items():
        expose(prometheus, name, **(GAPS[gap] if gap else {}))
    release = Release(
        deployment_id="d",
        release_id="r",
        version="1.1.0",
        environment="production",
        services=tuple(broken),
        deployed_at=DEPLOYED,
        evidence_uri="file:///evidence",
    )
    signals = {name: MetricsSignal(selector=f'job="shop/{name}"') for name in broken}

    checks = check_metrics(signals, prometheus, Question(release, AT, CoveragePolicy(), {}))

    found = {
        name: {c.name for c in found if c.status is not CoverageStatus.PASS} for name, found in checks.items()
    }
    assert found == {name: {gap} if gap else set() for name, gap in broken.items()}
