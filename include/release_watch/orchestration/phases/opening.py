"""The plan: written, and reviewed by a person before anything else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, chain

from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.steps.opening import (
    PLAN,
    accept_request,
    choose_after_review,
    plan_rejected,
    write_plan,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def plan_group() -> BaseOperator:
    """Add the group and return the task from which the protocol goes on."""
    with TaskGroup("plan", tooltip="Plan and its review"):
        accept = Step(action=accept_request)
        write = Step(action=write_plan)
        review = ApprovalRequest(
            task_id="review_plan",
            role="sre",
            evidence=PLAN,
            question="Review the monitoring plan. Approve its execution? (yes/no)",
        )
        decide = Choice(
            task_id="decide", choose=choose_after_review, targets=("plan_approved", "plan_rejected")
        )
        plan_approved = EmptyOperator(task_id="plan_approved")
        rejected = Step(action=plan_rejected)
        chain(accept, write, review, decide, [plan_approved, rejected])
    return plan_approved
