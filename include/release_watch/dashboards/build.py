"""The dashboards of a release: system health, performance, SLOs, business."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from urllib.parse import urlsplit

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.clock import rfc3339
from release_watch.dashboards.grafana import Sheet, dashboard_json
from release_watch.dashboards.health import health_row, hosts_row, release_marks, resources_row
from release_watch.dashboards.models import Dashboard, Kind, Mark, PanelQuery, Row
from release_watch.dashboards.objectives import overview_row, service_row, slo_row
from release_watch.dashboards.performance import business_row, performance_row
from release_watch.markdown import escape, link, table
from release_watch.release import Release
from release_watch.slo.red import ASSUMED, MetricNames

_TITLES: dict[Kind, str] = {
    "system-health": "system health",
    "performance": "performance",
    "slo": "SLOs and error budgets",
    "business": "business metrics",
}
_WORDS: dict[Kind, str] = {
    "system-health": "Is it up, does anything fire, does a resource run out?",
    "performance": "How much is asked, how much of it fails, how long it takes: by service and by endpoint.",
    "slo": "What is left of each error budget, how fast it burns, and when it will be gone.",
    "business": "What the business sees of the release.",
}
_HOW_TO_READ = (
    "Grey bands are what the baseline found normal; dashed lines are limits: look at orange, act on red; "
    "each panel's description says where they come from. Blue marks are deployments, purple ones new "
    "versions and process starts as the telemetry shows them. Changes by hand are overwritten: copy it first."
)
_LINKED = ("http", "https")
_LONGEST_TITLE = 100


def dashboards(
    release: Release,
    services: Sequence[Service],
    slos: Sequence[Slo],
    *,
    baseline: BaselineMetrics | None = None,
    metric_names: MetricNames | None = None,
    hosts: bool = False,
    runbook_url: str = "",
    alerts_url: str = "",
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
        runbook_url: where the monitoring runbook is; linked if it is a web address.
        alerts_url: where the alerts are listed, as Prometheus' ``/alerts``; linked if it is a web address.

    Raises:
        InvalidInputError: if an SLO cannot be alerted on.
    """
    names = {s.name: ASSUMED if metric_names is None else metric_names.get(s.name, ()) for s in services}
    health = [
        resources_row(services, names),
        *(health_row(s, release.environment, names[s.name], baseline) for s in services),
    ]
    rows: dict[Kind, list[Row]] = {
        "system-health": [*health, hosts_row()] if hosts else health,
        "performance": [performance_row(s, names[s.name], baseline, slos) for s in services],
        "slo": _slo_rows(services, slos, release.environment),
        "business": [business_row(s, baseline) for s in services],
    }
    shown = {kind: [row for row in found if row.panels] for kind, found in rows.items()}
    marks = release_marks(services, names)
    about = _about(release, services)
    links = {"Runbook": runbook_url, "Alerts": alerts_url}
    return [_dashboard(kind, found, release, about, marks, links) for kind, found in shown.items() if found]


def dashboard_uid(kind: Kind, environment: str, services: Sequence[str]) -> str:
    """Return the stable uid of a dashboard, at most 40 characters."""
    return f"rw-{kind}-{_digest(environment, services)}"


def _digest(environment: str, services: Collection[str]) -> str:
    return sha256("\n".join([environment, *sorted(services)]).encode()).hexdigest()[:12]


def _slo_rows(services: Sequence[Service], slos: Sequence[Slo], environment: str) -> list[Row]:
    by_service = {s.name: [slo for slo in slos if slo.service == s.name] for s in services}
    everything = [slo for own in by_service.values() for slo in own]
    if not everything:
        return []
    return [
        overview_row(everything, environment),
        *(service_row(name, own, environment) for name, own in by_service.items() if own),
        *(slo_row(slo, environment) for slo in everything),
    ]


def _dashboard(
    kind: Kind,
    rows: Sequence[Row],
    release: Release,
    about: str,
    marks: Sequence[Mark],
    links: Mapping[str, str],
) -> Dashboard:
    uid = dashboard_uid(kind, release.environment, release.services)
    title = f"{_named(release.services)} ({release.environment}): {_TITLES[kind]}"
    sheet = Sheet(
        uid=uid,
        title=title,
        description=_WORDS[kind],
        tags=("release-watch", release.environment, kind),
        family=f"rw-{_digest(release.environment, release.services)}",
        about=f"{_WORDS[kind]} {about}",
        environment=release.environment,
        links={name: url for name, url in links.items() if urlsplit(url).scheme in _LINKED},
    )
    return Dashboard(
        uid=uid,
        title=title,
        kind=kind,
        json=dashboard_json(sheet, rows, marks),
        queries=tuple(
            PanelQuery(panel.title, query.expr, query.legend, panel.connection)
            for row in rows
            for panel in row.panels
            for query in panel.queries
        ),
        rows=tuple(rows),
        marks=tuple(marks),
        environment=release.environment,
        version=release.version,
        deployed_at=release.deployed_at,
    )


def _named(services: Sequence[str]) -> str:
    names = ", ".join(services)
    if len(names) <= _LONGEST_TITLE:
        return names
    return f"{services[0]} and {len(services) - 1} more"


def _about(release: Release, services: Sequence[Service]) -> str:
    of = [
        (s.name, s.tier.value, s.owner, link("runbook", s.runbook) if s.runbook else None) for s in services
    ]
    listed = table(["service", "tier", "owner", "runbook"], of)
    return (
        f"{_HOW_TO_READ}\n\n"
        f"**Environment** {escape(release.environment)} · **release** {escape(release.release_id)} · "
        f"**version** {escape(release.version)} · **deployed** {rfc3339(release.deployed_at)}\n\n{listed}\n"
    )
