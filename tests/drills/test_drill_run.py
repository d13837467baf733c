from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.drills.alert_test import await_acknowledgements, not_run
from release_watch.drills.drill import LIFE, fire
from release_watch.drills.judging import NO_ANSWER_NEEDED
from release_watch.drills.plan import DrillRoute
from release_watch.drills.receipts import Acknowledgement, Receipts
from release_watch.drills.routing import Way
from release_watch.drills.rulefile import SETTLE
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.verdict import Verdict
from tests.drills.steps import LABELS, ROUTE, TARGET, TICKET, answered, concluded, fired, is_clean
from tests.drills.world import RELEASE, START, World

MISROUTED = ROUTE._replace(way=Way(("tickets",), ("default-route", '{service="checkout"}')))

BOTH = ROUTE._replace(way=Way(("oncall", "second"), ("default-route",)), expected=("oncall", "second"))
CONNECTED = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["am:9093"]}]}]}}

BREAKS = {
    "not loaded": "did not load the drill rule",
    "late": "did not fire",
    "no alertmanager": "its configuration names none",
    "silenced": "Silenced until 2026-12-01T00:00:00Z by somebody",
    "inhibited": "Inhibited by DatacentreDown (site=north)",
    "elsewhere": "Routed elsewhere",
    "group wait": "has not notified anybody yet",
    "dead receiver": "cannot be reached, seen from here: nobody answers at https://127.0.0.1:9",
    "refused": "refuses the notifications (4xx)",
    "refusing old": "refuses the notifications (4xx)",
    "failing": "fails (5xx or no answer in time)",
    "no receipt": "receiver oncall has no record of the drill",
}


class Silent:
    """Records whose pager does not say who answered."""

    def __init__(self, receipts: Receipts) -> None:
        self.find, self.missing, self.pages = receipts.find, receipts.missing, receipts.pages

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        raise BackendError("pager", f"503 for {drill_id}", status=503)


def test_a_drill_that_a_person_answers_in_time_is_go_with_every_hop_proven(world: World) -> None:
    results = fired(world)

    (drill,) = concluded(world, results, answered(world, results)).drills

    assert (drill.verdict, drill.diagnosis, drill.acknowledged_by) == (Verdict.GO, None, "oncall")
    hops = [drill.hops.fired, drill.hops.accepted, drill.hops.delivered, drill.hops.acknowledged]
    assert all(hop.proof and hop.latency is not None for hop in [*hops, drill.hops.resolved])
    assert is_clean(world)


def test_until_a_person_answers_a_delivered_drill_is_inconclusive_and_fires(world: World) -> None:
    (drill,) = fired(world)

    assert (drill.verdict, drill.diagnosis) == (Verdict.INCONCLUSIVE, None)
    assert list(world.held) == [drill.drill_id]


def test_all_drills_of_a_test_take_one_reload(world: World) -> None:
    payments = ROUTE._replace(service="payments", labels={**LABELS, "service": "payments"})

    results = fire(
        [ROUTE, payments],
        RELEASE,
        world,
        world.receipts,
        deliver_within=TARGET,
        clock=world.clock,
        pause=world.pause,
    )

    assert [result.hops.delivered.at is not None for result in results] == [True, True]
    assert world.reloads == 1


@pytest.mark.parametrize(("broken", "words"), BREAKS.items(), ids=list(BREAKS))
def test_each_broken_hop_has_its_own_diagnosis(tmp_path: Path, broken: str, words: str) -> None:
    world = World(tmp_path, frozenset({broken}))

    results = fired(world)

    assert (results[0].verdict, is_clean(world)) == (Verdict.NO_GO, True)
    assert words in str(results[0].diagnosis)
    assert "secret-path" not in str(results[0].diagnosis)


