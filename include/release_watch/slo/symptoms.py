"""Alerts on symptoms of a service, where it exposes what they need, with thresholds that need no baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from release_watch.catalog.models import BusinessMetric, Service
from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText, alert_rule
from release_watch.slo.red import ASSUMED, Red, red_of, selector
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.windows import plain

TWO_SCRAPES = timedelta(minutes=2)
"""Twice Prometheus' default scrape interval: one failed scrape is no outage."""
SUSTAINED = timedelta(minutes=5)
ERROR_RATIO = Decimal("0.05")
LEAST_ERRORS = 5
"""With little traffic a single failure is a high ratio; fewer failures than these wake nobody."""
DEFAULT_LATENCY = Decimal(1)
LOW_SHARE = Decimal("0.1")
LEAST_TRAFFIC = Decimal("0.1")
MEMORY_GROWTH = 2
LEAST_MEMORY_GROWTH = 64 * 1024 * 1024
FULL = Decimal("0.9")
BUSINESS_SHARE = Decimal("0.3")
BUSINESS_SAMPLES = 30
_TOO_MANY = f"more than {plain(ERROR_RATIO * 100)} %"


class SymptomRules:
    """Generates the alerts of one service in one environment."""

    def __init__(
        self,
        service: Service,
        slos: Sequence[Slo],
        environment: str,
        text: AlertText,
        names: Collection[str] = ASSUMED,
    ) -> None:
        self._service = service
        self._slos = [slo for slo in slos if slo.service == service.name]
        self._labels = {"service": service.name, "environment": environment}
        self._text = text
        self._names = names
        self._red = red_of(service, names)

    def group(self, interval: timedelta) -> RuleGroup | None:
        """Return the service's alerts as one group; None if it exposes nothing to alert on."""
        rules = tuple(self._rules())
        if not rules:
            return None
        return RuleGroup(name=f"service-{self._service.name}", interval=duration(interval), rules=rules)

    def _rules(self) -> Iterator[Rule]:
        yield from self._availability()
        if self._red is not None:
            yield from self._requests(self._red)
        yield from self._resources()
        yield from self._database()
        for metric in self._service.business_metrics:
            yield from self._business(metric)

    def _alert(
        self,
        name: str,
        expr: str,
        severity: str,
        *,
        summary: str,
        description: str,
        threshold: str,
        hold: timedelta,
        labels: dict[str, str] | None = None,
    ) -> Rule:
        return alert_rule(
            name,
            expr,
            hold=hold,
            labels={**self._labels, "severity": severity, **(labels or {})},
            text=self._text,
            summary=f"{self._service.name}: {summary}",
            description=description,
            threshold=threshold,
        )

    @property
    def _urgent(self) -> str:
        return "page" if self._service.critical else "ticket"

    def _availability(self) -> Iterator[Rule]:
        held = duration(TWO_SCRAPES)
        if self._service.signals.metrics is not None:
            up = f"up{{{self._service.signals.metrics.selector}}}"
            yield self._alert(
                "ServiceDown",
                f"max({up}) == 0",
                self._urgent,
                summary="no instance answers Prometheus",
                description="Every instance fails its scrape: the service is down or cannot be reached.",
                threshold=f"all instances down for {held}",
                hold=TWO_SCRAPES,
            )
            yield self._alert(
                "ServiceTelemetryAbsent",
                f"absent({self._red.total})" if self._red else f"absent({up})",
                self._urgent,
                summary="its metrics are gone",
                description="There is no series to watch the service with: it is not scraped, or exports "
                "nothing. No other alert of it can fire meanwhile.",
                threshold=f"no series for {held}",
                hold=TWO_SCRAPES,
            )
        if self._service.signals.synthetics is not None:
            probe = f"probe_success{{{self._service.signals.synthetics.selector}}}"
            yield self._alert(
                "ServiceProbeFailing",
                f"max({probe}) == 0 or absent({probe})",
                self._urgent,
                summary="the synthetic check fails",
                description="The service does not answer as a user would reach it, or nobody probes it.",
                threshold=f"no successful probe for {held}",
                hold=TWO_SCRAPES,
            )

    def _requests(self, red: Red) -> Iterator[Rule]:
        yield self._alert(
            "HighErrorRate",
            f"{red.error_ratio()} > {ERROR_RATIO} and sum(increase({red.errors}[5m])) >= {LEAST_ERRORS}",
            self._urgent,
            summary="many requests fail",
            description="{{ $value | humanizePercentage }} of the requests of 5 minutes failed (5xx).",
            threshold=f"{_TOO_MANY} of requests over 5m, at least {LEAST_ERRORS} failures",
            hold=TWO_SCRAPES,
        )
        if (latency := red.latency("0.95")) is not None:
            limit, origin = self._latency_limit()
            yield self._alert(
                "HighResponseTime",
                f"{latency} > {plain(limit)}",
                "ticket",
                summary="responses are slow",
                description="The 95th percentile of the last 5 minutes is {{ $value | humanizeDuration }}.",
                threshold=f"p95 over 5m above {plain(limit)} s ({origin})",
                hold=SUSTAINED,
            )
        before = f"sum(rate({red.total}[1h] offset 5m))"
        yield self._alert(
            "LowThroughput",
            f"{red.per_second()} < {LOW_SHARE} * {before} and {before} > {LEAST_TRAFFIC}",
            "ticket",
            summary="requests fail to come",
            description="Only {{ $value | humanize }} requests/s arrive: users or callers do not reach it.",
            threshold=f"below {plain(LOW_SHARE * 100)} % of the hour before, if that had {LEAST_TRAFFIC}/s",
            hold=SUSTAINED,
        )

    def _latency_limit(self) -> tuple[Decimal, str]:
        limits = [
            (slo.threshold_seconds, slo.name) for slo in self._slos if slo.threshold_seconds is not None
        ]
        if limits:
            limit, name = max(limits)
            return limit, f"the threshold of SLO {name}"
        return DEFAULT_LATENCY, "no latency SLO; default"

    def _resources(self) -> Iterator[Rule]:
        if memory := selector(self._service, "process_resident_memory_bytes", self._names):
            lowest = f"min_over_time({memory}[1h])"
            yield self._alert(
                "MemoryGrowth",
                f"max({memory} > {MEMORY_GROWTH} * {lowest} and {memory} - {lowest} > {LEAST_MEMORY_GROWTH})",
                "ticket",
                summary="memory grows towards exhaustion",
                description="An instance uses {{ $value | humanize1024 }}B, twice its lowest of an hour.",
                threshold=f"{MEMORY_GROWTH} times the lowest of the last hour, and 64 MiB more than it",
                hold=SUSTAINED,
            )
        used = selector(self._service, "process_open_fds", self._names)
        most = selector(self._service, "process_max_fds", self._names)
        if used and most:
            yield self._alert(
                "FileDescriptorsExhausted",
                f"max({used} / {most}) > {FULL}",
                self._urgent,
                summary="file descriptors run out",
                description="{{ $value | humanizePercentage }} of them are open; new connections will fail.",
                threshold=f"{plain(FULL * 100)} % of the limit",
                hold=SUSTAINED,
            )

    def _database(self) -> Iterator[Rule]:
        calls = selector(self._service, "db_client_operation_duration_seconds_count", self._names)
        failed = selector(
            self._service, "db_client_operation_duration_seconds_count", self._names, 'error_type!=""'
        )
        if calls and failed:
            yield self._alert(
                "DatabaseUnreachable",
                f"sum(rate({failed}[5m])) / (sum(rate({calls}[5m])) > 0) > {ERROR_RATIO} "
                f"and sum(increase({failed}[5m])) >= {LEAST_ERRORS}",
                self._urgent,
                summary="calls to its database fail",
                description="{{ $value | humanizePercentage }} of the operations of 5 minutes failed.",
                threshold=f"{_TOO_MANY} of operations over 5m, at least {LEAST_ERRORS} failures",
                hold=TWO_SCRAPES,
            )
        used = selector(self._service, "db_client_connections_usage", self._names, 'state="used"')
        most = selector(self._service, "db_client_connections_max", self._names)
        if used and most:
            yield self._alert(
                "DatabaseConnectionsExhausted",
                f"max(sum by (instance) ({used}) / sum by (instance) ({most})) > {FULL}",
                "ticket",
                summary="its database connections run out",
                description="{{ $value | humanizePercentage }} of the pool are in use; requests will queue.",
                threshold=f"{plain(FULL * 100)} % of the pool",
                hold=SUSTAINED,
            )

    def _business(self, metric: BusinessMetric) -> Iterator[Rule]:
        query = f"({metric.query})"
        before = f"avg_over_time({query}[1h:1m] offset 5m)"
        enough = f"count_over_time({query}[1h:1m] offset 5m) >= {BUSINESS_SAMPLES}"
        low = f"{query} < {BUSINESS_SHARE} * {before}"
        high = f"{before} < {BUSINESS_SHARE} * {query}"
        worse = {"down": low, "up": high, "both": f"({low} or {high})"}[metric.direction]
        yield self._alert(
            "BusinessMetricAnomaly",
            f"{worse} and {enough}",
            "ticket",
            summary=f"{metric.name} is far from its usual level",
            description=f"{metric.name} is far from the mean of the hour before, in the direction that is "
            f"worse ({metric.direction}). Value: {{{{ $value | humanize }}}}.",
            threshold=f"factor {plain(1 / BUSINESS_SHARE)} from the hour before",
            hold=SUSTAINED,
            labels={"metric": metric.name},
        )
