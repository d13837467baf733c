"""Tickets through one interface: created once per key, updated, closed; incidents read for correlation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from release_watch.errors import InvalidInputError
from release_watch.response.attachments import Attachment
from release_watch.response.incidents import Incident, TicketRef
from release_watch.response.jira import Jira
from release_watch.response.roundup import Roundup

if TYPE_CHECKING:
    from release_watch.catalog.policies import TicketPolicy
    from release_watch.transport import Transport

__all__ = ["Incident", "Jira", "Roundup", "TicketRef", "Tickets", "tickets_of"]


class Tickets(Protocol):
    """A ticket tracker. All of its methods raise ``BackendError`` if it does not answer, or refuses."""

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        """Return the ticket of ``key``, made with ``title`` and ``body`` if there was none."""
        ...

    def update(self, ticket: TicketRef, note: str) -> None:
        """Add a note; a closed ticket stays closed."""
        ...

    def close(self, ticket: TicketRef, note: str) -> None:
        """Close the ticket with a note; a closed one stays closed and gets no second note."""
        ...

    def reopen(self, ticket: TicketRef, note: str) -> None:
        """Open a closed ticket again with a note; an open one gets the note only."""
        ...

    def attach(self, ticket: TicketRef, attachment: Attachment) -> bool:
        """Attach a file, unless the ticket has one of that name; False where files cannot be sent."""
        ...

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        """Return the tickets of others, opened since then, that name one of the services, oldest first."""
        ...


def tickets_of(transport: Transport, policy: TicketPolicy) -> Tickets:
    """Return the tracker behind ``transport``, of the kind that ``policies.yaml`` names.

    Raises:
        InvalidInputError: if it is Jira, and no project is named.
    """
    if policy.tracker == "roundup":
        return Roundup(transport)
    if policy.project is None:
        raise InvalidInputError(["policies.yaml: response.tickets.project: is missing; Jira needs it"])
    return Jira(transport, policy.project, issue_type=policy.issue_type, closed_status=policy.closed_status)
