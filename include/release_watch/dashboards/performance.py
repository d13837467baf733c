"""Performance: rate, errors and duration of a service and its endpoints, its database, and business."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.models import BusinessMetric, Service
from release_watch.catalog.slos import Slo
from release_watch.dashboards.bands import band_of, error_limits, latency_limits
from release_watch.dashboards.connections import connection_of
from release_watch.dashboards.health import MOST_LINES
from release_watch.dashboards.models import Panel, Query, Row
from release_watch.slo.red import Red, convention_of, red_of, selector
from release_watch.slo.windows import plain

UNITS = {"s": "s", "bytes": "bytes", "ratio": "percentunit", "requests/s": "reqps"}
"""Grafana's ids for units; a unit that is not here is shown as text."""

_QUANTILES = (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))
_DATABASE = "db_client_operation_duration_seconds"
_MOST_OF = f"The {MOST_LINES} endpoints with most of it."


def performance_row(
    service: Service,
    names: Collection[str],
    baseline: BaselineMetrics | None = None,
    slos: Sequence[Slo] = (),
) -> Row:
    """Return rate, errors and duration of a service and its endpoints, with baseline bands and SLO limits."""
    red = red_of(service, names)
    own = [slo for slo in slos if slo.service == service.name]
    labels = _endpoint_labels(service, names)
    requests = _requests(service, red, labels, baseline, own) if red else ()
    panels = (*requests, *_database(service, names))
    connection = connection_of(service.signals.metrics)
    return Row(service.name, tuple(panel._replace(connection=connection) for panel in panels), service.name)


def business_row(service: Service, baseline: BaselineMetrics | None = None) -> Row:
    """Return the business metrics of a service."""
    panels = (_business(service, metric, baseline) for metric in service.business_metrics)
    return Row(service.name, tuple(panels), service.name)


def _requests(
    service: Service,
    red: Red,
    labels: Sequence[str],
    baseline: BaselineMetrics | None,
    slos: Sequence[Slo],
) -> Iterator[Panel]:
    name = service.name
    band = band_of(name, "throughput_rps", baseline)
    yield Panel(
        f"{name}: requests",
        "reqps",
        (Query(red.per_second(), "requests"), *band.queries),
        f"Requests per second that the service answers, with or without success.{band.words}",
        wall=True,
    )
    band = band_of(name, "error_ratio", baseline)
    yield Panel(
        f"{name}: errors",
        "percentunit",
        (Query(red.error_ratio(), "failed"), *band.queries),
        "Share of the requests of 5 minutes that failed; nothing is drawn without requests. The very first "
        f"failure of a kind begins its counter and is not in it yet: SLO panels count that too.{band.words}",
        error_limits(slos),
        wall=True,
    )
    asked = [(text, red.latency(quantile)) for text, quantile in _QUANTILES]
    if latencies := tuple(Query(_drawn(expr), text) for text, expr in asked if expr is not None):
        band = band_of(name, "latency_p95_seconds", baseline)
        yield Panel(
            f"{name}: response time",
            "s",
            (*latencies, *band.queries),
            "Half of the requests are answered within p50, 95 % within p95, 99 % within p99."
            f"{band.words.replace('Band:', 'Band of p95:')}",
            latency_limits(slos),
            wall=True,
        )
    if labels:
        yield from _endpoints(name, red, labels, slos)


def _endpoints(name: str, red: Red, labels: Sequence[str], slos: Sequence[Slo]) -> Iterator[Panel]:
    by = ", ".join(labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    rate = f"sum by ({by}) (rate({red.total}[5m]))"
    failed = f"(sum by ({by}) (rate({red.errors}[5m])) or 0 * {rate})"
    yield Panel(
        f"{name}: requests by endpoint",
        "reqps",
        (Query(f"topk({MOST_LINES}, {rate})", legend),),
        f"Requests per second by endpoint. {_MOST_OF}",
    )
    yield Panel(
        f"{name}: errors by endpoint",
        "percentunit",
        (Query(f"topk({MOST_LINES}, {failed} / ({rate} > 0))", legend),),
        f"Share of the requests to an endpoint that failed. {_MOST_OF}",
        error_limits(slos),
    )
    if red.bucket is not None:
        quantile = f"histogram_quantile(0.95, sum by (le, {by}) (rate({red.bucket}[5m])))"
        scale = "" if red.unit_seconds == 1 else f" * {plain(red.unit_seconds)}"
        yield Panel(
            f"{name}: p95 by endpoint",
            "s",
            (Query(f"topk({MOST_LINES}, {_drawn(quantile + scale)})", legend),),
            f"95 % of the requests to an endpoint are answered within this time. {_MOST_OF}",
            latency_limits(slos),
        )


def _endpoint_labels(service: Service, names: Collection[str]) -> tuple[str, ...]:
    """Return the labels that name an endpoint by the convention that the service follows, method first."""
    convention = convention_of(service, names)
    labels = convention.endpoint_labels if convention else ()
    return tuple(sorted(labels, key=lambda label: convention is None or label != convention.method))


def _database(service: Service, names: Collection[str]) -> Iterator[Panel]:
    calls = selector(service, f"{_DATABASE}_count", names)
    failed = selector(service, f"{_DATABASE}_count", names, 'error_type!=""')
    if calls and failed:
        rate = f"sum(rate({calls}[5m]))"
        share = f"(sum(rate({failed}[5m])) or 0 * {rate}) / ({rate} > 0)"
        yield Panel(
            f"{service.name}: database errors",
            "percentunit",
            (Query(share, "failed"),),
            "Share of the database operations of 5 minutes that failed.",
        )
    if bucket := selector(service, f"{_DATABASE}_bucket", names):
        quantile = f"histogram_quantile(0.95, sum by (le) (rate({bucket}[5m])))"
        yield Panel(
            f"{service.name}: database response time",
            "s",
            (Query(_drawn(quantile), "p95"),),
            "95 % of the database operations take no longer, as the service sees it.",
        )


def _drawn(quantile: str) -> str:
    """Return a quantile that is nothing without requests, where it would be NaN."""
    return f"{quantile} >= 0"


def _business(service: Service, metric: BusinessMetric, baseline: BaselineMetrics | None) -> Panel:
    band = band_of(service.name, metric.name, baseline)
    worse = {"up": "when it rises", "down": "when it falls", "both": "both ways"}[metric.direction]
    return Panel(
        f"{service.name}: {metric.name}",
        UNITS.get(metric.unit, f"suffix: {metric.unit}"),
        (Query(metric.query, metric.name), *band.queries),
        f"A number that the business watches; worse {worse}.{band.words}",
        worse="up" if metric.direction == "up" else "down",
        wall=True,
        connection=connection_of(service.signals.metrics),
    )
