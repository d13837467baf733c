"""Backlog items in the ticket tracker: one ticket an item, closed and opened again with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from release_watch.assurance.backlog.document import CLOSED, GONE, OPEN, TICKET, Entry, entries, with_field
from release_watch.errors import BackendError
from release_watch.markdown import unescaped
from release_watch.response.incidents import TicketRef
from release_watch.response.tickets import Tickets

SHUT = "(closed)"
MOST_NAMED = 10
DELETED = (404, 410)
OF_ONE_TICKET = (400, 403, *DELETED, 409, 412, 422)
"""What a tracker refuses of one ticket, and may take of the next; else it would refuse all of them."""
_REFERENCE = re.compile(r"^\[(?P<id>[^\]]+)\]\((?P<url>[^)]*)\)(?P<shut> \(closed\))?$")


def filed(text: str, tickets: Tickets, environment: str) -> Iterator[str]:
    """Bring the tracker in line with a backlog; yields the backlog anew after each ticket that changed.

    Keep what is yielded: the ticket of an item stands in it. See :func:`references`.

    Raises:
        BackendError: as :func:`references` does.
    """
    for item_id, reference in references(text, tickets, environment):
        text = with_field(text, item_id, TICKET, reference)
        yield text


def references(text: str, tickets: Tickets, environment: str) -> Iterator[tuple[str, str]]:
    """Bring the tracker in line with a backlog; yields item and reference after each ticket that changed.

    The reference is to be kept as the item's line ``ticket``. An open item gets one ticket, whatever release
    or night finds it, a closed one closes it. Items in a state of people's own words are left to them. A
    ticket that somebody deleted counts as closed; an item that is back gets a new one.

    Raises:
        BackendError: if the tracker does not answer, and the rest is left for the next time; or at the end,
            naming the first of the items, if it refused some.
    """
    refused: list[str] = []
    for entry in entries(text):
        try:
            reference = _filed(entry, tickets, environment)
        except BackendError as error:
            if error.status not in OF_ONE_TICKET:
                raise
            refused.append(f"{entry.item_id}: {error}")
            continue
        if reference is not None:
            yield entry.item_id, reference
    if refused:
        more = [f"and {len(refused) - MOST_NAMED} more"] if len(refused) > MOST_NAMED else []
        told = "; ".join([*refused[:MOST_NAMED], *more])
        raise BackendError("ticket tracker", f"refused items of the backlog ({len(refused)}): {told}")


def _filed(entry: Entry, tickets: Tickets, environment: str) -> str | None:
    """Return the new reference of an item, None if nothing is to be changed."""
    known = _REFERENCE.match(entry.fields.get(TICKET, ""))
    if known is None:
        return _made(entry, tickets, environment) if entry.state == OPEN else None
    ref = TicketRef(known["id"], known["url"])
    if entry.state == CLOSED and not known["shut"]:
        words = f"Closed in the improvement backlog: {entry.fields.get(GONE, 'by a person')}"
        _is_there(lambda: tickets.close(ref, words))
        return f"{_reference(ref)} {SHUT}"
    if entry.state == OPEN and known["shut"]:
        words = f"It is back: {entry.fields.get('back', 'opened again in the backlog')}"
        there = _is_there(lambda: tickets.reopen(ref, words))
        return _reference(ref) if there else _made(entry, tickets, environment)
    return None


def _is_there(change: Callable[[], None]) -> bool:
    """Change a ticket and return True, False if somebody deleted it."""
    try:
        change()
    except BackendError as error:
        if error.status not in DELETED:
            raise
        return False
    return True


def _made(entry: Entry, tickets: Tickets, environment: str) -> str:
    told = (f"{name}: {unescaped(value)}" for name, value in entry.fields.items() if name != "state")
    key = f"{environment}-{entry.item_id}"
    return _reference(tickets.create_once(key, unescaped(entry.title), "\n".join(told)))


def _reference(ref: TicketRef) -> str:
    return f"[{ref.id}]({ref.url})"
