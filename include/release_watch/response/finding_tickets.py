"""A ticket for every grave finding: made once, told when the finding gets worse, closed with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.clock import rfc3339
from release_watch.release import Release
from release_watch.response.attachments import Attachment
from release_watch.response.escalation import details, error_line, ticket_body, ticket_title
from release_watch.response.incidents import TicketRef
from release_watch.response.tickets import Tickets

_GRAVITY = [Severity.MINOR, Severity.MAJOR, Severity.CRITICAL]


class FindingTicket(BaseModel):
    """The ticket of a finding, and what it was told last."""

    model_config = ConfigDict(frozen=True)

    finding_id: str
    ticket_id: str
    url: str
    severity: Severity
    closed: bool = False
    plot: str | None = None

    @property
    def ref(self) -> TicketRef:
        """The ticket in the tracker."""
        return TicketRef(self.ticket_id, self.url)


def no_plot(finding: Finding) -> Attachment | None:  # noqa: ARG001 - the shape of a source of plots
    """Return None: there is no plot of any finding."""
    return None


def keep_tickets(
    tickets: Tickets,
    release: Release,
    findings: Iterable[Finding],
    known: Mapping[str, FindingTicket],
    plot_of: Callable[[Finding], Attachment | None] = no_plot,
) -> Iterator[FindingTicket]:
    """Bring the tracker in line with ``findings``; yields every ticket that was made or changed, at once.

    ``known`` are the tickets so far by finding id; keep what is yielded in it. An open finding that is major
    or critical gets a ticket; a minor or transient one never does. One that becomes graver is told to its
    ticket, one that is over closes it, one that comes back opens it again. A plot is attached once, or named
    where files cannot be sent. Nothing happens in shadow mode.

    Raises:
        BackendError: if the tracker does not answer, or refuses; the rest is left for the next time.
    """
    if release.shadow:
        return
    for finding in findings:
        changed = _kept(tickets, release, finding, known.get(finding.finding_id))
        ticket = changed or known.get(finding.finding_id)
        if changed:
            yield changed
        if ticket and not ticket.closed and ticket.plot is None and (plot := plot_of(finding)):
            if not tickets.attach(ticket.ref, plot):
                tickets.update(ticket.ref, f"Plot: {plot.uri or plot.name}")
            yield ticket.model_copy(update={"plot": plot.name})


def ticket_key(release: Release, finding_id: str) -> str:
    """Return the key under which the ticket of a finding can be searched for."""
    return f"{release.environment}-{release.release_id}-{finding_id}"


def _kept(
    tickets: Tickets, release: Release, finding: Finding, ticket: FindingTicket | None
) -> FindingTicket | None:
    open_now = finding.state is FindingState.OPEN
    if ticket is None:
        return _made(tickets, release, finding) if open_now and finding.severity in _GRAVITY[1:] else None
    if not open_now:
        return None if ticket.closed else _closed(tickets, finding, ticket)
    graver = _GRAVITY.index(finding.severity) > _GRAVITY.index(ticket.severity)
    note = "\n".join((error_line(finding, release), *details(finding)))
    told = ticket.model_copy(
        update={"closed": False, "severity": max(ticket.severity, finding.severity, key=_GRAVITY.index)}
    )
    if ticket.closed:
        tickets.reopen(ticket.ref, f"It is back.\n\n{note}")
        return told
    if graver:
        tickets.update(ticket.ref, f"It got worse: {ticket.severity} before.\n\n{note}")
        return told
    return None


def _made(tickets: Tickets, release: Release, finding: Finding) -> FindingTicket:
    key = ticket_key(release, finding.finding_id)
    ref = tickets.create_once(key, ticket_title(finding, release), ticket_body(finding, release))
    return FindingTicket(
        finding_id=finding.finding_id, ticket_id=ref.id, url=ref.url, severity=finding.severity
    )


def _closed(tickets: Tickets, finding: Finding, ticket: FindingTicket) -> FindingTicket:
    last = finding.actions[-1] if finding.actions else f"{finding.state} as of {rfc3339(finding.last_seen)}"
    tickets.close(ticket.ref, f"The finding is over ({finding.state}): {last}")
    return ticket.model_copy(update={"closed": True})
