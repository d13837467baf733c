"""What a sound catalogue still lacks, so that a gate will refuse a release or see less of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from release_watch.artifacts.models import Signal
from release_watch.catalog.documents import Document
from release_watch.catalog.models import Catalog, Service
from release_watch.catalog.slos import Slo


def gate_warnings(document: Document, catalog: Catalog, slos: Iterable[Slo]) -> tuple[str, ...]:
    """Return a line per gap, as ``file:line: field: value: remedy``."""
    promised = {slo.service for slo in slos}
    return tuple(
        line
        for index, service in enumerate(catalog.services)
        for line in _warnings(document, ("services", index), service, service.name in promised)
    )


def _warnings(
    document: Document, at: tuple[str, int], service: Service, has_objective: bool
) -> Iterator[str]:
    mapped = service.signals.mapped()
    for signal in Signal:
        if service.critical and signal not in mapped:
            remedy = f"{service.name} is critical, so Gate 1 will refuse its releases; map its {signal}"
            yield document.problem((*at, "signals", signal.value), None, remedy)
    if service.critical and not has_objective:
        remedy = f"no SLO of {service.name} in slos/, so no alert on its error budget; write one"
        yield document.problem((*at, "name"), service.name, remedy)
    metrics = service.signals.metrics
    if metrics and metrics.counter and metrics.errors is None:
        remedy = "only an HTTP status label would tell errors of this counter; name what marks an error"
        yield document.problem((*at, "signals", "metrics", "errors"), None, remedy)
