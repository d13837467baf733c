"""Phase 1: upstream signals, evidence, coverage and the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TaskGroup, chain

from release_watch import texts
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.phases.gate import gate
from release_watch.orchestration.sensors.signals import DocumentsSensor, HttpSignalSensor, ObservabilitySensor
from release_watch.orchestration.steps.instrumentation import (
    audit_coverage,
    capture_snapshot,
    check_prerequisites,
    review_evidence,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def phase_1(after: BaseOperator) -> BaseOperator:
    """Add the phase after a task and return the join of Gate 1."""
    with TaskGroup("phase_1_instrumentation", tooltip=texts.PHASE_NAMES[1]):
        with TaskGroup("upstream_signals", tooltip="What the release orchestrator says of the deployment"):
            signals = [
                HttpSignalSensor(task_id="validation_passed", signal="validation"),
                HttpSignalSensor(task_id="feature_flags_active", signal="feature-flags"),
                DocumentsSensor(task_id="documents_present"),
                ObservabilitySensor(task_id="observability_configured"),
            ]
        prerequisites = Step(action=check_prerequisites)
        review = Step(action=review_evidence)
        coverage = Step(action=audit_coverage)
        snapshot = Step(action=capture_snapshot)
        chain(after, signals, prerequisites, review, [coverage, snapshot])
        return gate(1, after=[coverage, snapshot])
