"""Phase 2: the dashboards of the release, every panel asked, live and read back where there is a Grafana."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import (
    DASHBOARDS,
    RULES_RECORD,
    active_rules,
    runbook_of,
)
from release_watch.verdict import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from release_watch.artifacts.models import BaselineMetrics
    from release_watch.dashboards.models import Dashboard, DashboardActivation, PanelResult
    from release_watch.telemetry.metrics import Metrics

DASHBOARD_RECORD = "records/dashboards.json"
DASHBOARD_PICTURE = "dashboards.png"
PICTURED_BEFORE = timedelta(hours=1)
"""How much of the time before the deployment the picture shows."""
EVALUATIONS = 3
"""Within so many evaluations every recording rule has a sample: some build on others."""


def built_dashboards(run: ProtocolRun, baseline: BaselineMetrics | None = None) -> list[Dashboard]:
    """Return the dashboards of this release, for the metrics its services expose now."""
    from release_watch.dashboards.build import dashboards
    from release_watch.slo.red import find_metric_names

    names = find_metric_names(run.services, run.backends)
    return dashboards(
        run.release,
        run.services,
        run.config.slos,
        baseline=baseline,
        metric_names=names,
        runbook_url=runbook_of(run).uri,
        alerts_url=f"{run.backends.prometheus().base_url}/alerts",
    )


def activate_dashboards(run: ProtocolRun) -> str:
    """Build the dashboards, run every panel's query against live telemetry, and activate them."""
    from release_watch.dashboards.activation import activate_dashboards as activate
    from release_watch.dashboards.connections import servers
    from release_watch.dashboards.document import dashboard_config_markdown
    from release_watch.dashboards.validation import check_panels
    from release_watch.slo.activation import Activation

    boards = built_dashboards(run)
    patience = EVALUATIONS * run.config.policies.rules.ticket_interval
    asked = servers(run.services, run.backends)
    panels = check_panels(boards, run.backends.metrics(), patience=patience, servers=asked)
    activations = activate(
        boards, run.backends, run.config.policies, release=run.release, keep=partial(_keep_board, run)
    )
    for activation in activations:
        log.info("Dashboard %s: %s", activation.title, activation.reason)
    _keep_activated(run, boards, activations)
    run.store.write_json(
        DASHBOARD_RECORD,
        {
            "panels": [panel.model_dump(mode="json") for panel in panels],
            "dashboards": [activation.model_dump(mode="json") for activation in activations],
        },
    )
    document = dashboard_config_markdown(
        run.release,
        run.services,
        activations,
        panels,
        active_rules(run),
        rules=run.store.read_model(RULES_RECORD, Activation) if run.store.exists(RULES_RECORD) else None,
        metrics_url=run.backends.metrics().base_url,
        generated_at=now(),
        slos=run.config.slos,
        boards=boards,
    )
    written = run.store.write_text(DASHBOARDS, document)
    _draw(run, boards, asked)
    run.record("dashboards activated", uri=written.uri, sha256=written.sha256)
    return written.uri


def _keep_board(run: ProtocolRun, name: str, data: bytes) -> str:
    return run.store.write_bytes(f"dashboards/{name}", data).uri


def _keep_activated(
    run: ProtocolRun, boards: Sequence[Dashboard], activations: Sequence[DashboardActivation]
) -> None:
    """Keep the JSON of what is in place or lies ready: what Grafana shows later is held against it."""
    from release_watch.assurance.drift.kept_boards import keep_board
    from release_watch.dashboards.provisioning import dashboard_file

    in_place = {one.uid for one in activations if one.activated or one.file}
    for board in boards:
        if board.uid in in_place:
            keep_board(run.store, board.uid, dashboard_file(board)[1])


def _draw(run: ProtocolRun, boards: list[Dashboard], asked: dict[str, Metrics]) -> None:
    """Keep a picture of what the dashboards show; one that cannot be drawn stops nothing."""
    from release_watch.artifacts.models import Window
    from release_watch.dashboards.picture import dashboard_png

    end = now()
    window = Window(start=min(run.release.deployed_at, end) - PICTURED_BEFORE, end=end)
    try:
        picture = dashboard_png(boards, run.backends.metrics(), window, servers=asked)
    except ReleaseWatchError as error:
        log.warning("No picture of the dashboards: %s", error)
        return
    log.info("What the dashboards show: %s", run.store.write_bytes(DASHBOARD_PICTURE, picture).uri)


def compare_in_dashboards(run: ProtocolRun, baseline: BaselineMetrics) -> None:
    """Put the release's dashboards in place again, with the bands of its baseline."""
    from release_watch.dashboards.activation import activate_dashboards as activate

    boards = built_dashboards(run, baseline)
    keep = partial(_keep_board, run)
    activations = activate(boards, run.backends, run.config.policies, release=run.release, keep=keep)
    for activation in activations:
        log.info("Dashboard %s, with baseline: %s", activation.title, activation.reason)
    _keep_activated(run, boards, activations)


class DashboardRecord(NamedTuple):
    """What became of the dashboards and their panels, one objective each."""

    panels: tuple[Objective, ...]
    activations: tuple[DashboardActivation, ...]

    @property
    def dashboards(self) -> tuple[Objective, ...]:
        """One objective per dashboard."""
        return tuple(Objective(name=a.title, verdict=a.verdict, reason=a.reason) for a in self.activations)


def dashboard_record(run: ProtocolRun) -> DashboardRecord:
    """Return what the activation of the dashboards found; nothing if they were not activated."""
    if not run.store.exists(DASHBOARD_RECORD):
        return DashboardRecord((), ())
    from release_watch.dashboards.models import DashboardActivation, PanelResult

    stored = json.loads(run.store.read_bytes(DASHBOARD_RECORD))
    return DashboardRecord(
        tuple(_panel_objective(PanelResult.model_validate(panel)) for panel in stored["panels"]),
        tuple(DashboardActivation.model_validate(board) for board in stored["dashboards"]),
    )


def _panel_objective(panel: PanelResult) -> Objective:
    return Objective(
        name=f"{panel.dashboard}: {panel.panel}",
        verdict=panel.verdict,
        reason=panel.problem or f"answered with {panel.samples} samples",
        query=panel.query,
        samples=panel.samples,
    )
