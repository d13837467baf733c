"""``dashboard-config.md``: where the dashboards are, what their panels gave, and at what each alert fires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from release_watch.catalog.models import Service
from release_watch.dashboards.models import DashboardActivation, PanelResult
from release_watch.markdown import Written, code, escape, link, render
from release_watch.release import Release
from release_watch.slo.activation import Activation
from release_watch.slo.inhibition import inhibition_yaml
from release_watch.slo.rulefile import RuleGroup


def dashboard_config_markdown(
    release: Release,
    services: Sequence[Service],
    activations: Sequence[DashboardActivation],
    panels: Sequence[PanelResult],
    groups: Sequence[RuleGroup],
    *,
    rules: Activation | None,
    metrics_url: str,
    generated_at: datetime,
) -> str:
    """Return the document.

    Args:
        release: the release.
        services: its services, with their owners.
        activations: what became of the dashboards.
        panels: what their queries gave.
        groups: the alert rules.
        rules: how these were activated; None if they were not.
        metrics_url: where the queries were run.
        generated_at: time of writing.
    """
    titles = {one.uid: one.title for one in activations}
    return render(
        __package__ or "",
        "dashboard-config.md.j2",
        release=release,
        generated_at=generated_at,
        metrics_url=metrics_url,
        rules=rules,
        inhibition=inhibition_yaml(),
        dashboards=[_dashboard_row(one) for one in activations],
        panels=[_panel_row(one, titles) for one in panels],
        alerts=[
            (
                rule.name,
                rule.service,
                rule.labels.get("severity"),
                rule.annotations.get("threshold"),
                rule.hold,
            )
            for group in groups
            for rule in group.alerts
        ],
        owners=[
            (s.name, s.tier.value, s.owner, link("runbook", s.runbook) if s.runbook else None)
            for s in services
        ],
    )


def _dashboard_row(one: DashboardActivation) -> tuple[object, ...]:
    where: Written = link(one.title, one.url) if one.url else code(one.file or "")
    return one.title, where, "active" if one.activated else "not activated", one.verdict.value, one.reason


def _panel_row(one: PanelResult, titles: Mapping[str, str]) -> tuple[object, ...]:
    title = titles.get(one.dashboard, one.dashboard)
    return title, one.panel, code(one.query), one.samples, escape(one.problem or "answered")
