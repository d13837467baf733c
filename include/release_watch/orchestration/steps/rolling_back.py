"""Rolling back: the decision with its guards, the request, and the record of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from release_watch.clock import now
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.answers import YES
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from release_watch.artifacts.models import Approval, Finding
    from release_watch.response.ledger import RollbackLedger
    from release_watch.response.policy import Response
    from release_watch.response.rollback_record import RollbackRecord

ROLLBACK = "records/rollback.json"
ROLLBACK_RECORD = "rollback-record.json"
_RESULTS = "monitoring-results.json"
_QUESTION = "records/approval-ask_rollback.json"


def planned_response(run: ProtocolRun, findings: Sequence[Finding]) -> Response:
    """Return what the policies demand for the findings, with the guards that are known without a question."""
    from release_watch.response.policy import respond

    return respond(
        findings,
        run.release,
        run.services,
        rollback_asked_for=asked_for(run),
        cooling_until=cooling(run),
    )


def asked_for(run: ProtocolRun) -> bool:
    """Return whether a person was asked in this run, or another run asked for a rollback of this release."""
    if run.store.exists(_QUESTION):
        return True
    try:
        return ledger().asked_for(run.release, run.run_id)
    except InvalidInputError as error:
        log.warning("Taken for asked for, since the ledger of rollbacks cannot be read: %s", error)
        return True


def cooling(run: ProtocolRun) -> datetime | None:
    """Return until when a rollback of these services needs a person's Yes, or None."""
    from release_watch.response.guards import cooling_until

    cool_down = run.config.policies.response.cool_down
    try:
        return cooling_until(ledger(), run.release, cool_down, now())
    except InvalidInputError as error:
        log.warning("A person is asked, since the ledger of rollbacks cannot be read: %s", error)
        return now() + cool_down


def roll_back(run: ProtocolRun) -> str:
    """Ask the release orchestrator for a rollback, once the guards let it by; asked again, it is the same.

    What holds it back, or is not answered, is tried again by the sensor that follows. Who clears this
    task after a refusal has it asked for once more.
    """
    from release_watch.response.rollback_record import Stage

    if run.release.shadow:
        raise AirflowSkipException("Shadow mode: no rollback is ever asked for")
    record = rollback_record(run)
    if record.stage is Stage.REFUSED:
        again = record.then(now(), "tried again by hand", stage=Stage.DECIDED)
        run.store.write_json(ROLLBACK_RECORD, again)
        run.forget("rollback-deadline")
    advance(run)
    return run.store.uri_of(ROLLBACK_RECORD)


def advance(run: ProtocolRun) -> RollbackRecord:
    """Take the rollback one step on, and return its record as it lies in the store now."""
    from release_watch.response.rollback_record import proceed

    before = rollback_record(run)
    after = proceed(
        before,
        run.release,
        run.run_id,
        run.backends.orchestrator(),
        ledger(),
        cool_down=run.config.policies.response.cool_down,
        at=now(),
    )
    if after.rollback is not None:
        run.store.write_json(ROLLBACK, after.rollback)
    written = run.store.write_json(ROLLBACK_RECORD, after)
    for number, event in enumerate(after.events[len(before.events) :], start=len(before.events) + 1):
        log.warning("Rollback: %s", event.what)
        run.record(f"rollback {after.stage}", f"rollback-{number}", what=event.what, sha256=written.sha256)
    return after


def rollback_record(run: ProtocolRun) -> RollbackRecord:
    """Return the record of this run's rollback; made and stored at the first call."""
    from release_watch.response.rollback_record import RollbackRecord

    if not run.store.exists(ROLLBACK_RECORD):
        written = run.store.write_json(ROLLBACK_RECORD, _decided(run))
        run.record("rollback decided", "rollback-decided", uri=written.uri, sha256=written.sha256)
    return run.store.read_model(ROLLBACK_RECORD, RollbackRecord)


def rollback_reason(run: ProtocolRun) -> str:
    """Return why the release is rolled back: its open critical findings."""
    return "; ".join(f"{f.service} {f.metric}: {f.reason}" for f in _critical(run))


def ledger() -> RollbackLedger:
    """Return the ledger of all rollbacks."""
    from release_watch.response.ledger import RollbackLedger

    return RollbackLedger(artifact_root())


def _decided(run: ProtocolRun) -> RollbackRecord:
    from release_watch.response.policy import policy_of
    from release_watch.response.rollback import RollbackTicket, idempotency_key
    from release_watch.response.rollback_record import RollbackRecord, Stage

    release, findings, approval, moment = run.release, _critical(run), _approval(run), now()
    policies = {service.name: policy_of(service, release) for service in run.services}
    concerned = {finding.service for finding in findings}
    asked = run.store.read_model(ROLLBACK, RollbackTicket) if run.store.exists(ROLLBACK) else None
    return RollbackRecord(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=moment,
        deployment_id=release.deployment_id,
        version=release.version,
        services=release.services,
        idempotency_key=idempotency_key(release),
        stage=Stage(asked.status) if asked and not asked.finished else Stage.DECIDED,
        decided_at=moment,
        decided_by=str(approval.responded_by) if approval else "the rollback policy",
        approval=approval,
        policies={name: policy for name, policy in policies.items() if name in concerned},
        reason=rollback_reason(run),
        findings=findings,
        rollback=asked,
    )


def _approval(run: ProtocolRun) -> Approval | None:
    """Return the Yes of a person, if one was asked."""
    from release_watch.artifacts.models import Approval

    if not run.store.exists(_QUESTION):
        return None
    answer = run.store.read_model(_QUESTION, Approval)
    return answer if answer.responded_by and answer.answer == YES else None


def _critical(run: ProtocolRun) -> tuple[Finding, ...]:
    from release_watch.artifacts.models import MonitoringResults, Severity
    from release_watch.response.findings import open_findings

    found = open_findings(run.store.read_model(_RESULTS, MonitoringResults).findings)
    return tuple(finding for finding in found if finding.severity is Severity.CRITICAL)


def add_to_tickets(run: ProtocolRun, note: str) -> None:
    """Tell the open tickets of the findings how the rollback ended; a tracker that is away stops nothing."""
    from release_watch.orchestration.steps.escalation import finding_tickets, tracker

    for ticket in finding_tickets(run).values():
        if ticket.closed:
            continue
        try:
            tracker(run).update(ticket.ref, note)
        except ReleaseWatchError as error:
            log.warning("Ticket %s was not told: %s", ticket.url, error)
