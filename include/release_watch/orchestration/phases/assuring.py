"""Phase 3: recurring checks, alerts held against incidents, backlog and scorecard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TaskGroup, chain

from release_watch import texts
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.phases.gate import gate
from release_watch.orchestration.steps.assuring import (
    correlate_incidents,
    publish_scorecard,
    queue_improvements,
    schedule_checks,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def phase_3(after: BaseOperator) -> BaseOperator:
    """Add the phase after a task and return the join of Gate 3."""
    with TaskGroup("phase_3_assurance", tooltip=texts.PHASE_NAMES[3]):
        schedule = Step(action=schedule_checks)
        correlate = Step(action=correlate_incidents)
        improvements = Step(action=queue_improvements)
        scorecard = Step(action=publish_scorecard)
        chain(after, [schedule, correlate])
        chain(correlate, improvements, scorecard)
        chain(schedule, scorecard)  # what is registered is what drift is counted against
        return gate(3, after=[schedule, scorecard])
