from __future__ import annotations

from datetime import timedelta

import pytest

from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.models import MetricsSignal, Service, Signals
from release_watch.judge import Direction, Kind


def test_a_service_has_system_performance_application_and_business_metrics(service: Service) -> None:
    names = [spec.metric for spec in metric_specs([service])]

    assert names == [
        "error_ratio",
        "latency_p95_seconds",
        "throughput_rps",
        "memory_bytes",
        "cpu_cores",
        "availability",
        "orders",
    ]


def test_errors_latency_and_availability_are_golden_and_nothing_else(service: Service) -> None:
    golden = {spec.metric for spec in metric_specs([service]) if spec.golden}

    assert golden == {"error_ratio", "latency_p95_seconds", "availability"}


def test_a_version_narrows_every_query_over_the_series_of_the_service(service: Service) -> None:
    narrowed = [
        spec.metric for spec in metric_specs([service], version="1.1.0") if 'version="1.1.0"' in spec.query
    ]

    assert narrowed == ["error_ratio", "latency_p95_seconds", "throughput_rps", "memory_bytes", "cpu_cores"]


@pytest.mark.parametrize(
    ("step", "window", "orders_overlap"),
    [(timedelta(seconds=2), "[8s]", 30), (timedelta(minutes=1), "[240s]", 1)],
    ids=["rehearsal", "production"],
)
def test_rates_reach_over_four_steps_and_overlap_is_known(
    service: Service, step: timedelta, window: str, orders_overlap: int
) -> None:
    specs = {spec.metric: spec for spec in metric_specs([service], step=step)}

    assert window in specs["throughput_rps"].query
    assert specs["throughput_rps"].overlap == 4
    assert specs["memory_bytes"].overlap == 1
    assert specs["orders"].overlap == orders_overlap


def test_kinds_and_directions_say_which_way_is_worse(service: Service) -> None:
    specs = {spec.metric: (spec.kind, spec.direction) for spec in metric_specs([service])}

    assert specs["error_ratio"] == (Kind.RATIO, Direction.UP)
    assert specs["availability"] == (Kind.RATIO, Direction.DOWN)
    assert specs["throughput_rps"] == (Kind.GAUGE, Direction.DOWN)
    assert specs["orders"] == (Kind.GAUGE, Direction.DOWN)


def test_a_service_without_signals_has_no_metric_but_its_business_ones(service: Service) -> None:
    bare = service.model_copy(update={"signals": Signals()})

    assert [spec.metric for spec in metric_specs([bare])] == ["orders"]


def test_a_worker_with_its_own_counter_has_throughput_and_errors_and_no_latency(service: Service) -> None:
    own = MetricsSignal(selector='job="w"', counter="jobs_processed_total", errors='outcome="failed"')
    worker = service.model_copy(update={"signals": Signals(metrics=own), "business_metrics": ()})

    specs = {spec.metric: spec.query for spec in metric_specs([worker])}

    assert list(specs) == ["error_ratio", "throughput_rps", "memory_bytes", "cpu_cores"]
    assert specs["throughput_rps"] == 'sum(rate(jobs_processed_total{job="w"}[240s]))'
    assert 'jobs_processed_total{job="w",outcome="failed"}' in specs["error_ratio"]


def test_a_version_narrows_an_own_counter_too(service: Service) -> None:
    own = MetricsSignal(selector='job="w"', counter="jobs_total", errors='outcome="failed"')
    worker = service.model_copy(update={"signals": Signals(metrics=own)})

    specs = {spec.metric: spec.query for spec in metric_specs([worker], version="2")}

    assert 'jobs_total{job="w",version="2",outcome="failed"}' in specs["error_ratio"]


@pytest.mark.parametrize(
    ("names", "metrics"),
    [
        (
            {"rpc_server_duration_milliseconds_count", "rpc_server_duration_milliseconds_bucket"},
            ["error_ratio", "latency_p95_seconds", "throughput_rps"],
        ),
        (
            {"grpc_server_handled_total", "process_cpu_seconds_total"},
            ["error_ratio", "throughput_rps", "cpu_cores"],
        ),
        (
            {"http_requests_total", "container_memory_working_set_bytes"},
            ["error_ratio", "throughput_rps", "memory_bytes"],
        ),
        (
            {"up"},
            ["error_ratio", "latency_p95_seconds", "throughput_rps"],
        ),
    ],
    ids=["gRPC", "gRPC without a histogram", "a container", "requests under no known name are missed"],
)
def test_metrics_follow_the_names_that_a_service_exposes(
    names: set[str], metrics: list[str], service: Service
) -> None:
    specs = metric_specs([service], metric_names={"checkout": names})

    assert [spec.metric for spec in specs][: -len(["availability", "orders"])] == metrics


def test_a_service_that_shows_nothing_is_asked_for_what_it_should_show(service: Service) -> None:
    assert metric_specs([service], metric_names={}) == metric_specs([service])
