"""How a run ended, and why, in words that a person understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from release_watch.artifacts.models import ExitRecord, GateRecord
from release_watch.release import Release
from release_watch.verdict import ExitState

ALL_GATES = (1, 2, 3, 4)
GATE_OVER = {
    "phase_1_instrumentation": 1,
    "phase_2_activation": 2,
    "baseline_window": 3,
    "phase_3_assurance": 3,
    "phase_4_handoff": 4,
}
"""The gate that judges what the tasks of a group made."""


def exit_record(
    release: Release,
    *,
    stops: Sequence[Mapping[str, Any]],
    gates: Sequence[GateRecord],
    task_states: Mapping[str, str | None],
    notified: Sequence[str],
    at: datetime,
) -> ExitRecord:
    """Return the exit state of a run.

    The first stop that a step noted decides. Without one the run is COMPLETED only if all four gates
    let it pass; a task that failed counts unless the gate over its group passed on artifacts made afresh.
    Anything else is ABORTED, and names the task to look at.

    Args:
        release: the release.
        stops: notes with ``exit_state``, ``reason`` and ``next_steps``, oldest first.
        gates: the last decision of each gate that was reached.
        task_states: Airflow's state of each task.
        notified: who was told, one line each.
        at: the moment of closing.
    """
    state, reason, next_steps = _conclusion(release, stops, gates, task_states)
    return ExitRecord(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        exit_state=state,
        reason=reason,
        next_steps=next_steps,
        notified=tuple(notified) or ("nobody",),
        gates=tuple(sorted(gates, key=lambda gate: gate.gate)),
    )


def _conclusion(
    release: Release,
    stops: Sequence[Mapping[str, Any]],
    gates: Sequence[GateRecord],
    task_states: Mapping[str, str | None],
) -> tuple[ExitState, str, tuple[str, ...]]:
    if stops:
        first = stops[0]
        return ExitState(first["exit_state"]), str(first["reason"]), tuple(first.get("next_steps", ()))
    passed = {gate.gate for gate in gates if gate.verdict.proceeds}
    failed = [
        task for task, state in sorted(task_states.items()) if state == "failed" and not _healed(task, passed)
    ]
    if failed:
        return (
            ExitState.ABORTED,
            f"task {failed[0]} failed",
            (f"Read the log of {failed[0]}, mend the cause, then clear the task to go on from there.",),
        )
    undecided = [number for number in ALL_GATES if number not in {gate.gate for gate in gates}]
    refused = [number for number in ALL_GATES if number not in passed]
    if undecided or (refused and not release.shadow):
        return (
            ExitState.ABORTED,
            f"the run ended before Gate {(undecided or refused)[0]} was passed",
            ("Look for the first task that was skipped or failed in the grid view.",),
        )
    if refused:
        blocked = ", ".join(f"Gate {number}" for number in refused)
        return ExitState.COMPLETED, f"shadow mode: would have been stopped at {blocked}", ()
    return ExitState.COMPLETED, "all four gates passed and the package was handed over", ()


def _healed(task: str, passed: set[int]) -> bool:
    """Return whether the gate over the task's group passed after it failed, on artifacts made afresh."""
    group, _, name = task.partition(".")
    return GATE_OVER.get(group) in passed and not name.startswith("gate_")
