"""Tickets through one interface: created once per key, updated, closed; incidents read for correlation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from release_watch.response.incidents import Incident, TicketRef
from release_watch.response.roundup import Roundup

__all__ = ["Incident", "Roundup", "TicketRef", "Tickets"]


class Tickets(Protocol):
    """A ticket tracker."""

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        """Return the ticket of ``key``, made with ``title`` and ``body`` if there was none.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        ...

    def update(self, ticket: TicketRef, note: str) -> None:
        """Add a note."""
        ...

    def close(self, ticket: TicketRef, note: str) -> None:
        """Close the ticket with a note; a closed one stays closed and gets no second note."""
        ...

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        """Return the tickets of others, opened since then, that name one of the services, oldest first."""
        ...
