from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.drills.direct import fire_direct
from release_watch.drills.drill import LIFE, fire
from release_watch.drills.sweep import sweep
from release_watch.errors import BackendError
from release_watch.verdict import Verdict
from tests.drills.steps import ROUTE, TARGET, answered, concluded, fired, is_clean
from tests.drills.world import RELEASE, World

BREAKS = {
    "silenced": "Silenced until 2026-12-01T00:00:00Z by somebody",
    "inhibited": "Inhibited by DatacentreDown (site=north)",
    "elsewhere": "Routed elsewhere",
    "group wait": "has not notified anybody yet",
    "refused": "refuses the notifications (4xx)",
    "failing": "fails (5xx or no answer in time)",
    "loses alerts": "took the alert but does not hold it",
}


def test_a_direct_drill_passes_every_hop_without_prometheus_and_says_so(world: World) -> None:
    world.prometheus = refuse  # type: ignore[method-assign]
    world.rules.rmdir()

    results = fired(world, by=fire_direct)
    (drill,) = concluded(world, results, answered(world, results)).drills

    assert (drill.kind, drill.verdict, drill.diagnosis) == ("direct", Verdict.GO, None)
    assert "says nothing about Prometheus" in str(drill.hops.fired.proof)
    hops = [drill.hops.fired, drill.hops.accepted, drill.hops.delivered, drill.hops.resolved]
    assert all(hop.at is not None and hop.proof for hop in hops)
    assert world.held == {}


def refuse() -> None:
    raise BackendError("Prometheus", "was asked")


@pytest.mark.parametrize(("broken", "words"), BREAKS.items(), ids=list(BREAKS))
def test_each_broken_hop_of_a_direct_drill_has_its_own_diagnosis(
    tmp_path: Path, broken: str, words: str
) -> None:
    world = World(tmp_path, frozenset({broken}))

    (drill,) = fired(world, by=fire_direct)

    assert (drill.verdict, is_clean(world)) == (Verdict.NO_GO, True)
    assert words in str(drill.diagnosis)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_direct_drill_leaves_nothing(tmp_path: Path, signal: type[BaseException]) -> None:
    world = World(tmp_path, frozenset({"group wait"}))

    def interrupted(seconds: float) -> None:
        world.pause(seconds)
        assert world.held
        raise signal

    with pytest.raises(signal):
        fire_direct(
            [ROUTE],
            RELEASE,
            world,
            world.receipts,
            deliver_within=TARGET,
            clock=world.clock,
            pause=interrupted,
        )

    assert is_clean(world)


def test_a_direct_drill_that_alertmanager_refuses_in_part_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, frozenset({"takes half"}))

    with pytest.raises(BackendError, match="one is bad"):
        fired(world, by=fire_direct)

    assert is_clean(world)


def test_a_direct_drill_that_nobody_ends_ends_by_itself(world: World) -> None:
    (drill,) = fired(world, by=fire_direct)

    world.pause(LIFE.total_seconds())

    assert world.held == {}
    assert world.receipts.find(drill.drill_id, "resolved") is not None


@pytest.mark.parametrize("by", [fire, fire_direct])
def test_the_next_start_ends_a_direct_drill_that_was_left(world: World, by: object) -> None:
    (left,) = fired(world, by=fire_direct)

    (next_one,) = fired(world, by=by)  # type: ignore[arg-type]

    assert list(world.held) == [next_one.drill_id] != [left.drill_id]


@pytest.mark.parametrize(
    ("release_id", "after", "is_swept"),
    [
        pytest.param("r-1", timedelta(0), True, id="its own release at once"),
        pytest.param("r-2", timedelta(0), False, id="another release not while under way"),
        pytest.param("r-2", LIFE + TARGET, True, id="another release past its life"),
    ],
)
def test_a_sweep_takes_a_direct_drill_that_is_left_over(
    world: World, release_id: str, after: timedelta, is_swept: bool
) -> None:
    (drill,) = fired(world, by=fire_direct)

    swept = sweep(world, release_id=release_id, at=world.time + after)

    assert swept == ([drill.drill_id.rpartition("-")[0]] if is_swept else [])
    assert bool(world.held) is not is_swept
