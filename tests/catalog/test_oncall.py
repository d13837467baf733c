from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.oncall import Level, OnCall, Override, Person, Rotation, late_levels
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


def levels(oncall: OnCall, *escalation: tuple[str, int]) -> OnCall:
    chosen = tuple(Level(role=role, within=timedelta(minutes=minutes)) for role, minutes in escalation)
    return OnCall(roles=oncall.roles, escalation=chosen)


def test_without_levels_the_person_on_call_is_paged_and_has_the_time_of_the_drill(oncall: OnCall) -> None:
    (paging,) = oncall.paging_order(START)

    assert (paging.level, paging.role, paging.person.user, paging.within) == (1, "oncall", "ann", None)


@pytest.mark.parametrize(
    ("days", "users"), [pytest.param(0, ["ann", "sam"], id="ann"), pytest.param(7, ["bob", "sam"], id="bob")]
)
def test_levels_page_who_is_on_duty_in_their_order(oncall: OnCall, days: int, users: list[str]) -> None:
    order = levels(oncall, ("oncall", 5), ("sre", 10)).paging_order(START + timedelta(days=days))

    assert [paging.person.user for paging in order] == users
    assert [(one.level, one.within) for one in order] == [
        (1, timedelta(minutes=5)),
        (2, timedelta(minutes=10)),
    ]


def test_nobody_is_paged_twice_and_the_levels_keep_their_numbers(oncall: OnCall) -> None:
    busy = Override(user="bob", from_=START, until=START + timedelta(days=1))
    roles = {
        **oncall.roles,
        "oncall": oncall.roles["oncall"].model_copy(update={"overrides": (busy,)}),
        "second": rotation("bob", "cid", "ann"),
    }
    three = OnCall(
        roles=roles,
        escalation=tuple(
            Level(role=role, within=timedelta(minutes=5)) for role in ("oncall", "second", "sre")
        ),
    )

    at, later = START, START + timedelta(days=1)

    assert [(one.level, one.person.user) for one in three.paging_order(at)] == [(1, "bob"), (3, "sam")]
    (said,) = three.skipped_levels(at)
    assert said.startswith("Level 2 (second) pages nobody: Bob has that duty, too, and is paged at level 1")
    assert [one.person.user for one in three.paging_order(later)] == ["ann", "bob", "sam"]
    assert three.skipped_levels(later) == ()


def test_everyone_of_every_level_may_answer(oncall: OnCall) -> None:
    both = levels(oncall, ("sre", 5), ("oncall", 5))

    assert [person.user for person in both.responders()] == ["sam", "ann", "bob", "cid"]
    assert [person.user for person in oncall.responders()] == ["ann", "bob", "cid"]


def test_who_stands_in_belongs_to_the_role(oncall: OnCall) -> None:
    spare = (Person(user="dan", name="Dan"),)
    sre = oncall.roles["sre"].model_copy(update={"stand_ins": spare})

    found = OnCall(roles={**oncall.roles, "sre": sre})

    assert [person.user for person in found.people("sre")] == ["sam", "dan"]
    assert found.person("dan") == spare[0]
    assert found.person("eve") is None


@pytest.mark.parametrize(
    ("minutes", "late"),
    [
        pytest.param((5, 10), [], id="in time"),
        pytest.param((15, 5), ["level 2 (sre)"], id="too late"),
    ],
)
def test_a_level_that_is_paged_after_the_target_is_told(
    oncall: OnCall, minutes: tuple[int, int], late: list[str]
) -> None:
    both = levels(oncall, ("oncall", minutes[0]), ("sre", minutes[1]))

    said = late_levels(both, timedelta(minutes=15))

    assert [words in line for words, line in zip(late, said, strict=True)] == [True] * len(late)
    assert late_levels(oncall, timedelta(minutes=15)) == ()