@given(broken=st.sets(st.sampled_from([*BREAKS, "alertmanager down"]), min_size=1))
@settings(max_examples=40, deadline=None)
def test_whatever_is_broken_an_answer_alone_never_makes_it_go(broken: set[str]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), frozenset(broken))
        results = fired(world)

        tested = concluded(world, results, answered(world, results))

        assert not tested.verdict.proceeds
        assert all(drill.diagnosis for drill in tested.drills)
        assert not list(world.rules.glob("*.yaml"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(None, "nobody acknowledged", id="nobody"),
        pytest.param(120, "the target is 1 min", id="too late"),
        pytest.param(-60, "before it was delivered", id="before the delivery"),
    ],
)
def test_an_answer_counts_only_in_its_time(world: World, seconds: int | None, words: str) -> None:
    results = fired(world)
    at = world.time + timedelta(seconds=seconds or 0)
    answers = {} if seconds is None else {results[0].drill_id: Acknowledgement("oncall", at)}

    (drill,) = concluded(world, results, answers).drills

    assert drill.verdict is Verdict.NO_GO
    assert words in str(drill.diagnosis)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        pytest.param("no resolve notice", "the resolve notice did not arrive", id="no resolve notice"),
        pytest.param("pager fails", "gave up notifications", id="another integration fails"),
    ],
)
def test_a_flaw_beside_the_way_to_the_person_is_a_warning(tmp_path: Path, broken: str, words: str) -> None:
    world = World(tmp_path, frozenset({broken}))
    results = fired(world)

    (drill,) = concluded(world, results, answered(world, results)).drills

    assert drill.verdict is Verdict.WARN
    assert words in str(drill.diagnosis)


def test_a_silenced_drill_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, frozenset({"silenced"}))

    fired(world)

    assert world.time < START + SETTLE + timedelta(seconds=1)


def test_a_drill_that_misses_one_of_the_receivers_is_no_go(world: World) -> None:
    (drill,) = fired(world, BOTH)

    assert drill.verdict is Verdict.NO_GO
    assert "a real alert goes to oncall, second" in str(drill.diagnosis)


def test_a_page_that_an_earlier_route_takes_away_is_no_go_though_it_was_delivered(world: World) -> None:
    (drill,) = fired(world, MISROUTED)

    assert drill.verdict is Verdict.NO_GO
    assert "the order of the routes is wrong" in str(drill.diagnosis)


def test_a_route_with_an_obstacle_is_not_fired(world: World) -> None:
    (drill,) = fired(world, ROUTE._replace(obstacle="nobody is told"))

    assert (drill.verdict, drill.diagnosis) == (Verdict.NO_GO, "nobody is told")
    assert world.reloads == 0


def test_no_route_at_all_is_inconclusive(world: World) -> None:
    tested = concluded(world, [], {})

    assert tested.verdict is Verdict.INCONCLUSIVE
    assert tested.not_drilled


def test_an_alertmanager_that_dies_under_way_is_an_error(tmp_path: Path) -> None:
    world = World(tmp_path, frozenset({"alertmanager down"}))

    (drill,) = fired(world)

    assert drill.verdict is Verdict.ERROR
    assert "connection refused" in str(drill.diagnosis)


def test_a_page_is_delivered_when_the_last_of_its_receivers_has_it(world: World) -> None:
    world.reached = ("oncall", "second")

    results = fired(world, BOTH)
    (drill,) = concluded(world, results, answered(world, results)).drills

    second = world.receipts.find(drill.drill_id, "firing", ["second"])
    assert second is not None
    assert (drill.verdict, drill.hops.delivered.at) == (Verdict.GO, second.at)
    assert all(f"{name}: file://" in str(drill.hops.delivered.proof) for name in drill.receivers)
    assert all(f"{name}: file://" in str(drill.hops.resolved.proof) for name in drill.receivers)


def test_a_receiver_without_a_record_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, frozenset({"second is deaf"}))
    world.reached = ("oncall", "second")

    (drill,) = fired(world, BOTH)

    assert drill.verdict is Verdict.NO_GO
    assert "Receiver oncall has it, second has not." in str(drill.diagnosis)


@pytest.mark.parametrize(
    ("configuration", "reloaded_ago", "words"),
    [
        pytest.param({"global": {}}, 3, "its configuration names none", id="never configured"),
        pytest.param(
            {"alerting": {"alertmanagers": []}}, 3, "its configuration names none", id="an empty list"
        ),
        pytest.param(CONNECTED, 3, "list of Alertmanagers is empty, 3 s after it was reloaded", id="reload"),
        pytest.param(CONNECTED, 600, "service discovery finds none", id="nothing discovered"),
    ],
)
def test_an_empty_list_of_alertmanagers_says_why(
    tmp_path: Path, configuration: dict[str, object], reloaded_ago: float, words: str
) -> None:
    world = World(tmp_path, frozenset({"no alertmanager"}))
    world.prometheus_configuration, world.reloaded_ago = configuration, reloaded_ago

    (drill,) = fired(world)

    assert drill.verdict is Verdict.NO_GO
    assert words in str(drill.diagnosis)


