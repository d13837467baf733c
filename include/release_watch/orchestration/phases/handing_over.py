"""Phase 4: the package, the signatures, delivery and downstream notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TaskGroup, chain

from release_watch import texts
from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.outlets import MONITORING_ACTIVE
from release_watch.orchestration.phases.gate import gate
from release_watch.orchestration.steps.handing_over import (
    APPROVALS,
    CHECKSUMS,
    SIGNERS,
    compile_package,
    file_backlog,
    notify_downstream,
    record_approvals,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def phase_4(after: BaseOperator) -> BaseOperator:
    """Add the phase after a task and return the join of Gate 4."""
    with TaskGroup("phase_4_handoff", tooltip=texts.PHASE_NAMES[4]):
        backlog = Step(action=file_backlog)
        package = Step(action=compile_package)
        signers = [
            ApprovalRequest(task_id=task, role=role, evidence=CHECKSUMS, question=question)
            for task, (role, question) in SIGNERS.items()
        ]
        record = Step(action=record_approvals)
        confirm = ApprovalRequest(
            task_id="confirm_delivery", role="sre", evidence=APPROVALS, question=texts.HANDOFF_CONFIRMATION
        )
        notify = Step(action=notify_downstream)
        chain(after, backlog, package, signers, record, confirm, notify)
        return gate(4, after=[notify], emits=MONITORING_ACTIVE)
