"""Symptom alerts, tried by promtool on made-up series: two processes for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from release_watch.catalog.models import (
    BusinessMetric,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
)
from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.lint import errors, lint
from release_watch.slo.promtool import check_rules
from release_watch.slo.red import ASSUMED
from release_watch.slo.rulefile import Rule, RuleGroup, parse_prometheus_duration, to_yaml
from release_watch.slo.symptoms import MOST_RULES, SymptomRules
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, Wanted, try_rules

TEXT = AlertText("https://runbook", "https://dashboard", "r-1")
JOB = 'job="shop/checkout"'
POD = f'{JOB},namespace="shop",pod="a",container="app"'
PROBE = 'job="blackbox",service="checkout"'
OK, FAILED = (f'{REQUESTS}{{{JOB},http_response_status_code="{code}"}}' for code in (200, 500))
BUCKET = "http_server_request_duration_seconds_bucket"
DB = "db_client_operation_duration_seconds_count"
EVERYTHING = ASSUMED | {
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "go_goroutines",
    "container_cpu_usage_seconds_total",
    "container_spec_cpu_quota",
    "container_spec_cpu_period",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_cfs_periods_total",
    "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes",
    "container_threads",
    "container_threads_max",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    DB,
    "db_client_connections_usage",
    "db_client_connections_max",
    "db_client_connections_timeouts_total",
}
ORDERS = BusinessMetric(name="orders", query="sum(rate(orders_total[5m]))", unit="1/s", direction="down")
REFUNDS = BusinessMetric(name="refunds", query="refunds_now # all shops", unit="1", direction="both")


def symptoms(
    watched: Service, names: frozenset[str] = EVERYTHING, slos: tuple[Slo, ...] = ()
) -> list[RuleGroup]:
    rules = SymptomRules(watched, slos, "production", TEXT, names)
    return rules.groups(timedelta(seconds=30), timedelta(minutes=2))


def named(groups: list[RuleGroup]) -> dict[str, Rule]:
    return {rule.name: rule for group in groups for rule in group.rules}


@pytest.fixture
def rich(service: Service) -> Service:
    return service.model_copy(update={"business_metrics": (ORDERS, REFUNDS)})


def gauge(name: str, values: str, labels: str = f'{JOB},instance="a"') -> dict[str, str]:
    return {f"{name}{{{labels}}}": values}


def healthy(steps: int) -> dict[str, str]:
    """Return all series of a healthy service from its first moment on."""
    return {
        **gauge("up", f"1x{steps}"),
        **gauge("probe_success", f"1x{steps}", PROBE),
        **gauge("process_start_time_seconds", f"0x{steps}"),
        **gauge("process_resident_memory_bytes", f"90000000x{steps}"),
        **gauge("process_open_fds", f"80x{steps}"),
        **gauge("process_max_fds", f"1000x{steps}"),
        **gauge("go_goroutines", f"90x{steps}"),
        OK: f"0+200x{steps}",
        FAILED: f"0+2x{steps}",
        f'{BUCKET}{{{JOB},le="0.1"}}': f"0+200x{steps}",
        f'{BUCKET}{{{JOB},le="1"}}': f"0+202x{steps}",
        f'{BUCKET}{{{JOB},le="+Inf"}}': f"0+202x{steps}",
        **gauge("container_cpu_usage_seconds_total", f"0+30x{steps}", POD),
        **gauge("container_spec_cpu_quota", f"100000x{steps}", POD),
        **gauge("container_spec_cpu_period", f"100000x{steps}", POD),
        **gauge("container_cpu_cfs_throttled_periods_total", f"0+1x{steps}", POD),
        **gauge("container_cpu_cfs_periods_total", f"0+600x{steps}", POD),
        **gauge("container_memory_working_set_bytes", f"90000000x{steps}", POD),
        **gauge("container_spec_memory_limit_bytes", f"200000000x{steps}", POD),
        **gauge("container_threads", f"20x{steps}", POD),
        **gauge("container_threads_max", f"100x{steps}", POD),
        **gauge("node_filesystem_avail_bytes", f"600x{steps}"),
        **gauge("node_filesystem_size_bytes", f"1000x{steps}"),
        f"{DB}{{{JOB}}}": f"0+200x{steps}",
        f'{DB}{{{JOB},error_type="Timeout"}}': f"0+2x{steps}",
        **gauge("db_client_connections_usage", f"2x{steps}", f'{JOB},instance="a",state="used"'),
        **gauge("db_client_connections_max", f"8x{steps}"),
        **gauge("db_client_connections_timeouts_total", f"0x{steps}"),
        "orders_total": f"0+20x{steps}",
        "refunds_now": f"5x{steps}",
    }


class Case(NamedTuple):
    """Series, the alert that is looked at, and at which moments it fires."""

    alert: str
    series: Mapping[str, str]
    fires: Mapping[str, bool]


def histories(cases: Mapping[str, Case]) -> list[History]:
    """Return what promtool tries: cases that have nothing in common share a history, as each costs time."""
    shared: list[tuple[dict[str, str], list[Wanted], list[str]]] = []
    by_length = sorted(cases.items(), key=lambda case: max(map(_minutes, case[1].fires)), reverse=True)
    for name, (alert, series, fires) in by_length:
        # The last matcher matches everything: it shows which case failed.
        matchers = f'alertname=~"{alert}",alertstate="firing",case!="{name}"'
        query = f"count(ALERTS{{{matchers}}}) > bool 0 or vector(0)"
        wanted = [Wanted(query, moment, int(expected)) for moment, expected in fires.items()]
        for there, asked, alerts in shared:
            if alert not in alerts and ANY not in (alert, *alerts) and not set(series) & set(there):
                there.update(series)
                asked.extend(wanted)
                alerts.append(alert)
                break
        else:
            shared.append((dict(series), wanted, [alert]))
    return [History(series, wanted) for series, wanted, _ in shared]


def _minutes(moment: str) -> float:
    return parse_prometheus_duration(moment).total_seconds() / 60


ANY = ".+"
AGED = gauge("process_start_time_seconds", "0x180")
# A sample a minute: "x40" are 40 minutes.
SHORT = {
    "healthy": Case(ANY, healthy(40), {"20m": False, "40m": False}),
    "ten minutes of history": Case(ANY, healthy(10), {"3m": False, "8m": False, "10m": False}),
    "warming up": Case(
        ANY,
        healthy(130)
        | gauge("process_resident_memory_bytes", "50000000+20000000x10 250000000x120")
        | gauge("container_memory_working_set_bytes", "20000000+10000000x10 120000000x120", POD)
        | gauge("go_goroutines", "10+200x10 2000x120")
        | gauge("container_cpu_usage_seconds_total", "0+60x10 600+18x120", POD),
        {"10m": False, "20m": False, "1h30m": False, "2h10m": False},
    ),
    "no traffic": Case(
        ANY,
        healthy(80)
        | {
            OK: "100x80",
            FAILED: "50x80",
            f"{DB}{{{JOB}}}": "5x80",
            f'{DB}{{{JOB},error_type="Timeout"}}': "4x80",
            f'{BUCKET}{{{JOB},le="0.1"}}': "1x80",
            f'{BUCKET}{{{JOB},le="1"}}': "1x80",
            f'{BUCKET}{{{JOB},le="+Inf"}}': "150x80",
            "orders_total": "9x80",
        },
        {"10m": False, "1h20m": False},
    ),
    "counters reset": Case(
        ANY,
        healthy(150)
        | {
            OK: "0+200x75 0+200x75",
            FAILED: "0+2x75 0+2x75",
            f'{BUCKET}{{{JOB},le="0.1"}}': "0+200x75 0+200x75",
            f'{BUCKET}{{{JOB},le="1"}}': "0+202x75 0+202x75",
            f'{BUCKET}{{{JOB},le="+Inf"}}': "0+202x75 0+202x75",
            f"{DB}{{{JOB}}}": "0+200x75 0+200x75",
            f'{DB}{{{JOB},error_type="Timeout"}}': "0+2x75 0+2x75",
            "orders_total": "0+20x75 0+20x75",
        }
        | gauge("process_start_time_seconds", "0x75 4560x75")
        | gauge("process_resident_memory_bytes", "90000000x75 20000000+10000000x10 120000000x75")
        | gauge("container_cpu_usage_seconds_total", "0+30x75 0+30x75", POD),
        {"1h15m": False, "1h17m": False, "1h25m": False, "2h30m": False},
    ),
    "all instances down": Case("ServiceDown", gauge("up", "1x10 0x20"), {"12m": False, "14m": True}),
    "one of two instances down": Case(
        "ServiceDown", gauge("up", "0x20") | gauge("up", "1x20", f'{JOB},instance="b"'), {"15m": False}
    ),
    "not scraped any more": Case(
        "ServiceTelemetryAbsent", gauge("up", "1x10 stale"), {"12m": False, "14m": True}
    ),
    "requests are not counted any more": Case(
        "ServiceTelemetryAbsent",
        gauge("up", "1x150") | {OK: "0+20x30 stale"},
        {"31m": False, "34m": True, "1h20m": True, "2h30m": True},
    ),
    "restarted without traffic": Case(
        "ServiceTelemetryAbsent", gauge("up", "1x80") | {OK: "7x30 stale"}, {"40m": False, "1h20m": False}
    ),
    "probe fails, and then is not there": Case(
        "ServiceProbeFailing",
        gauge("probe_success", "1x10 0x2 stale", PROBE),
        {"12m": False, "13m": True, "20m": True},
    ),
    "nobody probes": Case("ServiceProbeFailing", {}, {"1m": False, "3m": True}),
    "crash loop": Case(
        "InstanceRestarting",
        gauge("process_start_time_seconds", "0x10 600x4 900x4 1200x4 1500x60"),
        {"18m": False, "23m": True, "1h": False},
    ),
    "every tenth request fails": Case("HighErrorRate", {OK: "0+180x20", FAILED: "0+20x20"}, {"10m": True}),
    "one in a hundred fails": Case("HighErrorRate", {OK: "0+198x20", FAILED: "0+2x20"}, {"10m": False}),
    "one of very few requests fails": Case(
        "HighErrorRate", {OK: "0x10 1x10", FAILED: "0x10 1x10"}, {"11m": False, "13m": False}
    ),
    "slow": Case(
        "HighResponseTime",
        {
            OK: "0+18x20",
            f'{BUCKET}{{{JOB},le="1"}}': "0+2x20",
            f'{BUCKET}{{{JOB},le="2.5"}}': "0+18x20",
            f'{BUCKET}{{{JOB},le="+Inf"}}': "0+18x20",
        },
        {"4m": False, "20m": True},
    ),
    "one slow request of a few": Case(
        "HighResponseTime",
        {
            OK: "0+1x20",
            f'{BUCKET}{{{JOB},le="1"}}': "0x20",
            f'{BUCKET}{{{JOB},le="2.5"}}': "0+1x20",
            f'{BUCKET}{{{JOB},le="+Inf"}}': "0+1x20",
        },
        {"12m": False, "20m": False},
    ),
    "traffic breaks off": Case(
        "LowThroughput", {OK: "0+200x70 14000x30"}, {"1h9m": False, "1h20m": False, "1h27m": True}
    ),
    "the counter itself goes": Case("LowThroughput", {OK: "0+200x70 stale"}, {"1h9m": False, "1h27m": True}),
    "never had traffic": Case("LowThroughput", {OK: "5x100"}, {"1h25m": False}),
    "a load test ends after half an hour": Case(
        "LowThroughput", {OK: "0+200x30 6000x30"}, {"45m": False, "58m": False}
    ),
    "memory leaks": Case(
        "MemoryGrowth",
        gauge("process_resident_memory_bytes", "100000000x120 100000000+8000000x50") | AGED,
        {"2h": False, "2h20m": False, "2h48m": True},
    ),
    "memory doubles from little": Case(
        "MemoryGrowth",
        gauge("process_resident_memory_bytes", "1000000x120 1000000+200000x50") | AGED,
        {"2h48m": False},
    ),
    "memory of a process that was started anew": Case(
        "MemoryGrowth",
        gauge("process_resident_memory_bytes", "100000000x120 100000000+8000000x50")
        | gauge("process_start_time_seconds", "0x120 7200x60"),
        {"2h48m": False},
    ),
    "goroutines leak": Case(
        "ThreadsGrowth", gauge("go_goroutines", "90x120 90+100x50") | AGED, {"2h": False, "2h48m": True}
    ),
    "container uses its quota": Case(
        "CpuSaturated",
        gauge("container_cpu_usage_seconds_total", "0+58x30", POD)
        | gauge("container_spec_cpu_quota", "100000x30", POD)
        | gauge("container_spec_cpu_period", "100000x30", POD),
        {"10m": False, "20m": True},
    ),
    "container is throttled": Case(
        "CpuThrottled",
        gauge("container_cpu_cfs_throttled_periods_total", "0+200x30", POD)
        | gauge("container_cpu_cfs_periods_total", "0+600x30", POD),
        {"10m": False, "20m": True},
    ),
    "container near its memory limit": Case(
        "MemoryNearLimit",
        gauge("container_memory_working_set_bytes", "190x20", POD)
        | gauge("container_spec_memory_limit_bytes", "200x20", POD),
        {"4m": False, "6m": True},
    ),
    "container without memory limit": Case(
        "MemoryNearLimit|MemoryFillsUp",
        gauge("container_memory_working_set_bytes", "190+1x150", POD)
        | gauge("container_spec_memory_limit_bytes", "0x150", POD),
        {"10m": False, "2h20m": False},
    ),
    "container fills its memory": Case(
        "MemoryFillsUp",
        gauge("container_memory_working_set_bytes", "500000+2000x150", POD)
        | gauge("container_spec_memory_limit_bytes", "1000000x150", POD),
        {"1h50m": False, "2h25m": True},
    ),
    "file descriptors": Case(
        "FileDescriptorsExhausted",
        gauge("process_open_fds", "80x5 950x15") | gauge("process_max_fds", "1000x20"),
        {"7m": False, "12m": True},
    ),
    "threads of a container": Case(
        "ThreadsExhausted",
        gauge("container_threads", "95x20", POD) | gauge("container_threads_max", "100x20", POD),
        {"4m": False, "6m": True},
    ),
    "full disk": Case(
        "DiskFull",
        gauge("node_filesystem_avail_bytes", "50x20") | gauge("node_filesystem_size_bytes", "1000x20"),
        {"4m": False, "6m": True},
    ),
    "full disk of no matter": Case(
        "DiskFull",
        gauge("node_filesystem_avail_bytes", "50x20", f'{JOB},instance="a",fstype="tmpfs"')
        | gauge("node_filesystem_size_bytes", "1000x20", f'{JOB},instance="a",fstype="tmpfs"'),
        {"6m": False},
    ),
    "database calls fail": Case(
        "DatabaseUnreachable",
        {f"{DB}{{{JOB}}}": "0+20x20", f'{DB}{{{JOB},error_type="OperationalError"}}': "0+20x20"},
        {"10m": True},
    ),
    "pool is used up": Case(
        "DatabaseConnectionsExhausted",
        gauge("db_client_connections_usage", "8x20", f'{JOB},instance="a",state="used"')
        | gauge("db_client_connections_usage", "0x20", f'{JOB},instance="a",state="idle"')
        | gauge("db_client_connections_max", "8x20"),
        {"4m": False, "10m": True},
    ),
    "no connection in time": Case(
        "DatabaseConnectionTimeouts",
        gauge("db_client_connections_timeouts_total", "0x5 0+4x20"),
        {"5m": False, "12m": True},
    ),
    "orders break off": Case(
        "BusinessMetricAnomaly",
        {"orders_total": "0+20x140 2800x60"},
        {"2h20m": False, "2h26m": False, "2h36m": True, "3h10m": True},
    ),
    "orders are few anyway": Case(
        "BusinessMetricAnomaly",
        {"orders_total": "0x30 1x30 2x30 3x20 3x60"},
        {"1h": False, "2h10m": False, "2h50m": False},
    ),
    "refunds rise": Case(
        "BusinessMetricAnomaly", {"refunds_now": "5x130 30x30"}, {"2h11m": False, "2h25m": True}
    ),
    "refunds are no number": Case(
        "BusinessMetricAnomaly",
        {"refunds_now": "5x70 NaN Inf 5x70 -Inf NaN 5x20"},
        {"2h10m": False, "2h40m": False},
    ),
}
# A sample every 2 minutes: "x720" are a day. Twelve busy hours, then twelve with a twentieth of the traffic.
DAY, NIGHT = "0+400x360", "0+20x360"
LONG = {
    "evening": Case(
        "LowThroughput", {OK: f"{DAY} {NIGHT} {DAY} 0+20x50"}, {"36h20m": False, "37h30m": False}
    ),
    "traffic breaks off at noon of the second day": Case(
        "LowThroughput",
        {OK: f"{DAY} {NIGHT} 0+400x90 36000x200"},
        {"27h": False, "27h25m": True, "33h": True},
    ),
    "memory grows every day": Case(
        "MemoryGrowth",
        gauge("process_resident_memory_bytes", "100000000x360 300000000x360 100000000x360 300000000x60")
        | gauge("process_start_time_seconds", "0x1200"),
        {"12h50m": True, "36h50m": False},
    ),
    "a disk fills": Case(
        "DiskFillsUp",
        gauge("node_filesystem_avail_bytes", "1000x250 1000-3x300")
        | gauge("node_filesystem_size_bytes", "1000x550"),
        {"5h": False, "15h": False, "17h": True},
    ),
    "a disk that was just mounted": Case(
        "DiskFillsUp",
        gauge("node_filesystem_avail_bytes", "350-1x100") | gauge("node_filesystem_size_bytes", "1000x100"),
        {"1h30m": False, "3h": False},
    ),
    "orders fall in the evening as the day before": Case(
        "BusinessMetricAnomaly",
        {"orders_total": f"{DAY} {NIGHT} {DAY} 0+20x50"},
        {"36h20m": False, "37h": False},
    ),
    "orders break off at noon of the second day": Case(
        "BusinessMetricAnomaly",
        {"orders_total": f"{DAY} {NIGHT} 0+400x90 36000x200"},
        {"26h50m": False, "27h30m": True, "33h": True},
    ),
}


def test_each_alert_fires_when_it_must_and_is_quiet_otherwise(
    rich: Service, promtool: Path, tmp_path: Path
) -> None:
    try_rules(promtool, tmp_path, symptoms(rich), histories(SHORT), step="1m")


def test_seasons_and_slow_growth_are_judged_over_days(rich: Service, promtool: Path, tmp_path: Path) -> None:
    slow = [group for group in symptoms(rich) if group.name.startswith("trends")]
    try_rules(promtool, tmp_path, slow, histories(LONG), step="2m")


WEEK = {
    "the first hour": ("0+60x20", "20m", None),
    "the hour before": ("0+60x90", "1h30m", 1),
    "the day before": ("0+60x1440 0+6x30", "24h20m", 1),
    "a night is no measure of a day": ("0+6x1440 0+60x100", "24h30m", 0.1),
    "a sunday, after days with more": (f"0+6x1440 {' '.join(['0+60x1440'] * 6)} 0+60x100", "168h30m", 0.1),
    "a monday, after days with less": (f"0+60x1440 {' '.join(['0+6x1440'] * 6)} 0+6x100", "168h30m", 0.1),
}


def test_what_traffic_is_expected_is_the_lower_of_a_day_and_a_week_before(
    service: Service, promtool: Path, tmp_path: Path
) -> None:
    expected = named(symptoms(service))["service:requests_expected:rate30m"].expr
    nothing = RuleGroup(name="nothing", rules=(Rule(record="nothing:one:sum", expr="vector(1)"),))
    tried = [
        History({OK: values}, [Wanted(f"round({expected}, 0.1)", moment, value)])
        for values, moment, value in WEEK.values()
    ]
    try_rules(promtool, tmp_path, [nothing], tried, step="1m")


def test_every_alert_was_made_to_fire(rich: Service) -> None:
    proven = {
        name
        for case in (*SHORT.values(), *LONG.values())
        if any(case.fires.values())
        for name in case.alert.split("|")
    }
    alerts = {rule.name for group in symptoms(rich) for rule in group.alerts}
    assert alerts <= proven


@pytest.mark.parametrize("business", [0, 5, 30], ids=["none", "some", "many"])
def test_groups_stay_below_the_default_limit_and_lint_has_no_error(
    business: int, service: Service, promtool: Path
) -> None:
    metrics = tuple(REFUNDS.model_copy(update={"name": f"metric-{n}"}) for n in range(business))
    groups = symptoms(service.model_copy(update={"business_metrics": metrics}))
    assert max(len(group.rules) for group in groups) <= MOST_RULES == 20
    assert len({group.name for group in groups}) == len(groups)
    assert errors(lint(groups)) == []
    check_rules(to_yaml(groups), promtool)


def test_a_record_stays_in_the_group_of_the_alert_that_reads_it(service: Service) -> None:
    metrics = tuple(REFUNDS.model_copy(update={"name": f"metric-{n}"}) for n in range(12))
    for group in symptoms(service.model_copy(update={"business_metrics": metrics})):
        about = [rule.labels.get("metric") for rule in group.rules if rule.labels.get("metric")]
        assert all(about.count(name) == 4 for name in about)


def test_only_what_is_scraped_can_be_down(service: Service) -> None:
    pushed = named(symptoms(service, frozenset({REQUESTS, "target_info"})))
    assert "ServiceDown" not in pushed
    assert f"absent(target_info{{{JOB}}})" in pushed["ServiceTelemetryAbsent"].expr


@pytest.mark.parametrize(
    ("signals", "names", "alerts"),
    [
        (Signals(metrics=MetricsSignal(selector=JOB)), {"up"}, {"ServiceDown", "ServiceTelemetryAbsent"}),
        (Signals(metrics=MetricsSignal(selector=JOB)), set(), {"ServiceTelemetryAbsent"}),
        (Signals(synthetics=SyntheticsSignal(selector=JOB)), {"up"}, {"ServiceProbeFailing"}),
        (Signals(), {"up"}, set()),
    ],
    ids=["scraped", "pushed", "probed alone", "dark"],
)
def test_availability_is_watched_by_the_series_that_a_service_has(
    signals: Signals, names: set[str], alerts: set[str], service: Service
) -> None:
    there = service.model_copy(update={"signals": signals})
    assert set(named(symptoms(there, frozenset(names)))) == alerts


@pytest.mark.parametrize(
    ("names", "asked"),
    [(frozenset(), f"absent({{{JOB}}})"), (frozenset({REQUESTS}), f"absent({REQUESTS}{{{JOB}}})")],
    ids=["it shows nothing", "it shows requests alone"],
)
def test_a_service_without_a_heartbeat_is_missed_by_what_it_has(
    names: frozenset[str], asked: str, service: Service
) -> None:
    assert named(symptoms(service, names))["ServiceTelemetryAbsent"].expr == f"max({asked}) == 1"


def test_a_worker_with_its_own_counter_is_watched_by_it() -> None:
    signals = Signals(metrics=MetricsSignal(selector=JOB, counter="jobs_total", errors='outcome="failed"'))
    worker = Service(name="worker", tier=Tier.STANDARD, owner="x", signals=signals)
    rules = named(symptoms(worker, frozenset({"up", "jobs_total"})))
    assert f'jobs_total{{{JOB},outcome="failed"}}' in rules["HighErrorRate"].expr
    assert rules["HighErrorRate"].labels["severity"] == "ticket"
    assert "HighResponseTime" not in rules
    assert "LowThroughput" in rules


SOURCES = {
    "go": ("CpuSaturated", {"process_cpu_seconds_total", "go_sched_gomaxprocs_threads"}),
    "micrometer processor": ("CpuSaturated", {"process_cpu_usage"}),
    "opentelemetry jvm": ("CpuSaturated", {"jvm_cpu_recent_utilization_ratio"}),
    "host processor": ("CpuSaturated", {"node_cpu_seconds_total"}),
    "kubelet statistics": ("MemoryNearLimit", {"k8s_container_memory_limit_utilization_ratio"}),
    "jvm heap": ("MemoryNearLimit", {"jvm_memory_used_after_last_gc_bytes", "jvm_memory_limit_bytes"}),
    "host memory": ("MemoryNearLimit", {"node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"}),
    "micrometer files": ("FileDescriptorsExhausted", {"process_files_open_files", "process_files_max_files"}),
    "volume": ("DiskFull", {"kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes"}),
    "jvm threads": ("ThreadsGrowth", {"jvm_threads_live_threads"}),
    "hikari pool": (
        "DatabaseConnectionsExhausted",
        {"hikaricp_connections_active", "hikaricp_connections_max"},
    ),
    "stable pool": (
        "DatabaseConnectionsExhausted",
        {"db_client_connection_count", "db_client_connection_max"},
    ),
}


def test_resources_are_found_under_the_names_that_services_use(service: Service, promtool: Path) -> None:
    every: list[RuleGroup] = []
    for number, (alert, names) in enumerate(SOURCES.values()):
        one = service.model_copy(update={"name": f"service-{number}"})
        groups = symptoms(one, frozenset(names))
        assert alert in named(groups)
        assert not set(named(symptoms(one, frozenset(list(names)[1:])))) & {alert}
        every += groups
    assert errors(lint(every)) == []
    check_rules(to_yaml(every), promtool)


def slo(name: str, **fields: object) -> Slo:
    given: dict[str, object] = {
        "name": name,
        "service": "checkout",
        "description": "",
        "objective": Decimal("0.999"),
        "window_days": 30,
        "kind": "ratio",
        "good": None,
        "bad": "bad_total",
        "total": "all_total",
    }
    return Slo.model_validate(given | fields)


def test_thresholds_come_from_slos_and_say_so(service: Service) -> None:
    lenient = slo("most-orders", objective=Decimal("0.9"))
    latency = {"kind": "latency", "bad": None, "good": "bucket"}
    fast = slo("fast", threshold_seconds=Decimal("0.25"), objective=Decimal("0.99"), **latency)
    report = slo("reports", threshold_seconds=Decimal("2.5"), objective=Decimal("0.9"), **latency)
    rules = named(symptoms(service, slos=(lenient, fast, report)))
    assert " > 0.1 and " in rules["HighErrorRate"].expr
    assert "the error budget of SLO most-orders" in rules["HighErrorRate"].annotations["threshold"]
    assert rules["HighResponseTime"].expr.startswith("histogram_quantile(0.9,")
    assert " > 2.5 and " in rules["HighResponseTime"].expr
    assert "the threshold of SLO reports" in rules["HighResponseTime"].annotations["threshold"]


def test_labels_tell_identity_and_nothing_that_changes(rich: Service) -> None:
    for rule in named(symptoms(rich)).values():
        assert set(rule.labels) <= {"service", "environment", "severity", "metric"}
