"""``dashboard-config.md``: where the dashboards are, what their panels gave, and at what each alert fires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.dashboards.models import Dashboard, DashboardActivation, PanelResult
from release_watch.dashboards.wording import worded
from release_watch.markdown import Written, code, escape, link, render
from release_watch.release import Release
from release_watch.slo.activation import Activation
from release_watch.slo.inhibition import group_labels_of, inhibition_yaml
from release_watch.slo.rulefile import RuleGroup

_STATES = {
    "answered": "answered",
    "quiet": "nothing to show yet",
    "missing": "NO SERIES",
    "refused": "REFUSED",
}


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
    slos: Sequence[Slo],
    boards: Sequence[Dashboard] = (),
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
        slos: all SLOs that one Alertmanager sees alerts of: the labels by which they are grouped keep the
            page of one group from silencing the ticket of another.
        boards: the dashboards, with the limits that their panels draw.
    """
    titles = {one.uid: one.title for one in activations} | {one.uid: one.kind for one in boards}
    return render(
        __package__ or "",
        "dashboard-config.md.j2",
        release=release,
        generated_at=generated_at,
        metrics_url=metrics_url,
        rules=rules,
        inhibition=inhibition_yaml(group_labels_of(slos)),
        dashboards=[_dashboard_row(one) for one in activations],
        summary=_summary(panels),
        panels=[_panel_row(one, titles) for one in panels],
        silent=[_silent_row(one, titles) for one in panels if not one.answered],
        limits=list(_limit_rows(boards)),
        alerts=[
            (
                rule.name,
                rule.labels.get("slo") or rule.labels.get("metric") or rule.service,
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
    state = "active" if one.activated else "not activated"
    return one.title, code(one.uid), where, state, one.verdict.value, one.reason


def _summary(panels: Sequence[PanelResult]) -> str:
    states = Counter(_state(one) for one in panels)
    parts = [f"{states[state]} {words}" for state, words in _STATES.items() if states[state]]
    return f"{len(panels)} queries: {', '.join(parts)}" if panels else "No query was run."


def _panel_row(one: PanelResult, titles: Mapping[str, str]) -> tuple[object, ...]:
    title = titles.get(one.dashboard, one.dashboard)
    result = "answered" if one.answered else escape(one.problem or _STATES[_state(one)])
    return title, one.panel, one.legend, code(one.query), one.samples, result


def _silent_row(one: PanelResult, titles: Mapping[str, str]) -> tuple[object, ...]:
    title = titles.get(one.dashboard, one.dashboard)
    return title, one.panel, _STATES[_state(one)], one.problem, one.remedy


def _state(one: PanelResult) -> str:
    return one.state or ("answered" if one.answered else "missing")


def _limit_rows(boards: Sequence[Dashboard]) -> Iterator[tuple[object, ...]]:
    for board in boards:
        for panel, limit in board.limits:
            value = worded(limit.value, panel.unit)
            side = "above" if panel.worse == "up" else "below"
            yield panel.title, f"{side} {value}", limit.level, limit.origin
