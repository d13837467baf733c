from __future__ import annotations

from datetime import timedelta

import pytest

from release_watch.drills.drill import LIFE
from release_watch.drills.sweep import sweep
from tests.drills.steps import TARGET, fired, is_clean
from tests.drills.world import World


@pytest.mark.parametrize(
    ("release_id", "after", "is_swept"),
    [
        pytest.param("r-1", timedelta(0), True, id="its own release at once"),
        pytest.param("r-2", timedelta(0), False, id="another release not while under way"),
        pytest.param(None, timedelta(0), False, id="nobody's while under way"),
        pytest.param("r-2", LIFE + TARGET, True, id="another release past its life"),
        pytest.param(None, LIFE + TARGET, True, id="nobody's past its life"),
    ],
)
def test_a_sweep_takes_what_is_left_over(
    world: World, release_id: str | None, after: timedelta, is_swept: bool
) -> None:
    (drill,) = fired(world)

    swept = sweep(world, release_id=release_id, at=world.time + after)

    assert swept == ([drill.drill_id.rpartition("-")[0]] if is_swept else [])
    assert is_clean(world) is is_swept


def test_a_sweep_leaves_other_rules_alone(world: World) -> None:
    other = world.rules / "release-watch-drill-bay.yaml"
    other.write_text("groups: []")

    assert sweep(world, release_id="r-1") == []
    assert other.exists()


def test_a_half_written_drill_file_is_swept(world: World) -> None:
    (world.rules / "release-watch-drill-20261122T030000Z-0123abcd.yaml").write_text("groups: [")
    world.broken = frozenset({"not loaded"})

    assert sweep(world) == ["20261122T030000Z-0123abcd"]
    assert is_clean(world)
