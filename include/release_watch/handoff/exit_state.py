"""How a run ended, and why, in words that a person understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from release_watch.artifacts.models import ExitRecord, GateRecord
from release_watch.release import Release
from release_watch.verdict import ExitState

LAST_GATE = 4
ALL_GATES = (1, 2, 3, LAST_GATE)


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
    let it pass and no task failed; anything else is ABORTED, and names the task to look at.

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
    failed = sorted(task for task, state in task_states.items() if state == "failed")
    if failed:
        return (
            ExitState.ABORTED,
            f"task {failed[0]} failed",
            (f"Read the log of {failed[0]}, mend the cause, then clear the task to go on from there.",),
        )
    passed = {gate.gate for gate in gates if gate.verdict.proceeds}
    missing = [number for number in ALL_GATES if number not in passed]
    if missing and not release.shadow:
        return (
            ExitState.ABORTED,
            f"the run ended before Gate {missing[0]} was passed",
            ("Look for the first task that was skipped or failed in the grid view.",),
        )
    if release.shadow and missing:
        blocked = ", ".join(f"Gate {number}" for number in missing)
        return ExitState.COMPLETED, f"shadow mode: would have been stopped at {blocked}", ()
    return ExitState.COMPLETED, "all four gates passed and the package was handed over", ()
