"""Whom the runbook names: who is on duty now, who is next, and when they hand over."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from release_watch.catalog.oncall import OnCall, Person, Shift
from release_watch.clock import in_words

SHIFTS = 4
"""So many shifts are listed, or a whole turn if that is more; the present one is among them."""

_MAIL = re.compile(r"(?:mailto:/*)?(?P<address>[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+)")


def duty_rows(oncall: OnCall, at: datetime) -> list[tuple[object, ...]]:
    """Return a row per role: who is on duty, how they are reached, until when, who is next, the rotation."""
    rows: list[tuple[object, ...]] = []
    for role, rotation in oncall.roles.items():
        shift = rotation.shift(at)
        handed_over = ("–", "nobody else", "alone")
        if len(rotation.everyone) > 1:
            turns = f"{len(rotation.people)} people, {in_words(rotation.shift_length)} each"
            handed_over = (_moment(shift.ends_at), _named(rotation.shift(shift.ends_at)), turns)
        rows.append((role, _named(shift), reached(shift.person), *handed_over))
    return rows


def shift_rows(oncall: OnCall, at: datetime) -> list[tuple[object, ...]]:
    """Return the shifts of the rotations that change, from the present one on: role, from, person."""
    rows: list[tuple[object, ...]] = []
    for role, rotation in oncall.roles.items():
        moment = at
        for _ in range(max(SHIFTS, len(rotation.people)) if len(rotation.everyone) > 1 else 0):
            shift = rotation.shift(moment)
            rows.append((role, _moment(shift.starts_at), _named(shift)))
            moment = shift.ends_at
    return rows


def paging_rows(oncall: OnCall, at: datetime) -> list[tuple[object, ...]]:
    """Return whom an alert pages now, one after another: level, person, how long they have to answer."""
    return [
        (
            paging.level,
            f"{paging.person.name} ({paging.role})",
            in_words(paging.within) if paging.within else "–",
        )
        for paging in oncall.paging_order(at)
    ]


def reached(person: Person) -> str:
    """Return how a person is reached; of an address that is no e-mail only the kind, as it may be secret."""
    if person.address is None:
        return f"Airflow user {person.user}"
    if found := _MAIL.fullmatch(person.address):
        return found["address"]
    return f"by {person.address.partition(':')[0]}" if "://" in person.address else "by Release Watch"


def _named(shift: Shift) -> str:
    return f"{shift.person.name} ({shift.person.user}{', stands in' if shift.stands_in else ''})"


def _moment(moment: datetime) -> str:
    shown = moment.astimezone(UTC)
    seconds = "%Y-%m-%d %H:%M UTC" if moment.second == 0 else "%Y-%m-%d %H:%M:%S UTC"
    return shown.strftime(f"%a {seconds}")
