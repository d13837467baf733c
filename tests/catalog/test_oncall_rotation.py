"""Who has the duty at which moment, across changes of the clocks and overrides."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.oncall import Override, Person, Rotation
from release_watch.catalog.wall_clock import moment

BERLIN = "Europe/Berlin"
PEOPLE = tuple(Person(user=user, name=user.title()) for user in ("ann", "bob", "cid"))
DAN = Person(user="dan", name="Dan")
# Ordinary ones, half an hour of summer time, changes at midnight, a day that was left out, none at all.
ZONES = (
    BERLIN,
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Nuuk",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
)


def in_berlin(first: date, clock: time = time(9), days: int = 7, **more: Any) -> Rotation:
    return Rotation(
        people=PEOPLE,
        time_zone=BERLIN,
        hand_over=clock,
        shift_length=timedelta(days=days),
        starts_at=moment(first, clock, BERLIN),
        **more,
    )


def override(user: str, begins: datetime, ends: datetime) -> Override:
    return Override(user=user, from_=begins, until=ends)


def clocks_show(at: datetime, zone: str = BERLIN) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%a %H:%M")


@pytest.mark.parametrize(
    ("first", "hours"),
    [
        pytest.param(date(2026, 3, 23), 7 * 24 - 1, id="into summer"),
        pytest.param(date(2026, 10, 19), 7 * 24 + 1, id="into winter"),
        pytest.param(date(2026, 6, 1), 7 * 24, id="no change"),
    ],
)
def test_a_weekly_hand_over_stays_at_its_local_time(first: date, hours: int) -> None:
    shift = in_berlin(first).shift(moment(first, time(12), BERLIN))

    assert (clocks_show(shift.starts_at), clocks_show(shift.ends_at)) == ("Mon 09:00", "Mon 09:00")
    assert shift.ends_at - shift.starts_at == timedelta(hours=hours)


def test_years_of_hand_overs_are_all_on_monday_at_nine() -> None:
    rotation = in_berlin(date(2026, 1, 5))
    shift = rotation.shift(datetime(2026, 1, 6, tzinfo=UTC))
    begins = []
    for _ in range(160):
        begins.append(clocks_show(shift.starts_at))
        shift = rotation.shift(shift.ends_at)

    assert set(begins) == {"Mon 09:00"}


@pytest.mark.parametrize(
    ("at", "user"),
    [
        pytest.param("2026-03-30T06:59:59Z", "ann", id="just before nine in summer"),
        pytest.param("2026-03-30T07:00:00Z", "bob", id="nine in summer"),
        pytest.param("2026-10-26T07:59:59Z", "ann", id="just before nine in winter"),
        pytest.param("2026-10-26T08:00:00Z", "bob", id="nine in winter"),
    ],
)
def test_the_hand_over_is_sharp_on_both_sides(at: str, user: str) -> None:
    first = date(2026, 3, 23) if "-03-" in at else date(2026, 10, 19)

    assert in_berlin(first).on_duty(datetime.fromisoformat(at)).user == user


def test_a_time_that_does_not_exist_is_read_with_the_offset_from_before() -> None:
    daily = in_berlin(date(2026, 3, 28), time(2, 30), days=1)

    shift = daily.shift(datetime(2026, 3, 29, 12, tzinfo=UTC))

    assert shift.starts_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert clocks_show(shift.starts_at) == "Sun 03:30"
    assert clocks_show(shift.ends_at) == "Mon 02:30"


def test_of_a_time_that_comes_twice_the_first_is_the_hand_over() -> None:
    daily = in_berlin(date(2026, 10, 24), time(2, 30), days=1)

    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(BERLIN), fold=fold) for fold in (0, 1))

    assert daily.on_duty(first - timedelta(minutes=1)).user == "ann"
    assert daily.on_duty(first).user == daily.on_duty(second).user == "bob"
    assert daily.shift(second).starts_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_rotation_may_begin_at_a_time_that_does_not_exist() -> None:
    # In Nuuk clocks went from Saturday 23:00 to Sunday 00:00.
    begins = moment(date(2024, 3, 30), time(23, 30), "America/Nuuk")
    rotation = Rotation(
        people=PEOPLE,
        time_zone="America/Nuuk",
        hand_over=time(23, 30),
        shift_length=timedelta(days=1),
        starts_at=begins,
    )

    assert clocks_show(begins, "America/Nuuk") == "Sun 00:30"
    assert (rotation.on_duty(begins).user, rotation.shift(begins).starts_at) == ("ann", begins)


def test_without_a_time_zone_every_shift_is_equally_long() -> None:
    rotation = Rotation(
        people=PEOPLE, starts_at=datetime(2026, 3, 23, 8, tzinfo=UTC), shift_length=timedelta(hours=12)
    )

    assert rotation.shift(datetime(2026, 3, 29, 21, tzinfo=UTC))[1:3] == (
        datetime(2026, 3, 29, 20, tzinfo=UTC),
        datetime(2026, 3, 30, 8, tzinfo=UTC),
    )


WEEK = datetime(2026, 6, 1, 7, tzinfo=UTC)  # ann's; bob's begins on the 8th at 07:00


@pytest.mark.parametrize(
    ("hours", "user", "begins", "ends"),
    [
        pytest.param(0, "ann", 0, 24, id="before it"),
        pytest.param(24, "dan", 24, 48, id="as it begins"),
        pytest.param(47.99, "dan", 24, 48, id="just before its end"),
        pytest.param(48, "ann", 48, 160, id="as it ends"),
        pytest.param(160, "cid", 160, 180, id="over a hand-over"),
        pytest.param(168, "cid", 160, 180, id="at the hand-over"),
        pytest.param(180, "bob", 180, 336, id="into the next turn"),
    ],
)
def test_an_override_takes_the_duty_from_whoever_has_it(
    hours: float, user: str, begins: int, ends: int
) -> None:
    rotation = in_berlin(
        date(2026, 6, 1),
        stand_ins=(DAN,),
        overrides=(
            override("cid", WEEK + timedelta(hours=160), WEEK + timedelta(hours=180)),
            override("dan", WEEK + timedelta(hours=24), WEEK + timedelta(hours=48)),
        ),
    )

    shift = rotation.shift(WEEK + timedelta(hours=hours))

    assert (shift.person.user, shift.stands_in) == (user, user in ("cid", "dan"))
    assert shift.starts_at == WEEK + timedelta(hours=begins)
    assert shift.ends_at == WEEK + timedelta(hours=ends)


def test_overrides_may_follow_each_other_without_a_gap() -> None:
    ends = [WEEK + timedelta(days=day) for day in range(3)]
    rotation = in_berlin(
        date(2026, 6, 1),
        overrides=[override(user, *span) for user, span in zip(("bob", "cid"), pairwise(ends), strict=True)],
    )

    assert [rotation.on_duty(at).user for at in ends] == ["bob", "cid", "ann"]


MOMENTS = st.datetimes(datetime(2009, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of a strategy are naive


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    zone, clock = draw(st.sampled_from(ZONES)), time(draw(st.integers(0, 23)), draw(st.sampled_from((0, 30))))
    borders = sorted(draw(st.sets(MOMENTS, max_size=6)))
    spans = [span for number, span in enumerate(pairwise(borders)) if draw(st.booleans()) or number == 0]
    users = st.sampled_from(("ann", "bob", "cid", "dan"))
    return Rotation(
        people=PEOPLE[: draw(st.integers(1, 3))],
        stand_ins=(*PEOPLE[1:], DAN),
        time_zone=zone,
        hand_over=clock,
        shift_length=timedelta(days=draw(st.integers(1, 30))),
        starts_at=moment(draw(st.dates(date(2010, 1, 1), date(2032, 1, 1))), clock, zone),
        overrides=tuple(override(draw(users), *span) for span in spans),
    )


@given(rotations(), MOMENTS)
@settings(deadline=None, max_examples=50)
def test_exactly_one_person_has_the_duty_at_every_moment(rotation: Rotation, at: datetime) -> None:
    shift = rotation.shift(at)
    before = rotation.shift(shift.starts_at - timedelta(microseconds=1))
    after = rotation.shift(shift.ends_at)

    assert shift.starts_at <= at < shift.ends_at
    assert (before.ends_at, after.starts_at) == (shift.starts_at, shift.ends_at)
    assert rotation.shift(shift.starts_at) == shift
    assert rotation.on_duty(shift.ends_at - timedelta(microseconds=1)) == shift.person
    named = [one.user for one in rotation.overrides if one.from_ <= at < one.until]
    assert named in ([], [shift.person.user])
    assert shift.stands_in == bool(named)


@given(rotations(), MOMENTS)
@settings(deadline=None, max_examples=50)
def test_every_turn_begins_as_clocks_show_the_hand_over(rotation: Rotation, at: datetime) -> None:
    plain = rotation.model_copy(update={"overrides": ()})
    zone = ZoneInfo(str(rotation.time_zone))
    begins = plain.shift(at).starts_at.astimezone(zone)

    exists = datetime.combine(begins.date(), rotation.hand_over or time(), zone)
    if exists.astimezone(UTC).astimezone(zone).time() == rotation.hand_over:
        assert (begins.time(), begins.fold) == (rotation.hand_over, 0)
    else:
        assert begins.time() != rotation.hand_over  # clocks went over it


@given(rotations(), MOMENTS, st.sampled_from(ZONES))
@settings(deadline=None, max_examples=50)
def test_it_makes_no_difference_in_which_zone_a_moment_is_given(
    rotation: Rotation, at: datetime, zone: str
) -> None:
    assert rotation.shift(at.astimezone(ZoneInfo(zone))) == rotation.shift(at)


@given(rotations(), MOMENTS)
@settings(deadline=None, max_examples=50)
def test_turns_follow_the_order_of_the_people(rotation: Rotation, at: datetime) -> None:
    plain = rotation.model_copy(update={"overrides": ()})
    shift = plain.shift(at)

    order = [person.user for person in plain.people]
    following = order[(order.index(shift.person.user) + 1) % len(order)]

    assert plain.on_duty(plain.starts_at) == plain.people[0]
    assert plain.on_duty(shift.ends_at).user == following or plain.time_zone == "Pacific/Apia"


def test_who_has_a_day_that_the_calendar_leaves_out_has_no_shift() -> None:
    # Samoa went from Thursday the 29th to Saturday the 31st of December 2011.
    days = [date(2011, 12, 29), date(2011, 12, 30), date(2011, 12, 31), date(2012, 1, 1)]
    begins = [moment(day, time(9), "Pacific/Apia") for day in days]
    rotation = Rotation(
        people=PEOPLE,
        time_zone="Pacific/Apia",
        hand_over=time(9),
        shift_length=timedelta(days=1),
        starts_at=begins[0],
    )

    assert begins[1] == begins[2]
    assert [rotation.on_duty(at).user for at in begins] == ["ann", "cid", "cid", "ann"]
