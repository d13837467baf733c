"""Escalation: the exact error, the people who can mend it, and one ticket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.decisions import last_decision

if TYPE_CHECKING:
    from release_watch.artifacts.models import Finding
    from release_watch.response.attachments import Attachment
    from release_watch.response.finding_tickets import FindingTicket
    from release_watch.response.policy import Response
    from release_watch.response.tickets import Tickets

ROLES = {
    1: ("operations-lead", "technical-lead"),
    2: ("sre", "oncall"),
    3: ("sre",),
    4: ("sre", "operations-lead", "technical-lead"),
}
"""Who can mend what a gate found, by gate."""

ALARMED = ("oncall", "operations-lead", "technical-lead")
"""Who is told of findings, beside their owners where those are roles of oncall.yaml."""

FINDING_TICKETS = "records/finding-tickets.json"
PLOTS = "plots/"


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


def escalate_findings(run: ProtocolRun, findings: tuple[Finding, ...], response: Response) -> dict[str, str]:
    """Bring tickets in line with the findings, and tell people of each that calls for action.

    They are told once, and again if it became graver. Call it after every review, also one without a grave
    finding: a finding that is over closes its ticket. Returns what was done now, by finding id.
    """
    from release_watch.response.escalation import error_line, notice, subject

    tickets = keep_finding_tickets(run, findings)
    escalated = run.kept("escalated-")
    concerned = [finding for finding in findings if finding.finding_id in response.findings]
    new = [finding for finding in concerned if _escalation(finding) not in escalated]
    if not new:
        return {}
    for finding in new:
        log.error(error_line(finding, run.release))
    log.error("Response: %s (%s)", response.action, "; ".join(response.reasons))
    if run.release.shadow:
        log.info("Shadow mode: nobody is told, no ticket is made")
    drawn = {f.finding_id: plot for f in new if (plot := plot_of(run, f))}
    plots = {finding_id: plot.uri for finding_id, plot in drawn.items()}
    urls = {finding_id: ticket.url for finding_id, ticket in tickets.items()}
    text = notice(new, run.release, response, tickets=urls, plots=plots)
    owners = tuple(owner for owner in response.owners if owner in run.config.oncall.roles)
    told = [
        role
        for role in dict.fromkeys((*ALARMED, *owners))
        if tell(run, role, subject(new, run.release), text, attachments=tuple(drawn.values()))
    ]
    for finding in new:
        done = {"at": rfc3339(now()), "response": response.action.value}
        run.once(_escalation(finding), done)
    return {finding.finding_id: _done(told, response, urls.get(finding.finding_id)) for finding in new}


def _done(roles: list[str], response: Response, ticket: str | None) -> str:
    told = f"told {', '.join(roles)}" if roles else "nobody was told"
    filed = f", ticket {ticket}" if ticket else ""
    return f"{rfc3339(now())} {told}{filed}; response: {response.action}"


def _escalation(finding: Finding) -> str:
    return f"escalated-{finding.severity}-{finding.finding_id}"


def keep_finding_tickets(run: ProtocolRun, findings: tuple[Finding, ...]) -> dict[str, FindingTicket]:
    """Bring the tracker in line with the findings; return the tickets by finding id.

    A tracker that is away stops nothing: the next review tries again.
    """
    from release_watch.response.finding_tickets import keep_tickets

    known = finding_tickets(run)
    if run.release.shadow:
        return known
    try:
        for ticket in keep_tickets(tracker(run), run.release, findings, known, lambda f: plot_of(run, f)):
            before = known.get(ticket.finding_id)
            known[ticket.finding_id] = ticket
            run.store.write_json(
                FINDING_TICKETS, {"tickets": [t.model_dump(mode="json") for t in known.values()]}
            )
            title = f"{ticket.severity} finding {ticket.finding_id}"
            run.once(f"ticket-{ticket.finding_id}", {"reference": ticket.url, "title": title})
            state = "closed" if ticket.closed else "open"
            if before is None or before.closed != ticket.closed:
                log.info("Ticket %s of %s is %s", ticket.url, ticket.finding_id, state)
            run.record(
                "finding ticket",
                f"finding-ticket-{ticket.finding_id}-{now():%Y%m%dT%H%M%S%f}",
                reference=ticket.url,
                finding=ticket.finding_id,
                severity=ticket.severity,
                state=state,
            )
    except ReleaseWatchError as error:
        log.warning("The tickets are not in line with the findings: %s", error)
        run.record("no ticket was filed", "finding-tickets", reason=str(error))
    return known


def finding_tickets(run: ProtocolRun) -> dict[str, FindingTicket]:
    """Return the tickets of this release's findings so far, by finding id."""
    from release_watch.response.finding_tickets import FindingTicket

    if not run.store.exists(FINDING_TICKETS):
        return {}
    kept = json.loads(run.store.read_bytes(FINDING_TICKETS))["tickets"]
    return {one["finding_id"]: FindingTicket.model_validate(one) for one in kept}


def plot_of(run: ProtocolRun, finding: Finding) -> Attachment | None:
    """Return the plot of a finding, ``plots/<finding id>.png`` or ``.svg`` in the store, if there is one."""
    from release_watch.response.attachments import Attachment

    for ending, media_type in (("png", "image/png"), ("svg", "image/svg+xml")):
        name = f"{PLOTS}{finding.finding_id}.{ending}"
        if run.store.exists(name):
            content = run.store.read_bytes(name)
            return Attachment(f"{finding.finding_id}.{ending}", media_type, content, run.store.uri_of(name))
    return None


def tracker(run: ProtocolRun) -> Tickets:
    """Return the ticket tracker that the policies name, behind the connection ``tickets_default``.

    Raises:
        NotConfiguredError: if there is no such connection.
    """
    from release_watch.response.tickets import tickets_of

    return tickets_of(run.backends.tickets(), run.config.policies.response.tickets)


def file_ticket(run: ProtocolRun, topic: str, title: str, text: str) -> str:
    """File one ticket per run and topic and return its reference; a tracker that is away stops nothing."""
    if run.release.shadow:
        log.info("Shadow mode: would have filed the ticket %r", title)
        return "shadow"
    key = f"{run.release.environment}-{run.release.release_id}-{topic}"
    try:
        reference = tracker(run).create_once(key, title, text)
    except ReleaseWatchError as error:
        log.warning("No ticket was filed: %s", error)
        run.record("no ticket was filed", f"ticket-{topic}", reason=str(error))
        return "none"
    log.info("Ticket %s: %s", reference.url, title)
    run.once(f"ticket-{topic}", {"reference": reference.url, "title": title})
    run.record("ticket filed", f"ticket-{topic}", reference=reference.url)
    return reference.url
