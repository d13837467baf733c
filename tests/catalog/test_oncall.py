from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.oncall import OnCall, Person, Rotation
from release_watch.errors import InvalidInputError

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def rotation(*users: str) -> Rotation:
    people = tuple(Person(user=user, name=user.title()) for user in users)
    return Rotation(people=people, starts_at=START, shift_length=timedelta(days=7))


@pytest.fixture
def oncall() -> OnCall:
    return OnCall(
        roles={
            "sre": rotation("sam"),
            "oncall": rotation("ann", "bob", "cid"),
            "operations-lead": rotation("olga"),
            "technical-lead": rotation("tom"),
        }
    )


@pytest.mark.parametrize(
    ("days", "user"),
    [(0, "ann"), (6.99, "ann"), (7, "bob"), (14, "cid"), (21, "ann"), (-1, "cid"), (-21, "ann")],
)
def test_shifts_follow_each_other_in_the_order_of_the_rotation(
    oncall: OnCall, days: float, user: str
) -> None:
    assert oncall.on_duty("oncall", START + timedelta(days=days)).user == user


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - bounds of a strategy are naive
def test_somebody_is_on_duty_at_every_moment(at: datetime) -> None:
    people = rotation("ann", "bob", "cid")

    assert people.on_duty(at) in people.people
    assert people.on_duty(at + timedelta(days=21)) == people.on_duty(at)


def test_everyone_of_a_role_is_known(oncall: OnCall) -> None:
    assert [person.user for person in oncall.people("oncall")] == ["ann", "bob", "cid"]


def test_a_role_that_nobody_has_names_the_known_ones(oncall: OnCall) -> None:
    with pytest.raises(InvalidInputError, match="known are oncall, operations-lead"):
        oncall.people("cook")


def test_an_address_does_not_show_in_messages() -> None:
    assert "token" not in repr(Person(user="ann", name="Ann", address="slack://token@x"))
