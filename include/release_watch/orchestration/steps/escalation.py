"""Escalation: the exact error, the people who can mend it, and one ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.decisions import last_decision

if TYPE_CHECKING:
    from release_watch.artifacts.models import Finding
    from release_watch.response.policy import Response

ROLES = {
    1: ("operations-lead", "technical-lead"),
    2: ("sre", "oncall"),
    3: ("sre",),
    4: ("sre", "operations-lead", "technical-lead"),
}
"""Who can mend what a gate found, by gate."""


def escalate_gate(number: int, run: ProtocolRun) -> str:
    """Log the protocol's error lines, tell the people of the gate, and file a ticket."""
    decision = last_decision(number, run)
    for line in error_lines(number, run):
        log.error(line)
    for objective in decision.failures:
        log.error("%s: %s", objective.name, objective.reason)
    subject = (
        f"Gate {number} {decision.verdict}: release {run.release.release_id} in {run.release.environment}"
    )
    text = "\n".join([*error_lines(number, run), *(f"- {o.name}: {o.reason}" for o in decision.failures)])
    for role in ROLES[number]:
        tell(run, role, subject, text)
    return file_ticket(run, f"gate-{number}", subject, text)


def error_lines(number: int, run: ProtocolRun) -> list[str]:
    """Return the fixed error texts that are true of a gate that did not pass."""
    from release_watch.coverage.audit import missing_critical
    from release_watch.orchestration.steps.alert_test import ALERT_TEST, alert_test_results
    from release_watch.orchestration.steps.handing_over import APPROVALS, approvals_recorded
    from release_watch.orchestration.steps.instrumentation import AUDIT, coverage_audit

    if number == 1 and run.store.exists(AUDIT):
        return [texts.coverage_missing(service) for service in missing_critical(coverage_audit(run))]
    if number == 2:
        reached = run.store.exists(ALERT_TEST) and alert_test_results(run).verdict.proceeds
        return [] if reached else [texts.ALERT_NOT_DELIVERED]
    if number == 4:
        recorded = run.store.exists(APPROVALS) and approvals_recorded(run).verdict.proceeds
        return [] if recorded else [texts.APPROVAL_MISSING]
    return []


def escalate_findings(run: ProtocolRun, findings: tuple[Finding, ...], response: Response) -> None:
    """Tell the person on call and the leads about each open finding once, and file a ticket."""
    concerned = [finding for finding in findings if finding.finding_id in response.findings]
    seen = run.kept("escalated-")
    new = [finding for finding in concerned if f"escalated-{finding.finding_id}" not in seen]
    if not new:
        return
    subject = f"{len(new)} findings since release {run.release.release_id} in {run.release.environment}"
    text = "\n".join(f"- [{f.severity}] {f.service} {f.metric}: {f.reason}" for f in new)
    log.error("[ERROR] %s\n%s\nResponse: %s", subject, text, response.action)
    for role in ("oncall", "operations-lead", "technical-lead"):
        tell(run, role, subject, text)
    file_ticket(run, "findings", subject, text)
    for finding in new:
        run.once(f"escalated-{finding.finding_id}", {"at": rfc3339(now()), "response": response.action.value})


def file_ticket(run: ProtocolRun, topic: str, title: str, text: str) -> str:
    """File one ticket per run and topic and return its reference; a tracker that is away stops nothing."""
    from release_watch.response.roundup import Roundup

    if run.release.shadow:
        log.info("Shadow mode: would have filed the ticket %r", title)
        return "shadow"
    key = f"{run.release.environment}-{run.release.release_id}-{topic}"
    try:
        reference = Roundup(run.backends.tickets()).create_once(key, title, text)
    except ReleaseWatchError as error:
        log.warning("No ticket was filed: %s", error)
        run.record("no ticket was filed", f"ticket-{topic}", reason=str(error))
        return "none"
    log.info("Ticket %s: %s", reference.url, title)
    run.once(f"ticket-{topic}", {"reference": reference.url, "title": title})
    run.record("ticket filed", f"ticket-{topic}", reference=reference.url)
    return reference.url
