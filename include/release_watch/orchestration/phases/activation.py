"""Phase 2: dashboards and alert rules live, and a drill through the real alert path."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk import TaskGroup, TriggerRule, chain

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.orchestration.operators.approval import Acknowledgement as AcknowledgeDrill
from release_watch.orchestration.operators.approval import ApprovalRequest, answer_on_record, granted
from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.phases.gate import gate
from release_watch.orchestration.phases.instrumentation import AUDIT
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import artifact_root
from release_watch.verdict import ExitState, Objective, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator

    from release_watch.artifacts.models import AlertTestResults, BaselineMetrics, DrillResult
    from release_watch.dashboards.models import Dashboard, DashboardActivation, PanelResult
    from release_watch.drills.receipts import Acknowledgement, Receipts
    from release_watch.slo.rulefile import RuleGroup

RULES = "alert-rules.yaml"
DASHBOARDS = "dashboard-config.md"
DASHBOARD_RECORD = "records/dashboards.json"
RULES_RECORD = "records/rules.json"
FIRED_DRILLS = "records/drills.json"
REPEATED = "records/drill-repeated.json"
ALERT_TEST = "alert-test-results.json"
RUNBOOK = "RUNBOOKS/monitoring-runbook.md"
READ_BACK_WITHIN = timedelta(seconds=60)
EVALUATIONS = 3
"""Within so many evaluations every recording rule has a sample: some build on others."""
PHASE = "phase_2_activation"


def generate_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the alert and recording rules of this release, for the metrics its services expose now."""
    from release_watch.slo.red import find_metric_names
    from release_watch.slo.rules import rule_groups

    return rule_groups(
        run.config.slos,
        run.services,
        run.release,
        runbook_url=run.store.uri_of(RUNBOOK),
        dashboard_url=run.store.uri_of(DASHBOARDS),
        metric_names=find_metric_names(run.services, run.backends),
        interval=run.config.policies.rules.interval,
        ticket_interval=run.config.policies.rules.ticket_interval,
    )


def active_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the rules that were activated."""
    from release_watch.slo.rulefile import from_yaml

    return from_yaml(run.store.read_text(RULES))


def built_dashboards(run: ProtocolRun, baseline: BaselineMetrics | None = None) -> list[Dashboard]:
    """Return the dashboards of this release, for the metrics its services expose now."""
    from release_watch.dashboards.build import dashboards
    from release_watch.slo.red import find_metric_names

    names = find_metric_names(run.services, run.backends)
    return dashboards(run.release, run.services, run.config.slos, baseline=baseline, metric_names=names)


def activate_rules(run: ProtocolRun) -> str:
    """Generate the alert rules, check them with promtool, load them into Prometheus and read them back."""
    from release_watch.slo.activation import activate
    from release_watch.slo.promtool import check_rules
    from release_watch.slo.rulefile import to_yaml
    from release_watch.slo.rules import rule_set_name

    log.info(texts.PHASE_START[2])
    text = to_yaml(generate_rules(run))
    written = run.store.write_text(RULES, text)
    check_rules(text, run.backends.promtool())
    if run.release.shadow:
        log.info("Shadow mode: would have activated %d bytes of rules; they would page", written.size_bytes)
        return written.uri
    activation = activate(
        text, rule_set_name(run.release), run.backends, timeout=READ_BACK_WITHIN, supersedes=superseded(run)
    )
    run.store.write_json(RULES_RECORD, activation.model_dump(mode="json"))
    run.record("alert rules activated", uri=written.uri, sha256=written.sha256, rules=activation.rules)
    log.info("%d rules in %d groups are loaded and healthy", activation.rules, activation.groups)
    return written.uri


def superseded(run: ProtocolRun) -> list[str]:
    """Return the rule-set names of earlier releases of these services, which this release replaces."""
    from release_watch.assurance.registry import ActiveReleases

    earlier = ActiveReleases(artifact_root()).superseded_by(run.release)
    return [name for active in earlier for name in active.rules]


def activate_dashboards(run: ProtocolRun) -> str:
    """Build the dashboards, run every panel's query against live telemetry, and activate them."""
    from release_watch.dashboards.activation import activate_dashboards as activate
    from release_watch.dashboards.document import dashboard_config_markdown
    from release_watch.dashboards.validation import check_panels
    from release_watch.slo.activation import Activation

    boards = built_dashboards(run)
    patience = EVALUATIONS * run.config.policies.rules.ticket_interval
    panels = check_panels(boards, run.backends.metrics(), patience=patience)
    activations = activate(boards, run.backends, run.config.policies)
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
    )
    written = run.store.write_text(DASHBOARDS, document)
    run.record("dashboards activated", uri=written.uri, sha256=written.sha256)
    return written.uri


