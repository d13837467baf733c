"""A quality gate, the same for all four phases.

``evaluate -> branch``; Go: ``go -> join``; otherwise ``escalate -> await_remediation -> join``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule, chain

from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.sensors.remediation import RemediationSensor
from release_watch.orchestration.steps.checks import decide
from release_watch.orchestration.steps.decisions import last_decision
from release_watch.orchestration.steps.escalation import escalate_gate
from release_watch.texts import phase_complete

if TYPE_CHECKING:
    from airflow.sdk import AssetAlias, BaseOperator


def gate(number: int, *, after: Sequence[BaseOperator], emits: AssetAlias | None = None) -> BaseOperator:
    """Add gate ``number`` after the last tasks of its phase and return its join, which ``emits`` a signal."""
    with TaskGroup(f"gate_{number}", tooltip=f"Quality Gate {number}"):
        evaluate = Step(
            task_id="evaluate",
            doc_md=f"Decides Gate {number} over the phase's artifacts, also when a step before it failed.",
            action=partial(_evaluate, number),
            trigger_rule=TriggerRule.NONE_SKIPPED,
        )
        branch = Choice(task_id="branch", choose=partial(_branch, number), targets=("go", "escalate"))
        go = EmptyOperator(task_id="go")
        escalate = Step(
            task_id="escalate",
            doc_md="Tells the people who can mend it, and files a ticket.",
            action=partial(escalate_gate, number),
        )
        await_remediation = RemediationSensor(task_id="await_remediation", gate=number)
        join = Step(
            task_id="join",
            doc_md=f"Phase {number} is complete.",
            action=partial(_join, number),
            emits=emits,
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        chain(list(after), evaluate, branch, go, join)
        chain(branch, escalate, await_remediation, join)
    return join


def _evaluate(number: int, run: ProtocolRun) -> str:
    return decide(number, run).verdict.value


def _branch(number: int, run: ProtocolRun) -> str:
    return "go" if last_decision(number, run).verdict.proceeds else "escalate"


def _join(number: int, run: ProtocolRun) -> str:
    log.info(phase_complete(number))
    run.record(f"phase {number} complete", f"phase-{number}-complete")
    return last_decision(number, run).verdict.value
