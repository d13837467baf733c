"""Symptom alerts, tried by promtool on made-up series."""

from __future__ import annotations

import pytest

from release_watch.catalog.models import BusinessMetric, Service
from release_watch.release import Release
from release_watch.slo.red import ASSUMED, red_of
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.rules import rule_groups
from tests.slo.conftest import REQUESTS, RuleTrial

JOB = 'job="shop/checkout"'
PROBE = 'job="blackbox",service="checkout"'
OK = f'{REQUESTS}{{{JOB},http_response_status_code="200"}}'
FAILED = f'{REQUESTS}{{{JOB},http_response_status_code="500"}}'
BUCKET = "http_server_request_duration_seconds_bucket"
DB = "db_client_operation_duration_seconds_count"
UP = {f'up{{{JOB},instance="a"}}': "1x200", f"probe_success{{{PROBE}}}": "1x200"}


@pytest.fixture
def groups(service: Service, release: Release) -> list[RuleGroup]:
    orders = BusinessMetric(name="orders", query="sum(rate(orders_total[5m]))", unit="1/s", direction="down")
    watched = service.model_copy(update={"business_metrics": (orders,)})
    names = {"checkout": ASSUMED | {DB, "db_client_connections_usage", "db_client_connections_max"}}
    return rule_groups([], [watched], release, runbook_url="", dashboard_url="", metric_names=names)


CASES = {
    "all instances down": (
        "ServiceDown",
        {f'up{{{JOB},instance="a"}}': "1x20 0x20"},
        {"9m": False, "13m": True},
    ),
    "one of two instances down": (
        "ServiceDown",
        {f'up{{{JOB},instance="a"}}': "0x40", f'up{{{JOB},instance="b"}}': "1x40"},
        {"15m": False},
    ),
    "metrics gone while the target is up": (
        "ServiceTelemetryAbsent",
        {OK: "0+10x20 stale"},
        {"9m": False, "14m": True},
    ),
    "probe fails": (
        "ServiceProbeFailing",
        {f"probe_success{{{PROBE}}}": "1x20 0x20"},
        {"9m": False, "13m": True},
    ),
    "nobody probes": ("ServiceProbeFailing", {}, {"3m": True}),
    "every tenth request fails": ("HighErrorRate", {OK: "0+90x60", FAILED: "0+10x60"}, {"10m": True}),
    "one of very few requests fails": (
        "HighErrorRate",
        {OK: "0+0x20 1+0x40", FAILED: "0x20 1x40"},
        {"11m": False, "13m": False},
    ),
    "no traffic": ("HighErrorRate|HighResponseTime", {OK: "100x40", FAILED: "50x40"}, {"15m": False}),
    "slow": (
        "HighResponseTime",
        {
            f'{BUCKET}{{{JOB},le="1"}}': "0+1x60",
            f'{BUCKET}{{{JOB},le="2.5"}}': "0+9x60",
            f'{BUCKET}{{{JOB},le="+Inf"}}': "0+9x60",
        },
        {"20m": True},
    ),
    "traffic breaks off": ("LowThroughput", {OK: "0+100x140 14000x40"}, {"69m": False, "85m": True}),
    "never had traffic": ("LowThroughput", {OK: "5x180"}, {"85m": False}),
    "memory doubles": (
        "MemoryGrowth",
        {f'process_resident_memory_bytes{{{JOB},instance="a"}}': "100000000x60 100000000+10000000x40"},
        {"30m": False, "50m": True},
    ),
    "memory doubles from little": (
        "MemoryGrowth",
        {f'process_resident_memory_bytes{{{JOB},instance="a"}}': "1000000x60 1000000+100000x40"},
        {"50m": False},
    ),
    "database calls fail": (
        "DatabaseUnreachable",
        {f"{DB}{{{JOB}}}": "0+10x60", f'{DB}{{{JOB},error_type="OperationalError"}}': "0+10x60"},
        {"10m": True},
    ),
    "pool is used up": (
        "DatabaseConnectionsExhausted",
        {
            f'db_client_connections_usage{{{JOB},instance="a",state="used"}}': "8x60",
            f'db_client_connections_usage{{{JOB},instance="a",state="idle"}}': "0x60",
            f'db_client_connections_max{{{JOB},instance="a"}}': "8x60",
        },
        {"10m": True},
    ),
    "orders break off": (
        "BusinessMetricAnomaly",
        {"orders_total": "0+10x140 1400x40"},
        {"69m": False, "85m": True},
    ),
}


@pytest.mark.parametrize(("alert", "series", "moments"), CASES.values(), ids=CASES.keys())
def test_symptom(
    alert: str, series: dict[str, str], moments: dict[str, bool], groups: list[RuleGroup], trial: RuleTrial
) -> None:
    trial.alerts(groups, series, alert, moments)


def test_a_healthy_service_raises_nothing_but_the_watchdog(groups: list[RuleGroup], trial: RuleTrial) -> None:
    healthy = {
        **UP,
        OK: "0+100x200",
        FAILED: "0+0x200",
        f'{BUCKET}{{{JOB},le="0.1"}}': "0+99x200",
        f'{BUCKET}{{{JOB},le="1"}}': "0+100x200",
        f'{BUCKET}{{{JOB},le="+Inf"}}': "0+100x200",
        f'process_resident_memory_bytes{{{JOB},instance="a"}}': "80000000x200",
        "orders_total": "0+10x200",
    }
    firing = 'count(ALERTS{alertname!="Watchdog"})'
    trial.values(groups, healthy, [(firing, "20m", None), (firing, "90m", None)])


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (
            {"http_server_request_duration_seconds_count", "http_requests_total"},
            "http_server_request_duration_seconds_count",
        ),
        ({"http_server_duration_milliseconds_count"}, "http_server_duration_milliseconds_count"),
        ({"http_requests_total"}, "http_requests_total"),
    ],
    ids=["OpenTelemetry", "older OpenTelemetry", "plain counter"],
)
def test_requests_are_found_under_the_names_that_services_use(
    names: set[str], total: str, service: Service
) -> None:
    red = red_of(service, names)
    assert red is not None
    assert red.total == f'{total}{{job="shop/checkout"}}'


def test_milliseconds_become_seconds(service: Service) -> None:
    red = red_of(service, {"http_server_duration_milliseconds_count"})
    assert red is not None
    assert str(red.latency("0.95")).endswith("* 0.001")