def compare_in_dashboards(run: ProtocolRun, baseline: BaselineMetrics) -> None:
    """Put the release's dashboards in place again, with the bands of its baseline."""
    from release_watch.dashboards.activation import activate_dashboards as activate

    for activation in activate(built_dashboards(run, baseline), run.backends, run.config.policies):
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
        verdict=Verdict.GO if panel.answered else Verdict.NO_GO,
        reason=panel.problem or f"answered with {panel.samples} samples",
        query=panel.query,
        samples=panel.samples,
    )


def rule_problems(run: ProtocolRun) -> list[str] | None:
    """Return what reading the rules back from Prometheus finds now; None if none were activated."""
    from release_watch.slo.readback import read_back

    if not run.store.exists(RULES_RECORD):
        return None
    return read_back(run.store.read_text(RULES), run.backends)


def update_runbook(run: ProtocolRun) -> str:
    """Amend the monitoring runbook: what each alert means, first checks, mitigation, contacts."""
    from release_watch.handoff.runbook import amend_runbook

    existing = run.store.read_text(RUNBOOK) if run.store.exists(RUNBOOK) else None
    text = amend_runbook(
        existing,
        run.release,
        run.services,
        run.config.slos,
        active_rules(run),
        dashboard_record(run).activations,
        run.config.oncall,
        now(),
    )
    written = run.store.write_text(RUNBOOK, text)
    run.record("runbook updated", f"{run.task_id}-{written.sha256[:12]}", uri=written.uri)
    return written.uri


def _choose_alert_test(run: ProtocolRun) -> str:
    return "fire_drill" if granted(run, "approve_alert_test")[0] else "alert_test_declined"


def alert_test_declined(run: ProtocolRun) -> str:
    """End the run: without an alert test monitoring cannot be declared complete."""
    reason = granted(run, "approve_alert_test")[1]
    raise run.halt(
        ExitState.ABORTED,
        f"the alert test was not approved: {reason}",
        next_steps=("Agree on a time for the drill with the SRE, then trigger the run again.",),
    )


def receipts() -> Receipts:
    """Return the receipts that the receiver endpoint records."""
    from release_watch.drills.receipts import Receipts

    return Receipts.under(artifact_root())


