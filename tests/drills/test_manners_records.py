"""What manners are judged by: drills that are under way, drills of before, and who forces one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.models import AlertTestResults, DrillResult, Hop, Hops
from release_watch.catalog.oncall import OnCall, Person, Rotation
from release_watch.catalog.policies import DrillPolicy
from release_watch.drills import manners
from release_watch.drills.drill import LIFE
from release_watch.drills.history import DrillHistory
from release_watch.drills.manners import active_drills, held_back, named_forcer, past_times
from release_watch.drills.routing import Way
from release_watch.errors import BackendError, InvalidInputError
from release_watch.verdict import Verdict
from tests.drills.steps import fired
from tests.drills.world import START, World

POLICY = DrillPolicy(per_receiver=2, every=timedelta(hours=1))
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_drill_that_alertmanager_holds_is_under_way_until_its_life_is_over(world: World) -> None:
    (drill,) = fired(world)

    (found,) = active_drills(world, world.time)

    assert (found.drill_id, found.receivers) == (drill.drill_id, ("oncall",))
    assert timedelta(0) < found.ends_at - START <= LIFE + timedelta(seconds=10)
    assert active_drills(world, found.ends_at + timedelta(seconds=1)) == []


def test_what_the_next_sweep_of_the_release_ends_is_not_under_way(world: World) -> None:
    fired(world)

    assert active_drills(world, world.time, own_release="r-1") == []
    assert len(active_drills(world, world.time, own_release="r-2")) == 1


@pytest.mark.parametrize(
    ("routing", "receivers"),
    [
        pytest.param(lambda *_: _Routing(), ("oncall",), id="routed"),
        pytest.param(lambda *_: _Unknown(), (), id="it cannot be told where"),
    ],
)
def test_a_drill_whose_rule_is_loaded_is_under_way_before_and_after_its_alert(
    world: World, monkeypatch: pytest.MonkeyPatch, routing: Callable[..., Any], receivers: tuple[str, ...]
) -> None:
    (drill,) = fired(world)
    world.held.clear()
    monkeypatch.setattr(manners, "Routing", routing)

    (found,) = active_drills(world, world.time)

    assert (found.drill_id, found.receivers) == (drill.drill_id, receivers)
    assert held_back(["oncall"], world.time, POLICY, {}, [found], True) is not None


class _Routing:
    def way(self, labels: dict[str, str]) -> Way:
        assert labels["alertname"] == "ErrorBudgetBurn"
        assert labels["drill"] == "true"
        return Way(("oncall",), ())


class _Unknown:
    def way(self, *_: object) -> Way:
        raise BackendError("Alertmanager", "its live configuration has no route")


# --- who forces, and what was fired before


def people(*users: str) -> Rotation:
    named = tuple(Person(user=user, name=user.title()) for user in users)
    return Rotation(people=named, starts_at=START)


ONCALL = OnCall(
    roles={
        "sre": people("sam"),
        "oncall": people("ann", "bob"),
        "operations-lead": people("olga"),
        "technical-lead": people("tom"),
    }
)


@pytest.mark.parametrize("user", [" ", "eve", "Ann"])
def test_only_a_person_forces_a_drill(user: str) -> None:
    with pytest.raises(InvalidInputError, match=r"forced_by: .* is nobody in oncall\.yaml"):
        named_forcer(user, ONCALL)


@pytest.mark.parametrize(
    ("given_as", "user"), [pytest.param(None, None, id="nobody"), pytest.param("bob", "bob", id="bob")]
)
def test_who_forces_is_named(given_as: str | None, user: str | None) -> None:
    assert named_forcer(given_as, ONCALL) == user


def test_drills_that_were_fired_count_for_each_of_their_receivers(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    for number, (minutes, has_fired) in enumerate(
        [(90, True), (30, True), (20, False), (15, False), (10, True)]
    ):
        at = NOON - timedelta(minutes=minutes)
        hop = Hop(at=at, latency=0.0, proof="p") if has_fired else Hop()
        drill = DrillResult(
            drill_id=f"{at:%Y%m%dT%H%M%SZ}-0000000{number}-1",
            kind="full",
            service="checkout",
            severity="page",
            route=("r",),
            receiver="oncall, pager",
            receivers=("oncall", "pager"),
            hops=Hops(fired=hop),
            acknowledged_by=None,
            target_seconds=60,
            verdict=Verdict.NO_GO,
            diagnosis=None,
        )
        history.add(
            AlertTestResults(
                release_id="r",
                environment="production",
                generated_at=at,
                verdict=Verdict.NO_GO,
                drills=(drill,),
            )
        )

    times = past_times(history, ["pager", "sms"], POLICY, NOON)

    assert {name: sorted(moments) for name, moments in times.items()} == {
        "pager": [NOON - timedelta(minutes=30), NOON - timedelta(minutes=10)],
        "sms": [],
    }
