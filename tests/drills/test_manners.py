"""When a drill may page people, and what is said where it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.policies import DrillPolicy
from release_watch.drills.drill import fire
from release_watch.drills.manners import ActiveDrill, held_back, hold, holding, rounds
from release_watch.drills.routing import Way
from release_watch.verdict import Verdict
from tests.drills.steps import ROUTE, TARGET
from tests.drills.world import RELEASE, World

NIGHT = {"from": "22:00", "until": "07:00", "time_zone": "Europe/Berlin"}
POLICY = DrillPolicy.model_validate({"per_receiver": 2, "every": "PT1H", "quiet_hours": NIGHT})
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, 0, tzinfo=UTC)
OTHER = ActiveDrill("t-1", ("tickets", "oncall"), NOON + timedelta(minutes=20))


def ago(*minutes: float, at: datetime = NOON) -> list[datetime]:
    return [at - timedelta(minutes=count) for count in minutes]


def test_by_day_with_nothing_under_way_a_drill_may_be_fired() -> None:
    assert held_back(["oncall"], NOON, POLICY, {"oncall": ago(59)}, [], False) is None


@pytest.mark.parametrize(
    ("receivers", "at", "past", "active", "forced", "said", "until"),
    [
        pytest.param(
            ["oncall"],
            NOON,
            (),
            [OTHER],
            False,
            "Drill t-1 is under way at receiver oncall",
            20,
            id="overlap",
        ),
        pytest.param(
            ["oncall"],
            NOON,
            (),
            [OTHER],
            True,
            "nobody can force two drills at once",
            20,
            id="overlap, forced",
        ),
        pytest.param(
            ["pager"],
            NOON,
            (),
            [OTHER._replace(receivers=())],
            False,
            "it is not known where it goes",
            20,
            id="somewhere",
        ),
        pytest.param(
            ["pager", "oncall"],
            NOON,
            (50, 40, 70),
            [],
            False,
            "Receiver oncall had 2 drills within 1 h; it gets at most 2",
            10,
            id="often",
        ),
        pytest.param(
            ["oncall"],
            MIDNIGHT,
            (),
            [],
            False,
            "Quiet hours (22:00 to 07:00 Europe/Berlin) hold until 2026-11-23T06:00:00.000Z",
            360,
            id="quiet",
        ),
        pytest.param(
            ["oncall"],
            NOON + timedelta(hours=8, minutes=55),
            (50, 40),
            [],
            False,
            "Receiver oncall had 2",
            545,
            id="often until it is quiet",
        ),
        pytest.param(
            ["oncall"],
            MIDNIGHT,
            (),
            [OTHER._replace(ends_at=MIDNIGHT + timedelta(minutes=5))],
            False,
            "Quiet hours",
            360,
            id="overlap in quiet hours",
        ),
    ],
)
def test_what_holds_a_drill_back_is_said_with_the_moment_it_is_over(
    receivers: list[str],
    at: datetime,
    past: tuple[int, ...],
    active: list[ActiveDrill],
    forced: bool,
    said: str,
    until: int,
) -> None:
    found = hold(receivers, at, POLICY, {"oncall": ago(*past, at=at)}, active, forced=forced)

    assert found is not None
    assert said in found.reason
    assert found.until == at + timedelta(minutes=until)
    assert found.until.strftime("from %Y-%m-%dT%H:%M:%S.000Z on") in found.reason
    assert ("have a person force it" in found.reason) == found.can_be_forced == (not active)


def test_forced_drills_count_and_the_limit_holds_until_enough_of_them_are_long_ago() -> None:
    reason = held_back(["oncall"], NOON, POLICY, {"oncall": ago(30, 50, 40, 20)}, [], False)

    assert "had 4 drills within 1 h; it gets at most 2" in str(reason)
    assert "none until 2026-11-23T12:30:00.000Z" in str(reason)


@pytest.mark.parametrize(
    ("at", "past"), [pytest.param(MIDNIGHT, (), id="quiet"), pytest.param(NOON, (50, 40, 30), id="often")]
)
def test_a_person_can_force_a_drill_against_quiet_hours_and_the_limit(
    at: datetime, past: tuple[int, ...]
) -> None:
    times = {"oncall": ago(*past, at=at)}

    assert held_back(["oncall"], at, POLICY, times, [], False) is not None
    assert held_back(["oncall"], at, POLICY, times, [], True) is None


@pytest.mark.parametrize(
    "active",
    [
        pytest.param(OTHER._replace(receivers=("pager",)), id="elsewhere"),
        pytest.param(OTHER._replace(ends_at=NOON), id="over"),
    ],
)
def test_a_drill_that_takes_nothing_away_holds_nothing_back(active: ActiveDrill) -> None:
    assert held_back(["oncall"], NOON, POLICY, {}, [active], False) is None


MINUTES = st.integers(-300, 3000)


@given(
    start=MINUTES,
    past=st.lists(st.integers(-600, 0), max_size=8),
    ends=st.lists(MINUTES, max_size=2),
    per_receiver=st.integers(1, 4),
    forced=st.booleans(),
    step=st.floats(0, 1, exclude_max=True),
)
@settings(deadline=None, max_examples=60)
def test_until_is_the_first_moment_at_which_nothing_holds_it_back(
    start: int, past: list[int], ends: list[int], per_receiver: int, forced: bool, step: float
) -> None:
    at = NOON + timedelta(minutes=start)
    policy = POLICY.model_copy(update={"per_receiver": per_receiver, "every": timedelta(hours=3)})
    times = {"oncall": [at + timedelta(minutes=count) for count in past]}
    active = [ActiveDrill("t", ("oncall",), NOON + timedelta(minutes=minute)) for minute in ends]

    found = hold(["oncall"], at, policy, times, active, forced=forced)

    if found is not None:
        assert at < found.until
        assert hold(["oncall"], found.until, policy, times, active, forced=forced) is None
        before = min(at + (found.until - at) * step, found.until - timedelta(microseconds=1))
        assert hold(["oncall"], before, policy, times, active, forced=forced)


@given(st.lists(st.integers(0, 600), max_size=30), st.integers(1, 4))
@settings(deadline=None)
def test_no_stretch_of_time_has_more_drills_than_allowed(asked: list[int], most: int) -> None:
    policy = DrillPolicy(per_receiver=most, every=timedelta(hours=1))
    times: dict[str, list[datetime]] = {"oncall": []}
    for minute in sorted(asked):
        at = NOON + timedelta(minutes=minute)
        if held_back(["oncall"], at, policy, times, [], False) is None:
            times["oncall"].append(at)

    assert all(
        later - first >= policy.every
        for first, later in zip(times["oncall"], times["oncall"][most:], strict=False)
    )


def test_routes_that_are_let_pass_count_for_those_asked_after_them() -> None:
    ask = holding(NOON, POLICY, {"oncall": ago(30)}, [])

    assert [ask(ROUTE) is None for _ in range(3)] == [True, False, False]
    assert ask(ROUTE._replace(expected=("pager",))) is None


def test_a_held_back_route_is_inconclusive_and_pages_nobody(world: World) -> None:
    (drill,) = fire(
        [ROUTE],
        RELEASE,
        world,
        world.receipts,
        deliver_within=TARGET,
        clock=world.clock,
        pause=world.pause,
        hold=holding(world.time, POLICY, {}, []),
    )

    assert drill.verdict is Verdict.INCONCLUSIVE
    assert "Quiet hours" in str(drill.diagnosis)
    assert world.reloads == 0


def test_no_receiver_is_twice_in_a_round() -> None:
    def to(*names: str) -> Any:
        return ROUTE._replace(expected=names, way=Way(names, ()))

    routes = [to("a"), to("a", "b"), to("b"), to("c"), to("a")]

    assert rounds(routes) == [[routes[0], routes[2], routes[3]], [routes[1]], [routes[4]]]
    assert rounds([]) == []
