"""Phase 2: dashboards, alert rules and the runbook of the release, live and read back."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from release_watch import texts
from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.tuned_rules import carried_over, rules_in_force, tuned_file
from release_watch.orchestration.storage import artifact_root
from release_watch.verdict import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from release_watch.artifacts.models import BaselineMetrics
    from release_watch.dashboards.models import Dashboard, DashboardActivation, PanelResult
    from release_watch.handoff.living_runbook import LivingRunbook
    from release_watch.slo.activation import Activation
    from release_watch.slo.rulefile import RuleGroup
    from release_watch.telemetry.metrics import Metrics

RULES = "alert-rules.yaml"
DASHBOARDS = "dashboard-config.md"
DASHBOARD_RECORD = "records/dashboards.json"
RULES_RECORD = "records/rules.json"
RULE_TESTS = "alert-rules-tests.yaml"
RUNBOOK = "RUNBOOKS/monitoring-runbook.md"
READ_BACK_WITHIN = timedelta(seconds=60)
DASHBOARD_PICTURE = "dashboards.png"
PICTURED_BEFORE = timedelta(hours=1)
"""How much of the time before the deployment the picture shows."""
EVALUATIONS = 3
"""Within so many evaluations every recording rule has a sample: some build on others."""


def generate_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the alert and recording rules of this release, for the metrics its services expose now."""
    from release_watch.slo.red import find_metric_names
    from release_watch.slo.rules import rule_groups

    return rule_groups(
        run.config.slos,
        run.services,
        run.release,
        runbook_url=_runbook(run).uri,
        dashboard_url=run.store.uri_of(DASHBOARDS),
        metric_names=find_metric_names(run.services, run.backends),
        interval=run.config.policies.rules.interval,
        ticket_interval=run.config.policies.rules.ticket_interval,
    )


def active_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the rules that were activated, as tuned since."""
    from release_watch.slo.rulefile import from_yaml
    from release_watch.slo.rules import rule_set_name

    return from_yaml(rules_in_force(run.store, rule_set_name(run.release), RULES))


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
        runbook_url=_runbook(run).uri,
        alerts_url=f"{run.backends.prometheus().base_url}/alerts",
    )


def activate_rules(run: ProtocolRun) -> str:
    """Generate the alert rules, check them with promtool, load them into Prometheus and read them back."""
    from release_watch.slo.activation import activate
    from release_watch.slo.ownership import RuleOwner
    from release_watch.slo.promtool import check_rules
    from release_watch.slo.rulefile import to_yaml
    from release_watch.slo.rules import rule_set_name

    log.info(texts.PHASE_START[2])
    generated = generate_rules(run)
    groups = carried_over(run, generated)
    text = to_yaml(groups)
    written = run.store.write_text(RULES, text)
    check_rules(text, run.backends.promtool())
    write_rule_tests(run, generated, groups)
    if run.release.shadow:
        log.info("Shadow mode: would have activated %d bytes of rules; they would page", written.size_bytes)
        return written.uri
    activation = activate(
        text,
        rule_set_name(run.release),
        run.backends,
        timeout=READ_BACK_WITHIN,
        supersedes=superseded(run),
        owner=RuleOwner.of(run.release),
    )
    run.store.remove(tuned_file(rule_set_name(run.release)))
    run.store.write_json(RULES_RECORD, activation.model_dump(mode="json"))
    run.record("alert rules activated", uri=written.uri, sha256=written.sha256, rules=activation.rules)
    tell_activation(activation)
    return written.uri


def write_rule_tests(run: ProtocolRun, generated: Sequence[RuleGroup], groups: Sequence[RuleGroup]) -> None:
    """Write the promtool unit tests that travel with the rules; what no test can show is said.

    They prove what an SLO demands, so an SLO whose ``generated`` rules were tuned by approval has none.
    They are not run here: they take seconds each, and prove what any release with these objectives has.
    ``promtool test rules`` runs them, as ``python -m release_watch.slo check`` does before a deployment.
    """
    from release_watch.slo.unit_tests import unit_tests

    named = {group.name: group for group in groups}
    tuned = {one.name for one in generated if one.rules != named[one.name].rules}
    slos = [slo for slo in run.config.slos if f"slo-{slo.name}-page" in named]
    ours = [slo for slo in slos if tuned.isdisjoint((f"slo-{slo.name}-page", f"slo-{slo.name}-ticket"))]
    pairs = [(slo, (named[f"slo-{slo.name}-page"], named[f"slo-{slo.name}-ticket"])) for slo in ours]
    tests = unit_tests(pairs)
    left_out = tuple(f"{slo.name}: an alert of it was tuned by approval" for slo in slos if slo not in ours)
    tests = tests._replace(untested=(*tests.untested, *left_out))
    for name, content in tests.files(RULES, PurePath(RULE_TESTS)).items():
        run.store.write_text(name, content)
    for line in tests.untested:
        log.info("No unit test: %s", line)


def tell_activation(activation: Activation) -> None:
    """Say what is in force, and what is not."""
    for healed in activation.healed:
        log.warning("An activation of %s had been cut short; it was put right", healed)
    for yielded in activation.yielded:
        log.warning("A later release owns the rules of %s; they were left to it", yielded)
    for problem in activation.problems:
        log.log(logging.WARNING if activation.live else logging.ERROR, "%s", problem)
    if activation.live:
        log.info("%d rules in %d groups are loaded and healthy", activation.rules, activation.groups)
    else:
        log.error("The rules are not in force: %s; Gate 2 cannot pass", activation.state)


def superseded(run: ProtocolRun) -> list[str]:
    """Return the rule-set names of earlier releases of these services, which this release replaces."""
    from release_watch.assurance.registry import ActiveReleases

    earlier = ActiveReleases(artifact_root()).superseded_by(run.release)
    return [name for active in earlier for name in active.rules]


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
    for activation in activate(boards, run.backends, run.config.policies, release=run.release, keep=keep):
        log.info("Dashboard %s, with baseline: %s", activation.title, activation.reason)


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


def rule_problems(run: ProtocolRun) -> list[str] | None:
    """Return what reading the rules back from Prometheus finds now; None if none were activated."""
    from release_watch.slo.change import still_owned
    from release_watch.slo.readback import read_back
    from release_watch.slo.rules import rule_set_name

    if not run.store.exists(RULES_RECORD):
        return None
    name = rule_set_name(run.release)
    text = rules_in_force(run.store, name, RULES)
    return read_back(still_owned(text, name, run.backends), run.backends)


def update_runbook(run: ProtocolRun) -> str:
    """Amend the monitoring runbook: what each alert means, first checks, mitigation, contacts."""
    from release_watch.handoff.runbook import amend_runbook

    living = _runbook(run)
    copy = run.store.read_bytes(RUNBOOK) if run.store.exists(RUNBOOK) else None
    text = amend_runbook(
        living.existing(copy),
        run.release,
        run.services,
        run.config.slos,
        active_rules(run),
        dashboard_record(run).activations,
        run.config.oncall,
        now(),
    )
    if not run.release.shadow:
        living.write(text)
    written = run.store.write_text(RUNBOOK, text)
    run.record("runbook updated", f"{run.task_id}-{written.sha256[:12]}", uri=written.uri)
    return written.uri


def _runbook(run: ProtocolRun) -> LivingRunbook:
    """Return the runbook of the environment, which every release amends."""
    from release_watch.handoff.living_runbook import LivingRunbook

    return LivingRunbook(artifact_root(), run.release.environment)
