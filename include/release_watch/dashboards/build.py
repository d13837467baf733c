"""The dashboards of a release: system health, performance, SLOs, business."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.dashboards.grafana import dashboard_json
from release_watch.dashboards.models import Dashboard, Kind, PanelQuery
from release_watch.dashboards.panels import (
    Row,
    business_row,
    health_row,
    hosts_row,
    performance_row,
    slo_row,
)
from release_watch.release import Release
from release_watch.slo.red import ASSUMED, MetricNames

_TITLES: dict[Kind, str] = {
    "system-health": "system health",
    "performance": "performance",
    "slo": "SLOs and error budgets",
    "business": "business metrics",
}


def dashboards(
    release: Release,
    services: Sequence[Service],
    slos: Sequence[Slo],
    *,
    baseline: BaselineMetrics | None = None,
    metric_names: MetricNames | None = None,
    hosts: bool = False,
) -> list[Dashboard]:
    """Return the dashboards of ``release``; those without any panel are left out.

    The uid depends on environment and services only, so that a later release updates the same dashboards.

    Args:
        release: names the environment.
        services: the release's services.
        slos: SLOs; those of other services are left out.
        baseline: its normal ranges are drawn as bands.
        metric_names: what each service exposes (:func:`release_watch.slo.red.find_metric_names`); None takes
            OpenTelemetry's HTTP names.
        hosts: whether to show processor, memory, disks and network of the hosts (node exporter).
    """
    own = {service.name for service in services}
    names = {s.name: ASSUMED if metric_names is None else metric_names.get(s.name, ()) for s in services}
    health = [health_row(s, release.environment, names[s.name]) for s in services]
    rows: dict[Kind, list[Row]] = {
        "system-health": [*health, hosts_row()] if hosts else health,
        "performance": [performance_row(s, names[s.name], baseline) for s in services],
        "slo": [slo_row(slo, release.environment) for slo in slos if slo.service in own],
        "business": [business_row(s, baseline) for s in services],
    }
    shown = {kind: [row for row in found if row.panels] for kind, found in rows.items()}
    return [_dashboard(kind, found, release) for kind, found in shown.items() if found]


def dashboard_uid(kind: Kind, environment: str, services: Sequence[str]) -> str:
    """Return the stable uid of a dashboard, at most 40 characters."""
    digest = sha256("\n".join([environment, *sorted(services)]).encode()).hexdigest()
    return f"rw-{kind}-{digest[:12]}"


def _dashboard(kind: Kind, rows: Sequence[Row], release: Release) -> Dashboard:
    uid = dashboard_uid(kind, release.environment, release.services)
    title = f"{', '.join(release.services)} ({release.environment}): {_TITLES[kind]}"
    return Dashboard(
        uid=uid,
        title=title,
        kind=kind,
        json=dashboard_json(uid, title, ["release-watch", release.environment, kind], rows),
        queries=tuple(
            PanelQuery(panel.title, query.expr, query.legend)
            for row in rows
            for panel in row.panels
            for query in panel.queries
        ),
    )
