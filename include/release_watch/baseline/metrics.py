"""The metrics of a service that are captured and judged, as PromQL over its catalogue entry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import timedelta

from release_watch.catalog.models import BusinessMetric, MetricsSignal, Service
from release_watch.identifiers import promql_string
from release_watch.judge.spec import Direction, Family, Kind, MetricSpec
from release_watch.slo.red import ASSUMED, MetricNames, Red, red_of, selector

__all__ = ["MetricSpec", "metric_specs", "rate_window"]

SCRAPES_PER_RATE = 4
"""A rate wants at least four scrapes in its range, and a step is no shorter than a scrape interval."""

NOTICEABLE_SECONDS = 0.1
"""Below a tenth of a second a person feels no delay (Nielsen, "Response Times: The 3 Important Limits")."""

DAILY_SWING = 0.7
"""So much less traffic is still a night, where the baseline is too short to have seen one."""

DAILY_CPU_SWING = 2.0
"""CPU follows the traffic: at noon three times that of the night."""

MEMORY_EFFECT = 0.3
"""A new version may take somewhat more memory than an old one."""

_MEMORY = ("process_resident_memory_bytes", "container_memory_working_set_bytes")
_CPU = ("process_cpu_seconds_total", "container_cpu_usage_seconds_total")
"""The process itself, or else its container."""
_CONTAINER = 'container!="",container!="POD"'

_RANGE = re.compile(r"\[(\d+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def rate_window(step: timedelta) -> timedelta:
    """Return the range of rates for samples ``step`` apart."""
    return SCRAPES_PER_RATE * step


def metric_specs(
    services: Iterable[Service],
    *,
    step: timedelta = timedelta(minutes=1),
    version: str | None = None,
    version_label: str = "version",
    metric_names: MetricNames | None = None,
) -> tuple[MetricSpec, ...]:
    """Return the metrics of the services: errors, latency, availability, traffic, resources, business.

    With ``version`` only the series of that version are queried, by their label ``version_label``;
    synthetic checks and business metrics, which do not know versions, stay as they are. A service gets what
    its mapped signals allow, under the names that it exposes (``metric_names``, from
    :func:`release_watch.slo.red.find_metric_names`; None takes OpenTelemetry's HTTP names, or the counter
    that the catalogue names); a latency only where there is a histogram. Requests are asked for in any case:
    a service that shows none has no convincing baseline.
    """
    narrowed = "" if version is None else f",{version_label}={promql_string(version)}"
    return tuple(
        spec
        for service in services
        for spec in _of_service(service, step, narrowed, _names(service, metric_names))
    )


def _names(service: Service, metric_names: MetricNames | None) -> Collection[str]:
    return (metric_names or {}).get(service.name) or ASSUMED


def _of_service(
    service: Service, step: timedelta, narrowed: str, names: Collection[str]
) -> Iterable[MetricSpec]:
    if service.signals.metrics:
        seen = _narrowed(service, service.signals.metrics, narrowed)
        if red := red_of(seen, names) or red_of(seen):
            yield from _request_metrics(service.name, red, step)
        yield from _resource_metrics(seen, names, step)
    if service.signals.synthetics:
        yield _availability(service.name, service.signals.synthetics.selector, step)
    for metric in service.business_metrics:
        yield _business(service.name, metric, step)


def _narrowed(service: Service, metrics: MetricsSignal, matchers: str) -> Service:
    """Return the service with further matchers on its metrics."""
    metrics = metrics.model_copy(update={"selector": metrics.selector + matchers})
    return service.model_copy(update={"signals": service.signals.model_copy(update={"metrics": metrics})})


def _request_metrics(service: str, red: Red, step: timedelta) -> Iterable[MetricSpec]:
    window = _promql_duration(rate_window(step))
    yield MetricSpec(
        service=service,
        metric="error_ratio",
        unit="ratio",
        query=red.error_ratio(window),
        golden=True,
        kind=Kind.RATIO,
        family=Family.ERRORS,
        overlap=SCRAPES_PER_RATE,
    )
    if latency := red.latency("0.95", window):
        yield MetricSpec(
            service=service,
            metric="latency_p95_seconds",
            unit="s",
            query=latency,
            golden=True,
            kind=Kind.LATENCY,
            family=Family.LATENCY,
            overlap=SCRAPES_PER_RATE,
            minimum_shift=NOTICEABLE_SECONDS,
        )
    yield MetricSpec(
        service=service,
        metric="throughput_rps",
        unit="requests/s",
        query=red.per_second(window),
        direction=Direction.DOWN,
        kind=Kind.GAUGE,
        family=Family.TRAFFIC,
        overlap=SCRAPES_PER_RATE,
        short_baseline_effect=DAILY_SWING,
    )


def _resource_metrics(service: Service, names: Collection[str], step: timedelta) -> Iterable[MetricSpec]:
    window = _promql_duration(rate_window(step))
    if memory := _resource(service, names, _MEMORY):
        yield MetricSpec(
            service=service.name,
            metric="memory_bytes",
            unit="bytes",
            query=f"avg({memory})",
            kind=Kind.RESOURCE,
            family=Family.RESOURCES,
            minimum_effect=MEMORY_EFFECT,
        )
    if cpu := _resource(service, names, _CPU):
        yield MetricSpec(
            service=service.name,
            metric="cpu_cores",
            unit="cores",
            query=f"avg(rate({cpu}[{window}]))",
            kind=Kind.RESOURCE,
            family=Family.RESOURCES,
            overlap=SCRAPES_PER_RATE,
            short_baseline_effect=DAILY_CPU_SWING,
        )


def _resource(service: Service, names: Collection[str], metrics: tuple[str, str]) -> str | None:
    of_process, of_container = metrics
    return selector(service, of_process, names) or selector(service, of_container, names, _CONTAINER)


def _availability(service: str, matchers: str, step: timedelta) -> MetricSpec:
    window = _promql_duration(rate_window(step))
    return MetricSpec(
        service=service,
        metric="availability",
        unit="ratio",
        query=f"avg(avg_over_time(probe_success{{{matchers}}}[{window}]))",
        direction=Direction.DOWN,
        golden=True,
        kind=Kind.RATIO,
        family=Family.ERRORS,
        overlap=SCRAPES_PER_RATE,
    )


def _business(service: str, metric: BusinessMetric, step: timedelta) -> MetricSpec:
    return MetricSpec(
        service=service,
        metric=metric.name,
        unit=metric.unit,
        query=metric.query,
        direction=Direction(metric.direction),
        kind=Kind.GAUGE,
        family=Family.TRAFFIC,
        overlap=_overlap(metric.query, step),
        short_baseline_effect=DAILY_SWING,
    )


def _overlap(query: str, step: timedelta) -> int:
    """Return how many steps the longest range of a query covers."""
    ranges = [int(number) * _SECONDS[unit] for number, unit in _RANGE.findall(query)]
    return max(1, round(max(ranges, default=0) / step.total_seconds()))


def _promql_duration(length: timedelta) -> str:
    return f"{max(1, round(length.total_seconds()))}s"
