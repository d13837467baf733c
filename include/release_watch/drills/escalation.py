"""Escalation of a drill: whose turn it is to answer, and what the records prove of it afterwards.

The first level is paged by the drill itself, so its receivers' record of the delivery is the proof. Every
later level needs a record of its page: the rule is that it is told when the level before it was silent for
its time. All levels together have the drill's target for the acknowledgement, counted from its start; past
that nobody is paged any more.

A later level that was paged and answered in that time is a warning, not a failure: Gate 2 asks that the alert
reaches an on-call responder who acknowledges within the target, and so it did. That the first did not answer
is said. An answer of somebody who was not paged proves nothing about the path and is a failure.

Everything here is a function of records and of a moment; who pages, and how, is the caller's business::

    turn = whose_turn(drill, order, records.pages(drill.drill_id), answer, target=target, at=now())
    if turn and turn.paged_at is None:  # page turn.person, and then
        for page in pages_due([drill], order, records, target=target, at=now(), channel="airflow"):
            receipts.record_page(page)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import DrillResult, EscalationStep, Hop
from release_watch.drills.plan import PAGE
from release_watch.drills.receipts import Page

if TYPE_CHECKING:
    from release_watch.catalog.oncall import Paging
    from release_watch.drills.receipts import Acknowledgement, Records


class Turn(NamedTuple):
    """A level that is to answer now: until ``until``. ``paged_at`` is None while nobody has told it yet."""

    level: int
    role: str
    person: str
    paged_at: datetime | None
    until: datetime


class _Leg(NamedTuple):
    """A level's part of the time: from its page, or from when it should be paged, to its end."""

    level: int
    role: str
    person: str
    names: frozenset[str]
    paged: Hop
    opens: datetime
    begins: datetime
    ends: datetime


def due_of(drill: DrillResult) -> datetime | None:
    """Return when a delivered drill was due to fire; None for one that did not arrive."""
    fired = drill.hops.fired
    if fired.at is None or drill.hops.delivered.at is None:
        return None
    return fired.at - timedelta(seconds=fired.latency or 0)


def whose_turn(
    drill: DrillResult,
    order: Sequence[Paging],
    pages: Sequence[Page],
    answer: Acknowledgement | None,
    *,
    target: timedelta,
    at: datetime,
) -> Turn | None:
    """Return whose turn it is at ``at`` to answer a drill, and until when.

    None: it was answered, it was not delivered, it is a ticket, or everybody's time is over. A level without
    a time of its own has what is left of ``target``.
    """
    due = _due_page(drill)
    if due is None or answer is not None:
        return None
    limit = due + target
    legs = list(_legs(drill, due, order, pages, target))
    paged = [number for number, leg in enumerate(legs) if leg.paged.at is not None]
    for leg in legs[max(paged, default=0) :]:
        untold = leg.paged.at is None  # then its time has not begun, however late it is told
        until = min(at + (leg.ends - leg.begins) if untold else leg.ends, limit)
        if at < until:
            return Turn(leg.level, leg.role, leg.person, leg.paged.at, until)
    return None


def pages_due(
    drills: Sequence[DrillResult],
    order: Sequence[Paging],
    records: Records,
    *,
    target: timedelta,
    at: datetime,
    channel: str,
    proof: str | None = None,
) -> tuple[Page, ...]:
    """Return the pages that are to be made at ``at``, one per drill whose next level nobody has told yet.

    Whoever makes them records them (``Receipts.record_page``): without the record they did not happen.

    Raises:
        BackendError: if a receiver does not tell who has answered.
    """
    found: list[Page] = []
    for drill in drills:
        answer = records.acknowledgement(drill.drill_id)
        turn = whose_turn(drill, order, records.pages(drill.drill_id), answer, target=target, at=at)
        if turn is not None and turn.paged_at is None:
            found.append(
                Page(
                    drill_id=drill.drill_id,
                    level=turn.level,
                    role=turn.role,
                    person=turn.person,
                    at=at,
                    channel=channel,
                    proof=proof,
                )
            )
    return tuple(found)


def escalation_of(
    drill: DrillResult,
    order: Sequence[Paging],
    pages: Sequence[Page],
    answer: Acknowledgement | None,
    *,
    target: timedelta,
    at: datetime,
) -> tuple[EscalationStep, ...]:
    """Return every level that was paged, answered, or should have been paged by ``at``, with times."""
    due = _due_page(drill)
    if due is None:
        return ()
    legs = list(_legs(drill, due, order, pages, target))
    answering = _answering(legs, answer)
    over = min(answer.at if answer else at, due + target)
    return tuple(
        EscalationStep(
            level=leg.level,
            role=leg.role,
            person=leg.person,
            paged=leg.paged,
            within_seconds=(leg.ends - leg.begins).total_seconds(),
            acknowledged=_answered(answer, due) if answer and leg is answering else Hop(),
        )
        for leg in legs
        if leg.paged.at or leg is answering or leg.opens < over
    )


def _due_page(drill: DrillResult) -> datetime | None:
    return due_of(drill) if drill.severity == PAGE else None


def _legs(
    drill: DrillResult, due: datetime, order: Sequence[Paging], pages: Sequence[Page], target: timedelta
) -> Iterator[_Leg]:
    limit = due + target
    opens = drill.hops.delivered.at or due
    for level, role, person, names, within in _levels(order, pages):
        page = min((page for page in pages if page.level == level), key=lambda page: page.at, default=None)
        paged = Hop()
        if page is not None:
            paged = Hop(at=page.at, latency=_after(page.at, due), proof=_proof(page))
        elif level == 1:
            paged = drill.hops.delivered
        begins = paged.at or opens
        ends = limit if within is None else begins + within
        yield _Leg(level, role, person, names, paged, opens, begins, max(begins, ends))
        opens = max(begins, ends) if paged.at else limit


def _levels(
    order: Sequence[Paging], pages: Sequence[Page]
) -> Iterator[tuple[int, str, str, frozenset[str], timedelta | None]]:
    """Yield the levels of the order, and those that only the receiver's own escalation has."""
    asked = {one.level: one for one in order}
    for level in sorted({*asked, *(page.level for page in pages)} if asked else ()):
        told = [page for page in pages if page.level == level]
        names = {page.person for page in told}
        if (paging := asked.get(level)) is None:
            yield level, told[0].role, told[0].person, _folded(names), None
            continue
        person = paging.person
        address = (person.address or "").removeprefix("mailto://").removeprefix("mailto:")
        names |= {person.user, person.name, address} - {""}
        yield level, paging.role, person.user, _folded(names), paging.within


def _folded(names: set[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _answering(legs: Sequence[_Leg], answer: Acknowledgement | None) -> _Leg | None:
    """Return the level that answered; of several that the person is on, the last that was paged before."""
    if answer is None:
        return None
    theirs = [leg for leg in legs if answer.by.casefold() in leg.names]
    told = [leg for leg in theirs if leg.paged.at is not None and leg.paged.at <= answer.at]
    return told[-1] if told else next(iter(theirs), None)


def _answered(answer: Acknowledgement, due: datetime) -> Hop:
    return Hop(at=answer.at, latency=_after(answer.at, due), proof=f"answered by {answer.by}")


def _after(at: datetime, due: datetime) -> float:
    return round((at - due).total_seconds(), 3)


def _proof(page: Page) -> str:
    told = f"{page.person} was told by {page.channel}"
    return f"{told}: {page.proof}" if page.proof else told
