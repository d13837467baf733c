"""When to look for a drill: its id begins with the moment it was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from release_watch.clock import now

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much earlier than the drill another machine may say that its notice came."""
AGO = timedelta(days=1)


def fired(drill_id: str) -> datetime:
    """Return when a drill was made, as its id says; a day ago where it does not."""
    try:
        return datetime.strptime(drill_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return now() - AGO
