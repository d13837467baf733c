"""The baseline window: reviews, the response to findings, and the release baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule, chain

from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.outlets import BASELINE_ESTABLISHED
from release_watch.orchestration.sensors.rollback import RollbackSensor
from release_watch.orchestration.sensors.window import BaselineWindowSensor
from release_watch.orchestration.steps.rolling_back import roll_back
from release_watch.orchestration.steps.watching import (
    RESULTS,
    choose_after_question,
    choose_response,
    establish_baseline,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def window_group(after: BaseOperator) -> BaseOperator:
    """Add the window after a task and return the task that establishes the baseline."""
    one_way = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    with TaskGroup(
        "baseline_window", tooltip="Watch the release, respond to findings, establish its baseline"
    ):
        watch = BaselineWindowSensor(task_id="watch")
        choose = Choice(
            task_id="choose_response",
            choose=choose_response,
            targets=("steady", "ask_rollback", "roll_back"),
        )
        steady = EmptyOperator(task_id="steady")
        ask = ApprovalRequest(
            task_id="ask_rollback",
            role="oncall",
            evidence=RESULTS,
            question="Critical finding since this release. Roll it back? (yes/no)",
        )
        answer = Choice(
            task_id="answer", choose=choose_after_question, targets=("roll_back", "keep_watching")
        )
        rollback = Step(action=roll_back, trigger_rule=one_way)
        rolled_back = RollbackSensor(task_id="await_rollback")
        keep = BaselineWindowSensor(task_id="keep_watching", respond=False)
        establish = Step(action=establish_baseline, emits=BASELINE_ESTABLISHED, trigger_rule=one_way)
        chain(after, watch, choose, [steady, ask, rollback])
        chain(ask, answer, [rollback, keep])
        chain(rollback, rolled_back)
        chain([steady, keep], establish)
    return establish
