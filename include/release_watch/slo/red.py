"""Under which names a service exposes requests, errors and durations, and what else it exposes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from release_watch.catalog.models import MetricsSignal, Service
from release_watch.catalog.selectors import parse_matchers
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.conventions import CONVENTIONS, Convention, own_convention

if TYPE_CHECKING:
    from release_watch.telemetry.backends import Backends

_CLASSIC = tuple(convention for convention in CONVENTIONS if not convention.native)

PROCESS = frozenset({"up", "process_resident_memory_bytes", "process_cpu_seconds_total"})
"""What every Prometheus client library exposes of its process, and ``up``, where Prometheus scrapes it."""

ASSUMED = PROCESS | {f"{_CLASSIC[0].latency}_{suffix}" for suffix in ("count", "sum", "bucket")}
"""Taken for a service whose metrics were not looked up."""

MetricNames = Mapping[str, Collection[str]]
"""The names of the metrics that each service exposes, by service.

With ``counter{label}`` for each label that tells the outcome of its requests, where several are usual.
"""


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
    """Return under which names ``service`` counts its requests; None if it does so under no known one.

    Of several conventions the first is taken, as in the audit; a counter that the catalogue names comes
    before them all.
    """
    metrics = service.signals.metrics
    convention = convention_of(service, names)
    if metrics is None or convention is None:
        return None
    return Red(
        total=f"{convention.counter}{{{metrics.selector}}}",
        errors=f"{convention.counter}{{{metrics.selector},{_failed(convention, names)}}}",
        bucket=f"{convention.latency}_bucket{{{metrics.selector}}}"
        if _has_buckets(convention, names)
        else None,
        unit_seconds=Decimal("0.001") if "milliseconds" in (convention.latency or "") else Decimal(1),
    )


def convention_of(service: Service, names: Collection[str] = ASSUMED) -> Convention | None:
    """Return by which convention ``service`` counts its requests; None if by no known one."""
    if service.signals.metrics is None:
        return None
    if own := _own(service.signals.metrics):
        return own if own.counter in names or names is ASSUMED else None
    return next((convention for convention in _CLASSIC if convention.counter in names), None)


def selector(service: Service, metric: str, names: Collection[str] = ASSUMED, extra: str = "") -> str | None:
    """Return the selector of one metric of ``service``; None if it does not expose it."""
    if service.signals.metrics is None or metric not in names:
        return None
    matchers = service.signals.metrics.selector
    return f"{metric}{{{matchers},{extra}}}" if extra else f"{metric}{{{matchers}}}"


def find_metric_names(services: Sequence[Service], backends: Backends) -> dict[str, frozenset[str]]:
    """Return the names of the metrics that each service exposes now, one query for many services.

    Raises:
        BackendError: if a metrics server does not answer.
    """
    found: dict[str, set[str]] = {}
    connections: dict[str, dict[str, Service]] = defaultdict(dict)
    for service in services:
        if service.signals.metrics is not None:
            found[service.name] = set()
            connections[service.signals.metrics.connection][service.name] = service
    for there in connections.values():
        metrics = backends.metrics(next(iter(there.values())))
        signals = {name: one.signals.metrics for name, one in there.items() if one.signals.metrics}
        for batch in batches({name: signal.selector for name, signal in signals.items()}):
            for sample in metrics.instant(_names_query(batch, _told_apart(signals.values()))):
                name, label = sample.labels.get("__name__", ""), sample.labels.get(_LABEL)
                for one in batch.services_of(sample.labels):
                    found[one].add(_labelled(name, label) if label else name)
    return {service: frozenset(names) for service, names in found.items()}


_LABEL = "outcome_label"


def _names_query(batch: Batch, told_apart: Mapping[str, Collection[str]]) -> str:
    by = batch.grouping("__name__")
    parts = [f"group{by} ({{{batch.matchers}}})"]
    for label, counters in sorted(told_apart.items()):
        either = "|".join(sorted(counters))
        series = f'{{{batch.matchers},__name__=~"{either}",{label}!=""}}'
        parts.append(f'label_replace(group{by} ({series}), "{_LABEL}", "{label}", "", "")')
    return " or ".join(parts)


def _told_apart(signals: Collection[MetricsSignal]) -> dict[str, set[str]]:
    """Return the labels of which only the series tell which one holds the outcome, with their counters."""
    counters: dict[str, set[str]] = defaultdict(set)
    own = (convention for signal in signals if (convention := _own(signal)))
    for convention in (*_CLASSIC, *own):
        labels = [_label_of(failed) for failed in convention.failed]
        if len(set(labels)) > 1:
            for label in labels:
                counters[label].add(convention.counter)
    return counters


def _failed(convention: Convention, names: Collection[str]) -> str:
    """Return the matchers of failed requests by the label that the service's series have."""
    there = (one for one in convention.failed if _labelled(convention.counter, _label_of(one)) in names)
    return next(there, convention.failed[0])


def _has_buckets(convention: Convention, names: Collection[str]) -> bool:
    latency = convention.latency
    if latency is None or f"{latency}_bucket" in names:
        return latency is not None
    # a sum without buckets is a summary's; where not even that was looked for, a counter of durations tells
    return convention.counter == f"{latency}_count" and f"{latency}_sum" not in names


def _own(signal: MetricsSignal) -> Convention | None:
    return own_convention(signal.counter, signal.errors) if signal.counter else None


@lru_cache(maxsize=256)
def _label_of(matchers: str) -> str:
    return parse_matchers(matchers)[0].label


def _labelled(counter: str, label: str) -> str:
    return f"{counter}{{{label}}}"
