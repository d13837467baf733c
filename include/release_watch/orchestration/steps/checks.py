"""What each gate looks at, how it decides, and how it is refreshed while it waits for remediation."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.decisions import record_name
from release_watch.verdict import Decision, Objective, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from pydantic import BaseModel

    ModelT = TypeVar("ModelT", bound=BaseModel)


def decide(number: int, run: ProtocolRun) -> Decision:
    """Judge gate ``number`` over the artifacts as they are now, and keep the decision.

    What keeps the gate from being judged is an ERROR of its own; it never lets the run through.
    """
    from release_watch.artifacts.models import GateRecord
    from release_watch.gates.evaluate import evaluate_gate

    try:
        decision = evaluate_gate(number, TABLES[number](run))
    except ReleaseWatchError as error:
        objective = Objective(name=f"Gate {number}", verdict=Verdict.ERROR, reason=str(error))
        decision = Decision.over([objective])
    moment = now()
    record = GateRecord(
        gate=number, verdict=decision.verdict, decided_at=moment, objectives=decision.objectives
    )
    run.store.write_json(record_name(number), record)
    log.info("Gate %d: %s", number, decision.summary())
    run.record(
        f"gate {number} decided",
        f"gate-{number}-{moment:%Y%m%dT%H%M%S}",
        verdict=decision.verdict.value,
        summary=decision.summary(),
    )
    return decision


def refresh(number: int, run: ProtocolRun) -> None:
    """Do again what gate ``number`` looks at; a step that fails is told and leaves its artifact as it was."""
    for action in _refreshers(number):
        try:
            action(run)
        except ReleaseWatchError as error:
            log.warning("%s: %s", action.__name__, error)


def _refreshers(number: int) -> list[Callable[[ProtocolRun], object]]:
    from release_watch.orchestration.steps import (
        activation,
        alert_test,
        assuring,
        dashboards,
        handing_over,
        instrumentation,
        runbook,
        watching,
    )

    if number == 1:
        return [instrumentation.review_evidence, instrumentation.audit_coverage]
    if number == 2:
        return [
            activation.activate_rules,
            dashboards.activate_dashboards,
            runbook.update_runbook,
            alert_test.drill_again,
        ]
    if number == 3:
        return [
            watching.look_again,
            assuring.schedule_checks,
            assuring.correlate_incidents,
            assuring.queue_improvements,
            assuring.publish_scorecard,
        ]
    return [handing_over.sign_again]


def _there(run: ProtocolRun, name: str, model: type[ModelT]) -> ModelT | None:
    return run.store.read_model(name, model) if run.store.exists(name) else None


def _text(run: ProtocolRun, name: str) -> str | None:
    return run.store.read_text(name) if run.store.exists(name) else None


def _gate_1(run: ProtocolRun) -> pd.DataFrame:
    from release_watch.artifacts.models import InstrumentationAudit
    from release_watch.gates.tables import gate_1_table
    from release_watch.orchestration.steps.instrumentation import AUDIT, REQUIREMENTS

    digest = run.store.digest(REQUIREMENTS).sha256 if run.store.exists(REQUIREMENTS) else None
    return gate_1_table(_there(run, AUDIT, InstrumentationAudit), digest, services=run.release.services)


def _gate_2(run: ProtocolRun) -> pd.DataFrame:
    from release_watch.artifacts.models import AlertTestResults, Approval
    from release_watch.gates.tables import gate_2_table
    from release_watch.orchestration.steps import activation, dashboards, runbook
    from release_watch.orchestration.steps.alert_test import ALERT_TEST

    rules = activation.active_rules(run) if run.store.exists(activation.RULES) else []
    boards = dashboards.dashboard_record(run)
    return gate_2_table(
        _there(run, ALERT_TEST, AlertTestResults),
        critical=[service.name for service in run.services if service.tier == "critical"],
        rule_problems=activation.rule_problems(run),
        panels=boards.panels,
        dashboards=boards.dashboards,
        alerts=[rule.name for group in rules for rule in group.alerts],
        runbook=_text(run, runbook.RUNBOOK),
        approval=_there(run, "records/approval-approve_alert_test.json", Approval),
    )


def _gate_3(run: ProtocolRun) -> pd.DataFrame:
    from release_watch.artifacts.models import BaselineMetrics, MonitoringResults, ObservabilitySchedule
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.gates.tables import gate_3_table
    from release_watch.orchestration.steps.assuring import BACKLOG, SCHEDULE, TUNING
    from release_watch.orchestration.steps.instrumentation import BASELINE
    from release_watch.orchestration.steps.watching import RESULTS
    from release_watch.orchestration.storage import artifact_root

    active = ActiveReleases(artifact_root()).all(run.release.environment)
    return gate_3_table(
        _there(run, SCHEDULE, ObservabilitySchedule),
        registered=any(entry.release.release_id == run.release.release_id for entry in active),
        tuning=_text(run, TUNING),
        backlog=_text(run, BACKLOG),
        baseline=_there(run, BASELINE, BaselineMetrics),
        results=_there(run, RESULTS, MonitoringResults),
    )


def _gate_4(run: ProtocolRun) -> pd.DataFrame:
    from release_watch.artifacts.models import ApprovalRecord, Manifest
    from release_watch.gates.tables import gate_4_table
    from release_watch.handoff.package import changed_since_signed, digests
    from release_watch.orchestration.steps.handing_over import APPROVALS, CHECKSUMS, MANIFEST

    signed = run.store.exists(CHECKSUMS)
    return gate_4_table(
        _there(run, MANIFEST, Manifest),
        _there(run, APPROVALS, ApprovalRecord),
        digests(run.store),
        changed_since_signed(run.store) if signed else None,
    )


TABLES: dict[int, Callable[[ProtocolRun], pd.DataFrame]] = {1: _gate_1, 2: _gate_2, 3: _gate_3, 4: _gate_4}
"""How the table of each gate is built."""
