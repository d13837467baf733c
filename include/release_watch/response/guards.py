"""What keeps a rollback from being asked for, although a finding or a person wants it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from release_watch.clock import Timestamp, format_duration, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.release import Release
from release_watch.response.deployments import deployments_in_progress
from release_watch.response.ledger import RollbackLedger
from release_watch.transport import Transport


class Guard(BaseModel):
    """One guard and what it said; one that does not hold back ``for_good`` may let the rollback by later."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    reason: str
    for_good: bool = False
    at: Timestamp


def cooling_until(
    ledger: RollbackLedger, release: Release, cool_down: timedelta, at: datetime
) -> datetime | None:
    """Return until when no rollback of these services is automatic, or None if one may be.

    Raises:
        InvalidInputError: if the ledger was damaged.
    """
    latest = ledger.latest(release)
    until = latest.requested_at + cool_down if latest else at
    return until if until > at else None


def rollback_guards(
    release: Release,
    run_id: str,
    orchestrator: Transport,
    ledger: RollbackLedger,
    *,
    cool_down: timedelta,
    at: datetime,
    approved_by: str | None = None,
) -> tuple[Guard, ...]:
    """Return what every guard says at ``at``, in the order of their names here; all must pass.

    Shadow mode, one rollback per release, the cool-down (which a person's approval overrules), and no other
    deployment of the services. The orchestrator is asked only if the others pass.

    A damaged ledger lets none by.

    Raises:
        BackendError: if the orchestrator does not tell which deployments run.
    """
    try:
        known = (
            _shadow(release, at),
            _once(release, run_id, ledger, at),
            _cooled_down(release, ledger, cool_down, at, approved_by),
        )
    except InvalidInputError as error:  # it may hold a rollback that nobody can read any more
        return (Guard(name="the ledger of rollbacks can be read", passed=False, reason=str(error), at=at),)
    if not all(guard.passed for guard in known):
        return known
    return (*known, _alone(release, orchestrator, at))


def _shadow(release: Release, at: datetime) -> Guard:
    reason = "shadow mode never rolls back" if release.shadow else "the run may act"
    return Guard(name="not in shadow mode", passed=not release.shadow, reason=reason, for_good=True, at=at)


def _once(release: Release, run_id: str, ledger: RollbackLedger, at: datetime) -> Guard:
    asked = ledger.of(release) if ledger.asked_for(release, run_id) else None
    reason = "no other run asked for a rollback of this release"
    if asked:
        reason = f"run {asked.run_id} asked for it at {rfc3339(asked.requested_at)} ({asked.state})"
    return Guard(name="one rollback per release", passed=asked is None, reason=reason, for_good=True, at=at)


def _cooled_down(
    release: Release, ledger: RollbackLedger, cool_down: timedelta, at: datetime, approved_by: str | None
) -> Guard:
    name = f"cool-down of {format_duration(cool_down)}"
    until = cooling_until(ledger, release, cool_down, at)
    if until is None:
        return Guard(name=name, passed=True, reason="no rollback of these services in that time", at=at)
    reason = f"a service of this release was rolled back; nothing is automatic until {rfc3339(until)}"
    if approved_by:
        reason += f", but {approved_by} said yes"
    return Guard(name=name, passed=approved_by is not None, reason=reason, at=at)


def _alone(release: Release, orchestrator: Transport, at: datetime) -> Guard:
    running = deployments_in_progress(orchestrator, release)
    reason = f"still running: {', '.join(running)}" if running else "none is running"
    return Guard(name="no other deployment of the services", passed=not running, reason=reason, at=at)
