"""Under which names a service exposes requests, errors and durations, and what else it exposes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.models import Service

if TYPE_CHECKING:
    from release_watch.telemetry.backends import Backends


class _Convention(NamedTuple):
    family: str
    status_label: str
    unit_seconds: Decimal
    histogram: bool


_CONVENTIONS = (
    _Convention("http_server_request_duration_seconds", "http_response_status_code", Decimal(1), True),
    _Convention("http_server_duration_milliseconds", "http_status_code", Decimal("0.001"), True),
    _Convention("http_request_duration_seconds", "code", Decimal(1), True),
    _Convention("http_requests_total", "code", Decimal(1), False),
)
"""OpenTelemetry's names first, then its older ones, then what other libraries use; only one is taken."""

PROCESS = frozenset({"up", "process_resident_memory_bytes", "process_cpu_seconds_total"})
"""What every Prometheus client library exposes of its process."""

ASSUMED = PROCESS | {f"{_CONVENTIONS[0].family}_{suffix}" for suffix in ("count", "sum", "bucket")}
"""Taken for a service whose metrics were not looked up."""

MetricNames = Mapping[str, Collection[str]]
"""The names of the metrics that each service exposes, by service."""


@dataclass(frozen=True)
class Red:
    """Selectors of a service's requests, of the failed ones, and of its latency histogram."""

    total: str
    errors: str
    bucket: str | None
    unit_seconds: Decimal

    def per_second(self, window: str = "5m") -> str:
        """Return the PromQL of requests per second."""
        return f"sum(rate({self.total}[{window}]))"

    def error_ratio(self, window: str = "5m") -> str:
        """Return the PromQL of the share of failed requests, 0 without errors, nothing without traffic."""
        total = self.per_second(window)
        return f"(sum(rate({self.errors}[{window}])) or 0 * {total}) / ({total} > 0)"

    def latency(self, quantile: str, window: str = "5m") -> str | None:
        """Return the PromQL of a latency quantile in seconds; None where there is no histogram."""
        if self.bucket is None:
            return None
        scale = "" if self.unit_seconds == 1 else f" * {self.unit_seconds}"
        return f"histogram_quantile({quantile}, sum by (le) (rate({self.bucket}[{window}]))){scale}"


def red_of(service: Service, names: Collection[str] = ASSUMED) -> Red | None:
    """Return under which names ``service`` counts its requests; None if it does so under no known one."""
    if service.signals.metrics is None:
        return None
    matchers = service.signals.metrics.selector
    for family, status, unit, histogram in _CONVENTIONS:
        counter = f"{family}_count" if histogram else family
        if counter in names:
            return Red(
                total=f"{counter}{{{matchers}}}",
                errors=f'{counter}{{{matchers},{status}=~"5.."}}',
                bucket=f"{family}_bucket{{{matchers}}}" if histogram else None,
                unit_seconds=unit,
            )
    return None


def selector(service: Service, metric: str, names: Collection[str] = ASSUMED, extra: str = "") -> str | None:
    """Return the selector of one metric of ``service``; None if it does not expose it."""
    if service.signals.metrics is None or metric not in names:
        return None
    matchers = service.signals.metrics.selector
    return f"{metric}{{{matchers},{extra}}}" if extra else f"{metric}{{{matchers}}}"


def find_metric_names(services: Sequence[Service], backends: Backends) -> dict[str, frozenset[str]]:
    """Return the names of the metrics that each service exposes now.

    Raises:
        BackendError: if a metrics server does not answer.
    """
    found: dict[str, frozenset[str]] = {}
    for service in services:
        if service.signals.metrics is not None:
            query = f"group by (__name__) ({{{service.signals.metrics.selector}}})"
            samples = backends.metrics(service).instant(query)
            found[service.name] = frozenset(sample.labels.get("__name__", "") for sample in samples)
    return found
