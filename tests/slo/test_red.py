"""Requests, errors and durations are found under the names that services use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.slo.red import ASSUMED, find_metric_names, red_of, selector
from release_watch.telemetry.metrics import Sample

JOB = 'job="shop/checkout"'


def service(name: str = "checkout", selector: str = JOB, **metrics: Any) -> Service:
    signals = Signals(metrics=MetricsSignal(selector=selector, **metrics))
    return Service(name=name, tier=Tier.CRITICAL, owner="x", signals=signals)


CONVENTIONS = {
    "OpenTelemetry": (
        "http_server_request_duration_seconds",
        'http_response_status_code=~"5.."',
    ),
    "Micrometer": ("http_server_requests_seconds", 'status=~"5.."'),
    "gRPC of OpenTelemetry": ("rpc_server_duration_milliseconds", 'rpc_grpc_status_code=~"2|4|12|13|14|15"'),
    "messaging": ("messaging_process_duration_seconds", 'error_type!=""'),
}


@pytest.mark.parametrize(("family", "failed"), CONVENTIONS.values(), ids=CONVENTIONS)
def test_every_convention_of_the_audit_has_its_rate_errors_and_durations(family: str, failed: str) -> None:
    red = red_of(service(), {f"{family}_{suffix}" for suffix in ("count", "sum", "bucket")})
    assert red is not None
    assert red.total == f"{family}_count{{{JOB}}}"
    assert red.errors == f"{family}_count{{{JOB},{failed}}}"
    assert red.bucket == f"{family}_bucket{{{JOB}}}"
    assert str(red.latency("0.95")).endswith(" * 0.001") == ("milliseconds" in family)


def test_a_summary_has_no_quantile_of_ours() -> None:
    red = red_of(service(), {"http_server_requests_seconds_count", "http_server_requests_seconds_sum"})
    assert red is not None
    assert red.latency("0.95") is None


def test_a_counter_with_a_histogram_beside_it_has_durations() -> None:
    red = red_of(service(), {"grpc_server_handled_total", "grpc_server_handling_seconds_bucket"})
    assert red is not None
    assert red.bucket == f"grpc_server_handling_seconds_bucket{{{JOB}}}"
    assert red_of(service(), {"grpc_server_handled_total"}).bucket is None  # type: ignore[union-attr]


@pytest.mark.parametrize("label", ["code", "status", "status_code"])
def test_errors_are_told_by_the_label_that_the_service_has(label: str) -> None:
    red = red_of(service(), {"http_requests_total", f"http_requests_total{{{label}}}"})
    assert red is not None
    assert red.errors == f'http_requests_total{{{JOB},{label}=~"5.."}}'


def test_a_worker_is_watched_by_the_counter_that_the_catalogue_names() -> None:
    worker = service(counter="jobs_processed_total", errors='outcome="failed"')
    for names in ({"jobs_processed_total", "http_requests_total"}, ASSUMED):
        red = red_of(worker, names)
        assert red is not None
        assert red.errors == f'jobs_processed_total{{{JOB},outcome="failed"}}'
        assert red.bucket is None
    assert red_of(worker, {"http_requests_total"}) is None


def test_what_is_pushed_has_no_up() -> None:
    assert selector(service(), "up", {"http_requests_total"}) is None
    assert selector(service(), "up", {"up"}) == f"up{{{JOB}}}"


class Series:
    """Stands in for the servers: answers which series there are, and counts the questions."""

    base_url = "http://prometheus"

    def __init__(self, *series: dict[str, str]) -> None:
        self.series = series
        self.queries: list[str] = []

    def metrics(self, *_: object) -> Series:
        return self

    def instant(self, query: str, *_: object) -> list[Sample]:
        self.queries.append(query)
        return [Sample(labels, datetime(2026, 1, 1, tzinfo=UTC), 1.0) for labels in self.series]


def test_one_query_finds_the_names_of_all_services() -> None:
    services = [
        service("checkout"),
        service("payments", 'job="shop/payments"', counter="charges_total"),
        Service(name="dark", tier=Tier.STANDARD, owner="x", signals=Signals()),
    ]
    server = Series(
        {"__name__": "up", "job": "shop/checkout"},
        {"__name__": "http_requests_total", "job": "shop/checkout"},
        {"__name__": "http_requests_total", "job": "shop/checkout", "outcome_label": "status"},
        {"__name__": "up", "job": "shop/payments"},
        {"__name__": "up", "job": "another"},
    )
    assert find_metric_names(services, server) == {  # type: ignore[arg-type]
        "checkout": {"up", "http_requests_total", "http_requests_total{status}"},
        "payments": {"up"},
    }
    (query,) = server.queries
    assert query.startswith(
        'group by (job, __name__) ({job=~"shop/checkout|shop/payments"}) or label_replace('
    )
    assert "charges_total" in query