def fire_drill(run: ProtocolRun) -> str:
    """Fire a synthetic incident through Prometheus and Alertmanager and follow it to the receiver."""
    from release_watch.drills.drill import fire
    from release_watch.drills.plan import drill_routes

    log.info(texts.TRIGGERING_ALERTS)
    if run.release.shadow:
        log.info("Shadow mode: would have fired a drill; nobody is paged")
        run.store.write_json(FIRED_DRILLS, {"drills": []})
        return Verdict.INCONCLUSIVE.value
    routes = drill_routes(run.release, run.services, active_rules(run), run.backends)
    results = fire(
        routes,
        run.release,
        run.backends,
        receipts(),
        deliver_within=run.config.policies.drill.deliver_within,
    )
    run.store.write_json(FIRED_DRILLS, {"drills": [result.model_dump(mode="json") for result in results]})
    for result in results:
        delivered = result.hops.delivered.latency
        seen = f"delivered after {delivered:.1f} s" if delivered is not None else result.diagnosis
        log.info("DRILL %s (%s, %s): %s", result.drill_id, result.service, result.receiver, seen)
    run.record("drill fired", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", drills=[r.drill_id for r in results])
    return Verdict.GO.value if results and all(r.hops.delivered.at for r in results) else Verdict.NO_GO.value


def fired_drills(run: ProtocolRun) -> list[DrillResult]:
    """Return the drills as they stood after firing."""
    from release_watch.artifacts.models import DrillResult

    stored = json.loads(run.store.read_bytes(FIRED_DRILLS))
    return [DrillResult.model_validate(drill) for drill in stored["drills"]]


def _choose_acknowledgement(run: ProtocolRun) -> str:
    drills = fired_drills(run)
    delivered = bool(drills) and all(drill.hops.delivered.at for drill in drills)
    return "acknowledge_drill" if delivered else "drill_undelivered"


def drill_undelivered(run: ProtocolRun) -> str:
    """Nobody is asked to acknowledge what did not arrive."""
    for drill in fired_drills(run):
        log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    return Verdict.NO_GO.value


def conclude_drill(run: ProtocolRun) -> str:
    """Resolve the drill, clean it up, and write what each hop took and who acknowledged it."""
    from release_watch.drills.receipts import Acknowledgement

    answers = {}
    if run.store.exists("records/approval-acknowledge_drill.json"):
        answer = answer_on_record(run, "acknowledge_drill")
        if answer.answer == "yes" and answer.responded_by and answer.responded_at:
            for drill in fired_drills(run):
                answers[drill.drill_id] = Acknowledgement(answer.responded_by, answer.responded_at)
    return write_results(run, fired_drills(run), answers)


def write_results(run: ProtocolRun, fired: list[DrillResult], answers: Mapping[str, Acknowledgement]) -> str:
    """Conclude the drills and write ``alert-test-results.json``."""
    from release_watch.drills.drill import conclude

    results = conclude(
        fired,
        answers,
        run.release,
        run.backends,
        receipts(),
        acknowledge_within=run.config.policies.drill.acknowledge_within,
    )
    written = run.store.write_json(ALERT_TEST, results)
    log.info(texts.automation("workflow_automation.py (alert-test)", results.verdict))
    if not results.verdict.proceeds and not run.release.shadow:
        log.error(texts.ALERT_NOT_DELIVERED)
        for drill in results.drills:
            log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    run.record(
        "drill concluded", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", verdict=results.verdict, uri=written.uri
    )
    return written.uri


def drill_again(run: ProtocolRun) -> None:
    """Repeat a failed drill while Gate 2 waits for remediation.

    No task can ask for the acknowledgement then: the person on call gives it at the receiver
    (``POST /release-watch/drills/<drill id>/acknowledge``). Until it is given or its time is over, the
    drill that was fired is waited for, and on-call is not paged again.
    """
    if run.store.exists(ALERT_TEST) and alert_test_results(run).verdict.proceeds:
        return
    if not run.store.exists(REPEATED):
        fire_drill(run)
        run.store.write_json(REPEATED, {"fired_at": rfc3339(now())})
    drills = fired_drills(run)
    fired_at = datetime.fromisoformat(json.loads(run.store.read_bytes(REPEATED))["fired_at"])
    waiting = [
        d.drill_id for d in drills if d.hops.delivered.at and not receipts().acknowledgement(d.drill_id)
    ]
    if waiting and now() < fired_at + run.config.policies.drill.acknowledge_within:
        log.info("Waiting for the acknowledgement of %s", ", ".join(waiting))
        return
    write_results(run, drills, {})
    run.store.remove(REPEATED)


def alert_test_results(run: ProtocolRun) -> AlertTestResults:
    """Return the alert test as it was written last."""
    from release_watch.artifacts.models import AlertTestResults

    return run.store.read_model(ALERT_TEST, AlertTestResults)


def phase_2(after: BaseOperator) -> BaseOperator:
    """Add the phase after a task and return the join of Gate 2."""
    with TaskGroup(PHASE, tooltip=texts.PHASE_NAMES[2]):
        rules = Step(action=activate_rules)
        boards = Step(action=activate_dashboards)
        runbook = Step(action=update_runbook)
        with TaskGroup("alert_test", tooltip="A drill through the real alert path"):
            approve = ApprovalRequest(
                task_id="approve_alert_test",
                role="sre",
                evidence=AUDIT,
                question=texts.VALIDATION_REQUEST,
            )
            decide = Choice(
                task_id="decide", choose=_choose_alert_test, targets=("fire_drill", "alert_test_declined")
            )
            declined = Step(action=alert_test_declined)
            drill = Step(action=fire_drill)
            delivered = Choice(
                task_id="delivered",
                choose=_choose_acknowledgement,
                targets=("acknowledge_drill", "drill_undelivered"),
            )
            acknowledge = AcknowledgeDrill(
                task_id="acknowledge_drill",
                role="oncall",
                evidence=FIRED_DRILLS,
                question="DRILL, no real incident: acknowledge that this page reached you. (yes/no)",
            )
            undelivered = Step(action=drill_undelivered)
            conclude = Step(action=conclude_drill, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
            chain(approve, decide, [drill, declined])
            chain(drill, delivered, [acknowledge, undelivered], conclude)
        chain(after, rules, boards, runbook, approve)
        return gate(2, after=[conclude])
