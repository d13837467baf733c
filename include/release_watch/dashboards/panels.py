"""What the panels of each dashboard show."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.identifiers import promql_string
from release_watch.slo.red import Red, red_of, selector
from release_watch.slo.windows import burn_windows, plain

UNITS = {"s": "s", "bytes": "bytes", "ratio": "percentunit", "requests/s": "reqps"}
"""Grafana's ids for units; a unit that is not here is shown as text."""


class Query(NamedTuple):
    """PromQL and the name of its line; ``{{label}}`` in it is filled in by Grafana."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """One panel. ``limit`` is drawn as a red threshold."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    limit: float | None = None
    single: bool = False


class Row(NamedTuple):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def health_row(service: Service, environment: str, names: Collection[str]) -> Row:
    """Return availability, firing alerts and resources of a service."""
    return Row(service.name, tuple(_health(service, environment, names)))


def performance_row(service: Service, names: Collection[str], baseline: BaselineMetrics | None) -> Row:
    """Return rate, errors and duration of a service and of its endpoints, with baseline bands."""
    red = red_of(service, names)
    return Row(service.name, tuple(_performance(service, red, baseline)) if red else ())


def slo_row(slo: Slo, environment: str) -> Row:
    """Return error ratio, burn rate and error budget of an SLO, from the recording rules."""
    matchers = f"slo={promql_string(slo.name)},environment={promql_string(environment)}"
    budget = plain(slo.error_budget)
    page = burn_windows(slo.name, slo.objective, slo.window_days)[0]
    ratios = tuple(
        Query(f"slo:error_ratio:rate{window}{{{matchers}}}", window) for window in ("5m", "1h", "6h")
    )
    return Row(
        f"{slo.service}: {slo.name}",
        (
            Panel(
                f"{slo.name}: error ratio",
                "percentunit",
                ratios,
                f"Red: a page, if 1h and 5m are above it (burn rate {plain(page.factor)}).",
                float(page.threshold),
            ),
            Panel(
                f"{slo.name}: burn rate",
                "none",
                tuple(Query(f"{query.expr} / {budget}", query.legend) for query in ratios),
                f"1 uses up the error budget exactly at the end of {slo.window_days} days.",
                float(page.factor),
            ),
            Panel(
                f"{slo.name}: error budget left",
                "percentunit",
                (Query(f"1 - slo:error_budget_burned:ratio{{{matchers}}}", "left"),),
                f"Of {slo.window_days} days, by the history that Prometheus has.",
                single=True,
            ),
        ),
    )


def business_row(service: Service, baseline: BaselineMetrics | None) -> Row:
    """Return the business metrics of a service."""
    panels = (
        Panel(
            f"{service.name}: {metric.name}",
            UNITS.get(metric.unit, f"suffix: {metric.unit}"),
            (Query(metric.query, metric.name), *_band(service, metric.name, baseline)),
            f"Worse when it goes {metric.direction}." if metric.direction != "both" else "Worse both ways.",
        )
        for metric in service.business_metrics
    )
    return Row(service.name, tuple(panels))


def hosts_row() -> Row:
    """Return processor, memory, disks and network of the hosts that a node exporter watches."""
    disk = 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'
    size = 'node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"}'
    return Row(
        "Hosts",
        (
            _host(
                "busiest",
                '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
                "percentunit",
            ),
            _host(
                "memory used",
                "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                "percentunit",
            ),
            _host("fullest disks", f"max by (instance) (1 - {disk} / ({size} > 0))", "percentunit"),
            _host(
                "network throughput",
                "sum by (instance) (rate(node_network_receive_bytes_total[5m]) "
                "+ rate(node_network_transmit_bytes_total[5m]))",
                "Bps",
            ),
        ),
    )


def _host(title: str, expr: str, unit: str) -> Panel:
    return Panel(f"Hosts: {title}", unit, (Query(f"topk(5, {expr})", "{{instance}}"),))


def _health(service: Service, environment: str, names: Collection[str]) -> Iterator[Panel]:
    name = service.name
    if service.signals.metrics is not None:
        up = f"up{{{service.signals.metrics.selector}}}"
        yield Panel(f"{name}: instances", "none", (Query(f"sum({up})", "up"), Query(f"count({up})", "all")))
    if service.signals.synthetics is not None:
        probe = f"probe_success{{{service.signals.synthetics.selector}}}"
        yield Panel(f"{name}: synthetic check", "none", (Query(f"min({probe})", "succeeds"),))
    identity = f"service={promql_string(name)},environment={promql_string(environment)}"
    alerts = f'ALERTS{{{identity},alertstate="firing"}}'
    yield Panel(
        f"{name}: firing alerts", "none", (Query(f"count({alerts}) or vector(0)", "firing"),), limit=1
    )
    for title, metric, unit, form in _RESOURCES:
        if found := selector(service, metric, names):
            yield Panel(f"{name}: {title}", unit, (Query(form.format(found), "{{instance}}"),))


_RESOURCES = (
    ("processor cores used", "process_cpu_seconds_total", "none", "sum by (instance) (rate({}[5m]))"),
    ("memory", "process_resident_memory_bytes", "bytes", "max by (instance) ({})"),
    ("open file descriptors", "process_open_fds", "none", "max by (instance) ({})"),
    ("database connections", "db_client_connections_usage", "none", "sum by (instance, state) ({})"),
)


def _performance(service: Service, red: Red, baseline: BaselineMetrics | None) -> Iterator[Panel]:
    name = service.name
    band = _band(service, "throughput_rps", baseline)
    yield Panel(f"{name}: requests", "reqps", (Query(red.per_second(), "requests/s"), *band))
    band = _band(service, "error_ratio", baseline)
    yield Panel(f"{name}: errors", "percentunit", (Query(red.error_ratio(), "share of requests"), *band))
    asked = {"p50": red.latency("0.5"), "p95": red.latency("0.95"), "p99": red.latency("0.99")}
    latencies = tuple(Query(expr, text) for text, expr in asked.items() if expr is not None)
    if latencies:
        band = _band(service, "latency_p95_seconds", baseline)
        yield Panel(f"{name}: response time", "s", (*latencies, *band))
    yield from _endpoints(name, red)


def _endpoints(name: str, red: Red) -> Iterator[Panel]:
    if not red.total.startswith("http_server_request_duration_seconds"):
        return  # only OpenTelemetry's present conventions say by which label to tell routes
    labels = "http_request_method, http_route"
    legend = "{{http_request_method}} {{http_route}}"
    by_route = f"sum by ({labels}) (rate({red.total}[5m]))"
    failed = f"(sum by ({labels}) (rate({red.errors}[5m])) or 0 * {by_route})"
    yield Panel(f"{name}: requests by endpoint", "reqps", (Query(by_route, legend),))
    yield Panel(
        f"{name}: errors by endpoint", "percentunit", (Query(f"{failed} / ({by_route} > 0)", legend),)
    )
    p95 = f"histogram_quantile(0.95, sum by (le, {labels}) (rate({red.bucket}[5m])))"
    yield Panel(f"{name}: p95 by endpoint", "s", (Query(p95, legend),))


def _band(service: Service, metric: str, baseline: BaselineMetrics | None) -> Sequence[Query]:
    for known in baseline.metrics if baseline else ():
        if known.service == service.name and known.metric == metric and known.normal_range:
            low, high = known.normal_range.low, known.normal_range.high
            return (Query(f"vector({low!r})", "baseline low"), Query(f"vector({high!r})", "baseline high"))
    return ()
