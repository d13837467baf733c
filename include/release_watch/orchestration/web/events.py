"""What an event about a service leads to: a run started, or the run of a rolled-back release ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from release_watch.assurance.registry import ActiveReleases
from release_watch.cdevents.events import Kind, ServiceEvent
from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps.rolling_back import ROLLBACK, rollback_reason
from release_watch.orchestration.storage import artifact_root, store_for
from release_watch.orchestration.web.event_receipts import EventReceipt, EventReceipts, Outcome
from release_watch.orchestration.web.runs import (
    NotReadyError,
    WatchedRun,
    end_runs,
    open_run_of,
    run_by_id,
    start_run,
)
from release_watch.release import Release
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


class ConflictError(InvalidInputError):
    """The event contradicts what an earlier one has brought about."""


class Answer(NamedTuple):
    """What the sender is told."""

    outcome: Outcome
    duplicate: bool
    runs: tuple[str, ...]
    detail: str

    @property
    def new(self) -> bool:
        """Whether there is a run now that was not there before."""
        return self.outcome is Outcome.STARTED and not self.duplicate


def take(event: ServiceEvent, user: BaseUser) -> Answer:
    """Do what ``event`` calls for, once, and return what came of it.

    Raises:
        InvalidInputError: if the event describes no release.
        ConflictError: if it contradicts the run it belongs to, or its id was given to another event.
        NotReadyError: if Airflow cannot do it now.
    """
    receipts = EventReceipts(artifact_root())
    known = receipts.find(event.key)
    if known:
        return _repeated(event, known)
    answer = _end(event, user) if event.kind is Kind.ROLLED_BACK else _start(event, user)
    receipts.keep(
        event.key,
        EventReceipt(
            event=event.on_record(),
            at=now(),
            by=user.get_id(),
            outcome=answer.outcome,
            runs=answer.runs,
            detail=answer.detail,
        ),
    )
    return answer


def _repeated(event: ServiceEvent, known: EventReceipt) -> Answer:
    if known.event.get("type") != event.type:
        raise ConflictError(
            [
                f"id: {event.id!r} of {event.source!r} was taken at {rfc3339(known.at)} as "
                f"{known.event.get('type')}; give every event an id of its own"
            ]
        )
    detail = f"this event was taken at {rfc3339(known.at)}: {known.detail}"
    deleted = [run_id for run_id in known.runs if run_by_id(run_id) is None]
    if deleted:
        detail += f"; {', '.join(deleted)} was deleted since: to start a run anew, send a new event"
    return Answer(known.outcome, True, known.runs, detail)


def _start(event: ServiceEvent, user: BaseUser) -> Answer:
    release = event.release()
    run_id = f"deploy-{release.deployment_id}"
    watched = run_by_id(run_id) or open_run_of(release)
    if watched is None:
        if start_run(run_id, release, user, f"Started by {_named(event)}"):
            return Answer(Outcome.STARTED, False, (run_id,), f"started run {run_id}")
        watched = run_by_id(run_id)
    if watched is None:
        raise NotReadyError(f"run {run_id} was deleted at this moment")
    _demand_same(release, watched)
    detail = f"already watched by run {watched.run_id}, which is {watched.state}"
    return Answer(Outcome.ALREADY_WATCHED, True, (watched.run_id,), detail)


def _demand_same(release: Release, watched: WatchedRun) -> None:
    """Refuse an event that belongs to a run, but tells of something that the run does not watch."""
    own = "give this deployment a deployment_id of its own in customData"
    theirs, run_id = watched.release, watched.run_id
    if theirs is None:
        raise ConflictError([f"deployment_id: {release.deployment_id!r} is that of run {run_id}; {own}"])
    problems = [
        f"{name}: {ours!r}, but run {run_id} watches {getattr(theirs, name)!r}; {own}"
        for name in ("release_id", "version", "environment")
        if (ours := getattr(release, name)) != getattr(theirs, name)
    ]
    all_at_once = "name all services of a release in customData.services of its first event"
    problems += [
        f"services: {service!r}, but run {run_id} watches {', '.join(theirs.services)}; {all_at_once}"
        for service in release.services
        if service not in theirs.services
    ]
    if problems:
        raise ConflictError(problems)


def _end(event: ServiceEvent, user: BaseUser) -> Answer:
    rollback = event.rollback()

    def note_stop(run_id: str, release: Release) -> None:
        _note_stop(event, run_id, release)

    ended = end_runs(rollback.ends, note_stop, user, f"Ended by {_named(event)}")
    if not ended:
        told = ", ".join(f"{name} {value}" for name, value in _sought(event, rollback.names).items())
        detail = f"nothing to end: no open run watches a release with {told}, deployed before the event"
        if retired := _retire(event):
            detail += f"; no longer watched at night: {', '.join(retired)}"
        return Answer(Outcome.NOTHING_TO_END, False, (), detail)
    return Answer(Outcome.ENDED, False, ended, f"ends {', '.join(ended)} as {ExitState.ROLLED_BACK}")


def _retire(event: ServiceEvent) -> list[str]:
    """Take the rolled-back releases whose runs are over out of the nightly watch, and return them.

    What they had replaced is watched again; the night tells which of its rules have to be activated.
    """
    rollback, registry = event.rollback(), ActiveReleases(artifact_root())
    retired = [entry.release for entry in registry.all(event.environment) if rollback.ends(entry.release)]
    for release in retired:
        reason = f"{event.service} was rolled back, as told by {_named(event)}"
        registry.retire(release.environment, release.release_id, reason=reason, at=now())
    return [release.release_id for release in retired]


def _sought(event: ServiceEvent, names: Mapping[str, str]) -> dict[str, str]:
    return {"environment": event.environment, "service": event.service, **names}


def _note_stop(event: ServiceEvent, run_id: str, release: Release) -> None:
    """Leave the note by which every step ends, and ``close`` knows how the run ended."""
    run = ProtocolRun(release, run_id, f"event-{event.key[:8]}", store_for(release))
    with suppress(InvalidInputError):  # another run has the folder, so this one wrote nothing into it
        run.begin()
    run.record("service rolled back", cdevent=event.on_record())
    if run.stops():
        return
    reason = (
        f"{event.service} was rolled back at {rfc3339(event.at)}, artifact {event.artifact}, "
        f"as told by {_named(event)}{_own_request(run)}"
    )
    next_steps = ("Mend the release and deploy it again; monitoring is then established afresh.",)
    run.halt(ExitState.ROLLED_BACK, reason, next_steps=next_steps)


def _own_request(run: ProtocolRun) -> str:
    """Return why the run itself had asked for the rollback, if it had."""
    if not run.store.exists(ROLLBACK):
        return ""
    try:
        return f"; this run had asked for it: {rollback_reason(run)}"
    except ReleaseWatchError:
        return "; this run had asked for it"


def _named(event: ServiceEvent) -> str:
    return f"event {event.id} of {event.source} ({event.type})"
