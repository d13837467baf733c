from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.drills.cadence import mark_of, tonight
from release_watch.drills.history import DrillHistory, Kind
from release_watch.drills.plan import DrillRoute
from release_watch.drills.routing import Way
from tests.drills.past import START, drill_of, results_of


class Diary:
    """Turns in memory: which route was drilled in which night."""

    def __init__(self) -> None:
        self.turns: dict[tuple[str, str], str] = {}
        self.night = 0

    def last_turns(self, service: str, _: Kind, marks: Iterable[str]) -> dict[str, str]:
        return {mark: self.turns[service, mark] for mark in marks if (service, mark) in self.turns}

    def keep(self, routes: Sequence[DrillRoute]) -> None:
        self.night += 1
        for route in routes:
            self.turns[route.service, mark_of(route)] = f"{self.night:06}"


def route(service: str = "checkout", receiver: str = "oncall") -> DrillRoute:
    way = Way((receiver,), ("default-route", f'{{team="{receiver}"}}'))
    return DrillRoute(service, "page", {"service": service}, way, (receiver,))


def kept(history: DrillHistory, route: DrillRoute, night: int, kind: Kind = "full") -> None:
    drill = drill_of(
        at=START + timedelta(days=night),
        service=route.service,
        receivers=route.expected,
        route=route.way.route,
        kind=kind,
    )
    history.add(results_of(drill))


SERVICES = st.lists(st.integers(1, 5), min_size=1, max_size=5)
"""How many routes each service has."""


def routes_of(services: Sequence[int]) -> list[DrillRoute]:
    return [
        route(f"service-{number}", f"receiver-{way}")
        for number, ways in enumerate(services)
        for way in range(ways)
    ]


@given(SERVICES, st.randoms(use_true_random=False))
def test_every_route_is_drilled_within_as_many_nights_as_its_service_has_routes(services, random) -> None:
    routes, diary = routes_of(services), Diary()
    nights = []
    for _ in range(3 * max(services)):
        random.shuffle(routes)  # nobody promises an order
        nights.append(tonight(routes, diary))
        diary.keep(nights[-1])

    for chosen in nights:
        assert sorted(route.service for route in chosen) == sorted({route.service for route in routes})
    for one in routes:
        ways = services[int(one.service.removeprefix("service-"))]
        turns = [night for night, chosen in enumerate(nights) if one in chosen]
        assert turns[0] < ways
        assert {later - earlier for earlier, later in pairwise(turns)} <= {ways}


@given(SERVICES, st.integers(1, 3))
def test_no_service_is_left_out_for_good_where_only_some_may_be_drilled_a_night(services, allowed) -> None:
    routes, diary = routes_of(services), Diary()
    drilled: Counter[str] = Counter()
    for _ in range(12 * len(services)):
        chosen = tonight(routes, diary)[:allowed]
        diary.keep(chosen)
        drilled.update(route.service for route in chosen)

    assert set(drilled) == {route.service for route in routes}


@given(SERVICES)
def test_the_same_history_gives_the_same_answer(services) -> None:
    routes, diary = routes_of(services), Diary()
    diary.keep(tonight(routes, diary))

    assert tonight(routes, diary) == tonight(routes, diary)


def test_what_was_never_drilled_comes_before_what_was(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    old, new = route(receiver="old"), route(receiver="new")
    kept(history, old, -300)

    assert tonight([old, new], history) == [new]


def test_the_turn_goes_to_the_longest_ago_also_over_months(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    ways = [route(receiver=name) for name in ("a", "b", "c")]
    for way, night in zip(ways, (-2, -75, -40), strict=True):
        kept(history, way, night)

    assert tonight(ways, history) == [ways[1]]
    kept(history, ways[1], 0)
    assert tonight(ways, history) == [ways[2]]


def test_the_service_that_waits_longest_comes_first(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    recent, long_ago, never = route("recent"), route("long-ago"), route("never")
    kept(history, recent, -1)
    kept(history, long_ago, -9)

    assert tonight([recent, long_ago, never], history) == [never, long_ago, recent]


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 4))
def test_many_nights_with_real_files_are_fair(tmp_path_factory: pytest.TempPathFactory, ways: int) -> None:
    history = DrillHistory.under(tmp_path_factory.mktemp("turns"))
    routes = [route(service, f"r-{way}") for service in ("checkout", "payments") for way in range(ways)]
    drilled: Counter[tuple[str, str]] = Counter()
    for night in range(3 * ways):
        for chosen in tonight(routes, history):
            kept(history, chosen, night)
            drilled[chosen.service, chosen.expected[0]] += 1

    assert set(drilled.values()) == {3}


def test_drills_of_the_other_kind_are_no_turn(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    first, second = route(receiver="first"), route(receiver="second")
    kept(history, first, -2)
    kept(history, second, -3)
    kept(history, second, -1, kind="direct")

    assert tonight([first, second], history) == [second]
    assert tonight([first, second], history, kind="direct") == [first]


def test_another_route_of_the_service_stands_in_for_one_that_is_held_back() -> None:
    limited, free = route(receiver="limited"), route(receiver="free")

    chosen = tonight([limited, free], Diary(), held_back=lambda one: "too often" if one == limited else None)

    assert chosen == [free]


def test_a_limit_of_the_night_is_spent_on_those_who_wait_longest() -> None:
    routes, diary = routes_of([1, 1, 1]), Diary()
    diary.keep(routes[:2])
    asked: list[DrillRoute] = []

    def only_one(one: DrillRoute) -> str | None:
        asked.append(one)
        return None if len(asked) == 1 else "the receiver had its drill tonight"

    chosen = tonight(routes, diary, held_back=only_one)

    assert asked == chosen == [routes[2], routes[0], routes[1]]


def test_where_all_are_held_back_the_one_whose_turn_it_is_is_told() -> None:
    first, second = route(receiver="first"), route(receiver="second")

    assert tonight([first, second], Diary(), held_back=lambda _: "quiet hours") == [first]


def test_a_route_with_an_obstacle_has_its_turn_and_blocks_nobody(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    blocked = DrillRoute("checkout", "page", {}, Way((), ()), (), "There is no alert.")
    free = route()

    assert tonight([blocked, free], history) == [blocked]
    kept(history, blocked, 0)
    assert tonight([blocked, free], history) == [free]


def test_a_ticket_that_cannot_be_drilled_takes_no_turn() -> None:
    blocked = DrillRoute("checkout", "ticket", {}, Way((), ()), (), "The receiver tells nobody.")
    free = route()

    assert tonight([blocked, free], Diary()) == [free]
    assert tonight([blocked], Diary()) == [blocked]


def test_no_routes_no_drills() -> None:
    assert tonight([], Diary()) == []
