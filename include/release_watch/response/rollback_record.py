"""The evidence of a rollback: why, by whose word, past which guards, asked how, and how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from release_watch.artifacts.models import Approval, Artifact, Finding
from release_watch.clock import Timestamp
from release_watch.errors import BackendError
from release_watch.release import Release, RollbackPolicy
from release_watch.response.guards import Guard, rollback_guards
from release_watch.response.ledger import EntryState, RollbackLedger
from release_watch.response.rollback import (
    RollbackRefusedError,
    RollbackStatus,
    RollbackTicket,
    request_rollback,
    rollback_status,
)
from release_watch.transport import Transport


class Stage(StrEnum):
    """How far a rollback has come; ``held`` waits for a guard, ``unanswered`` for the orchestrator."""

    DECIDED = "decided"
    HELD = "held"
    UNANSWERED = "unanswered"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (Stage.SUCCEEDED, Stage.FAILED, Stage.REFUSED)


class Event(BaseModel):
    """Something that happened on the way."""

    model_config = ConfigDict(frozen=True)

    at: Timestamp
    what: str


class RollbackRecord(Artifact):
    """``rollback-record.json``. ``adopted`` is a rollback that somebody else had asked for before."""

    deployment_id: str
    version: str
    services: tuple[str, ...]
    idempotency_key: str
    stage: Stage = Stage.DECIDED
    decided_at: Timestamp
    decided_by: str
    approval: Approval | None = None
    policies: dict[str, RollbackPolicy] = Field(default_factory=dict)
    reason: str
    findings: tuple[Finding, ...] = ()
    guards: tuple[Guard, ...] = ()
    events: tuple[Event, ...] = ()
    adopted: bool = False
    rollback: RollbackTicket | None = None

    @property
    def approved_by(self) -> str | None:
        """Who said yes, where a person was asked."""
        return self.approval.responded_by if self.approval else None

    def then(self, at: datetime, what: str, **changes: object) -> RollbackRecord:
        """Return the record with what happened at ``at``; the same as last time is not told again."""
        told = self.events and self.events[-1].what == what
        events = self.events if told else (*self.events, Event(at=at, what=what))
        return self.model_copy(update={"generated_at": at, "events": events, **changes})


def proceed(
    record: RollbackRecord,
    release: Release,
    run_id: str,
    orchestrator: Transport,
    ledger: RollbackLedger,
    *,
    cool_down: timedelta,
    at: datetime,
) -> RollbackRecord:
    """Take a rollback one step on, and return its record: past the guards, asked for, or looked at.

    It may be called as often as one likes: the key makes it one rollback. What the orchestrator does not
    answer is asked again at the next call.
    """
    if record.stage.final:
        return record
    try:
        if record.rollback is not None:
            return _noted(_followed(record, release, orchestrator, at), release, run_id, ledger, at)
        guards = rollback_guards(
            release,
            run_id,
            orchestrator,
            ledger,
            cool_down=cool_down,
            at=at,
            approved_by=record.approved_by,
        )
        held = [guard for guard in guards if not guard.passed]
        record = record.model_copy(update={"guards": guards})
        if held:
            stage = Stage.REFUSED if any(guard.for_good for guard in held) else Stage.HELD
            reasons = "; ".join(f"{guard.name}: {guard.reason}" for guard in held)
            return record.then(at, f"held back by {reasons}", stage=stage)
        # Before it is asked for: a crash right after must not let another run ask, too.
        ledger.note(release, run_id, at, EntryState.REQUESTED)
        return _noted(_asked(record, release, orchestrator, at), release, run_id, ledger, at)
    except BackendError as error:
        stage = record.stage if record.rollback else Stage.UNANSWERED
        return record.then(at, f"no answer: {error}", stage=stage)


def _asked(record: RollbackRecord, release: Release, orchestrator: Transport, at: datetime) -> RollbackRecord:
    try:
        ticket = request_rollback(orchestrator, release, record.reason)
    except RollbackRefusedError as error:
        other = rollback_status(orchestrator, release)
        if other is None or other.status is RollbackStatus.FAILED:
            return record.then(at, str(error), stage=Stage.REFUSED)
        what = f"rollback {other.rollback_id} had been asked for by somebody else; it is followed"
        return record.then(at, what, stage=Stage(other.status), adopted=True, rollback=other)
    return record.then(
        at, f"asked for: rollback {ticket.rollback_id}", stage=Stage(ticket.status), rollback=ticket
    )


def _followed(
    record: RollbackRecord, release: Release, orchestrator: Transport, at: datetime
) -> RollbackRecord:
    ticket = rollback_status(orchestrator, release)
    if ticket is None:
        return record.then(at, "the orchestrator does not know of the rollback")
    if not ticket.finished:
        return record.model_copy(update={"generated_at": at, "stage": Stage.RUNNING, "rollback": ticket})
    detail = f": {ticket.detail}" if ticket.detail else ""
    what = f"rollback {ticket.rollback_id} {ticket.status}{detail}"
    return record.then(at, what, stage=Stage(ticket.status), rollback=ticket)


_ENTRIES = {
    Stage.SUCCEEDED: EntryState.SUCCEEDED,
    Stage.FAILED: EntryState.FAILED,
    Stage.REFUSED: EntryState.REFUSED,
}


def _noted(
    record: RollbackRecord, release: Release, run_id: str, ledger: RollbackLedger, at: datetime
) -> RollbackRecord:
    if record.stage in _ENTRIES:
        ledger.note(release, run_id, at, _ENTRIES[record.stage])
    return record
