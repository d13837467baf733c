"""A ticket, and an incident as a ticket tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class TicketRef(NamedTuple):
    """A ticket: its number in the tracker, and the page for people."""

    id: str
    url: str


class Incident(NamedTuple):
    """An incident as a ticket tells of it. ``closed_at`` is None while it is open."""

    id: str
    url: str
    title: str
    service: str | None
    opened_at: datetime
    closed_at: datetime | None
