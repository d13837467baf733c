"""A ticket, and an incident as a ticket tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class TicketRef(NamedTuple):
    """A ticket: its number in the tracker, and the page for people."""

    id: str
    url: str


class Incident(NamedTuple):
    """An incident as a ticket tells of it. ``closed_at`` is None while it is open.

    What few tickets tell is None: when the impact began and was over, when somebody acknowledged it, and the
    one alert that it is about. ``labels`` are those of the ticket.
    """

    id: str
    url: str
    title: str
    service: str | None
    opened_at: datetime
    closed_at: datetime | None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    acknowledged_at: datetime | None = None
    labels: tuple[str, ...] = ()
    alert: str | None = None

    def lasts_into(self, window: tuple[datetime, datetime]) -> bool:
        """Return whether it was open at some time of a window (start, end)."""
        start, end = window
        return self.opened_at <= end and (self.closed_at or end) >= start


def named_service(title: str, services: Iterable[str]) -> str | None:
    """Return the first of ``services`` that ``title`` names as a word of its own, or None."""
    named = (one for one in services if re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", title))
    return next(named, None)


def one_line(text: str, most: int) -> str:
    """Return ``text`` as a title: on one line, at most so many characters."""
    return " ".join(text.split())[:most]
