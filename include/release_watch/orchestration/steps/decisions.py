"""The decisions of the gates, as they were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch.verdict import Decision

if TYPE_CHECKING:
    from release_watch.artifacts.models import GateRecord
    from release_watch.orchestration.run import ProtocolRun


def record_name(number: int) -> str:
    """Return where the last decision of gate ``number`` is kept."""
    return f"records/gate-{number}.json"


def last_decision(number: int, run: ProtocolRun) -> Decision:
    """Return what gate ``number`` decided last."""
    from release_watch.artifacts.models import GateRecord

    record = run.store.read_model(record_name(number), GateRecord)
    return Decision(verdict=record.verdict, objectives=record.objectives)


def gate_records(run: ProtocolRun) -> list[GateRecord]:
    """Return the last decision of every gate that was reached."""
    from release_watch.artifacts.models import GateRecord

    return [run.store.read_model(name, GateRecord) for name in run.store.names("records/gate-")]
