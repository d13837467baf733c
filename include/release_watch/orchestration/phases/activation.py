"""Phase 2: dashboards and alert rules live, and a drill through the real alert path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TaskGroup, TriggerRule, chain

from release_watch import texts
from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.drill import AcknowledgeDrill, DrillApproval
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.phases.gate import gate
from release_watch.orchestration.sensors.acknowledgement import AcknowledgementSensor
from release_watch.orchestration.steps.activation import activate_rules
from release_watch.orchestration.steps.alert_test import (
    alert_test_declined,
    choose_acknowledgement,
    choose_alert_test,
    conclude_drill,
    drill_undelivered,
    fire_drill,
)
from release_watch.orchestration.steps.dashboards import activate_dashboards
from release_watch.orchestration.steps.instrumentation import AUDIT
from release_watch.orchestration.steps.runbook import update_runbook

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def phase_2(after: BaseOperator) -> BaseOperator:
    """Add the phase after a task and return the join of Gate 2."""
    with TaskGroup("phase_2_activation", tooltip=texts.PHASE_NAMES[2]):
        rules = Step(action=activate_rules)
        boards = Step(action=activate_dashboards)
        runbook = Step(action=update_runbook)
        with TaskGroup("alert_test", tooltip="A drill through the real alert path"):
            approve = DrillApproval(
                task_id="approve_alert_test",
                role="sre",
                evidence=AUDIT,
                question=texts.VALIDATION_REQUEST,
            )
            decide = Choice(
                task_id="decide", choose=choose_alert_test, targets=("fire_drill", "alert_test_declined")
            )
            declined = Step(action=alert_test_declined)
            drill = Step(action=fire_drill)
            delivered = Choice(
                task_id="delivered",
                choose=choose_acknowledgement,
                targets=("acknowledge_drill", "await_acknowledgement", "drill_undelivered"),
            )
            asked = [AcknowledgeDrill(position=position) for position in (1, 2, 3)]
            await_elsewhere = AcknowledgementSensor(task_id="await_acknowledgement")
            undelivered = Step(action=drill_undelivered)
            conclude = Step(action=conclude_drill, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
            chain(approve, decide, [drill, declined])
            chain(drill, delivered, [asked[0], await_elsewhere, undelivered])
            chain(*asked)
            # After the drill itself too: where every question was skipped, something has to have succeeded.
            chain([drill, *asked, await_elsewhere, undelivered], conclude)
        chain(after, rules, boards, runbook, approve)
        return gate(2, after=[conclude])
