"""The runbook names who is on duty, who is next, and when they hand over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.catalog.oncall import Level, OnCall, Override, Person, Rotation
from release_watch.handoff.runbook_people import duty_rows, paging_rows, reached, shift_rows

STARTS = datetime(2026, 1, 5, 9, tzinfo=UTC)


def rotation(*names: str, shift: timedelta = timedelta(days=7)) -> Rotation:
    people = tuple(Person(user=name.lower(), name=name, address=f"{name.lower()}@shop.com") for name in names)
    return Rotation(people=people, starts_at=STARTS, shift_length=shift)


ONCALL = OnCall(
    roles={
        "oncall": rotation("Ada", "Bob", "Cyn"),
        "sre": rotation("Sam"),
        "operations-lead": rotation("Olga", "Omar", shift=timedelta(days=28)),
        "technical-lead": rotation("Tim"),
    }
)


def on_duty(at: datetime) -> tuple[object, ...]:
    return next(row for row in duty_rows(ONCALL, at) if row[0] == "oncall")


WEEK = "3 people, 7 d each"


@pytest.mark.parametrize(
    ("at", "row"),
    [
        (STARTS, ("Ada (ada)", "ada@shop.com", "Mon 2026-01-12 09:00 UTC", "Bob (bob)", WEEK)),
        (
            STARTS + timedelta(days=7),
            ("Bob (bob)", "bob@shop.com", "Mon 2026-01-19 09:00 UTC", "Cyn (cyn)", WEEK),
        ),
        (
            STARTS - timedelta(seconds=1),
            ("Cyn (cyn)", "cyn@shop.com", "Mon 2026-01-05 09:00 UTC", "Ada (ada)", WEEK),
        ),
    ],
    ids=["first shift", "at the hand-over", "before the start"],
)
def test_who_is_on_duty_until_when_and_who_is_next(at: datetime, row: tuple[object, ...]) -> None:
    assert on_duty(at)[1:] == row


def test_who_is_alone_hands_over_to_nobody() -> None:
    (sam,) = [row for row in duty_rows(ONCALL, STARTS) if row[0] == "sre"]
    assert sam[3:] == ("–", "nobody else", "alone")


def test_the_next_shifts_are_those_of_the_rotation() -> None:
    rows = shift_rows(ONCALL, STARTS + timedelta(days=8))
    assert [row[1:] for row in rows if row[0] == "oncall"] == [
        ("Mon 2026-01-12 09:00 UTC", "Bob (bob)"),
        ("Mon 2026-01-19 09:00 UTC", "Cyn (cyn)"),
        ("Mon 2026-01-26 09:00 UTC", "Ada (ada)"),
        ("Mon 2026-02-02 09:00 UTC", "Bob (bob)"),
    ]
    assert {row[0] for row in rows} == {"oncall", "operations-lead"}


def test_a_long_rotation_is_listed_for_a_whole_turn() -> None:
    names = ("Ada", "Bob", "Cyn", "Dan", "Eve", "Fay")
    roles = {**ONCALL.roles, "oncall": rotation(*names)}
    rows = shift_rows(ONCALL.model_copy(update={"roles": roles}), STARTS)
    assert [str(row[2]).split()[0] for row in rows if row[0] == "oncall"] == list(names)


def test_who_stands_in_is_named_for_that_time_alone() -> None:
    day = timedelta(days=1)
    stands_in = Override(user="cyn", from_=STARTS + day, until=STARTS + 2 * day)
    roles = {
        **ONCALL.roles,
        "oncall": rotation("Ada", "Bob", "Cyn").model_copy(update={"overrides": (stands_in,)}),
    }
    cut = ONCALL.model_copy(update={"roles": roles})
    now = next(row for row in duty_rows(cut, STARTS + day) if row[0] == "oncall")
    assert now[1:5] == ("Cyn (cyn, stands in)", "cyn@shop.com", "Wed 2026-01-07 09:00 UTC", "Ada (ada)")
    assert [row[2] for row in shift_rows(cut, STARTS) if row[0] == "oncall"] == [
        "Ada (ada)",
        "Cyn (cyn, stands in)",
        "Ada (ada)",
        "Bob (bob)",
    ]


def test_levels_of_escalation_are_listed_with_their_time() -> None:
    levels = (
        Level(role="oncall", within=timedelta(minutes=5)),
        Level(role="sre", within=timedelta(minutes=10)),
    )
    rows = paging_rows(ONCALL.model_copy(update={"escalation": levels}), STARTS)
    assert rows == [(1, "Ada (oncall)", "5 min"), (2, "Sam (sre)", "10 min")]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@shop.com", "ada@shop.com"),
        ("mailto://ada@shop.com", "ada@shop.com"),
        ("mailto://ada:secret@shop.com", "by mailto"),
        ("slack://T0/B0/token@shop.com", "by slack"),
        ("token", "by Release Watch"),
        (None, "Airflow user ada"),
    ],
    ids=["e-mail", "mailto", "a password", "a token", "something else", "none"],
)
def test_only_an_e_mail_address_is_written_down(address: str | None, shown: str) -> None:
    assert reached(Person(user="ada", name="Ada", address=address)) == shown