def test_a_ticket_needs_no_acknowledgement(world: World) -> None:
    (drill,) = concluded(world, fired(world, TICKET), {}).drills

    assert (drill.verdict, drill.diagnosis, drill.acknowledged_by) == (Verdict.GO, None, None)
    assert (drill.hops.acknowledged.at, drill.hops.acknowledged.proof) == (None, NO_ANSWER_NEEDED)
    assert drill.hops.resolved.at is not None


def test_an_undelivered_ticket_is_no_go(tmp_path: Path) -> None:
    world = World(tmp_path, frozenset({"dead receiver"}))

    tested = concluded(world, fired(world, TICKET), {})

    assert (tested.verdict, tested.drills[0].verdict) == (Verdict.NO_GO, Verdict.NO_GO)


def test_a_ticket_that_tells_nobody_is_listed_and_warned_of(world: World) -> None:
    results = fired(world, ROUTE, TICKET._replace(obstacle="nobody is told"))

    tested = concluded(world, results, answered(world, results))

    assert tested.verdict is Verdict.WARN
    assert [drill.severity for drill in tested.drills] == ["page"]
    assert tested.not_drilled == ("checkout ticket to oncall: nobody is told",)


@pytest.mark.parametrize("route", [ROUTE, TICKET], ids=["page", "ticket"])
def test_a_route_that_is_held_back_is_not_fired_and_never_go(world: World, route: DrillRoute) -> None:
    other = ROUTE._replace(service="payments", labels={**LABELS, "service": "payments"})

    results = fired(world, other, route, hold=lambda one: "quiet hours" if one is route else None)
    tested = concluded(world, results, answered(world, results))

    assert [result.hops.delivered.at is not None for result in results] == [True, False]
    assert tested.verdict is Verdict.INCONCLUSIVE
    assert tested.not_drilled == (f"checkout {route.severity} to oncall: Held back: quiet hours",)
    assert is_clean(world)


def test_a_receiver_that_does_not_tell_who_answered_is_an_error(world: World) -> None:
    results = fired(world)

    tested = concluded(world, results, {}, records=Silent(world.receipts))

    assert tested.verdict is Verdict.ERROR
    assert "Whether anybody acknowledged cannot be told: pager: 503" in str(tested.drills[0].diagnosis)
    assert is_clean(world)


def test_a_ticket_is_not_waited_for(world: World) -> None:
    results = fired(world, TICKET)
    begun = world.time

    assert await_acknowledgements(results, world.receipts, TARGET, clock=world.clock, pause=world.pause) == {}
    assert world.time == begun


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_drill_leaves_nothing(world: World, signal: type[BaseException]) -> None:
    def interrupted(_: float) -> None:
        world.pause(10)
        raise signal

    with pytest.raises(signal):
        fire(
            [ROUTE],
            RELEASE,
            world,
            world.receipts,
            deliver_within=TARGET,
            clock=world.clock,
            pause=interrupted,
        )

    assert is_clean(world)


def test_a_drill_that_nobody_ends_ends_by_itself(world: World) -> None:
    (drill,) = fired(world)

    world.pause(LIFE.total_seconds())

    assert world.held == {}
    assert world.receipts.find(drill.drill_id, "resolved") is not None


def test_the_wait_ends_with_the_last_answer(world: World) -> None:
    results = fired(world)
    given = world.receipts.acknowledge(results[0].drill_id, "oncall", world.time)

    answers = await_acknowledgements(results, world.receipts, TARGET, clock=world.clock, pause=world.pause)

    assert answers == {results[0].drill_id: given}


def test_the_wait_ends_with_the_target(world: World) -> None:
    results = fired(world)
    begun = world.time

    assert await_acknowledgements(results, world.receipts, TARGET, clock=world.clock, pause=world.pause) == {}
    assert world.time - begun <= TARGET + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        pytest.param(
            NotConfiguredError("alertmanager_default", "drills"), Verdict.INCONCLUSIVE, id="no connection"
        ),
        pytest.param(BackendError("Alertmanager", "connection refused"), Verdict.ERROR, id="no answer"),
    ],
)
def test_a_test_that_could_not_be_run_says_why(
    world: World, reason: NotConfiguredError | BackendError, verdict: Verdict
) -> None:
    tested = not_run(RELEASE, reason, world.time)

    assert (tested.verdict, tested.not_drilled) == (verdict, (str(reason),))
