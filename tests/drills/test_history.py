from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.drills.history import FOLDER, DrillHistory
from release_watch.drills.passage import HOPS
from release_watch.errors import InvalidInputError
from release_watch.verdict import Verdict
from tests.drills.past import PASSED, START, drill_of, results_of


@pytest.fixture(params=["local", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return tmp_path if request.param == "local" else ObjectStoragePath(f"memory://bucket{tmp_path}")


@pytest.fixture
def history(root: Any) -> DrillHistory:
    return DrillHistory.under(root)


def nights(count: int, **more: Any) -> list[Any]:
    return [drill_of(at=START - timedelta(days=number), **more) for number in range(count)]


def files(root: Any) -> list[Any]:
    folder = root / FOLDER
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_without_drills_there_is_nothing(history: DrillHistory) -> None:
    assert history.recent() == ()
    assert history.recent(service="checkout") == ()
    assert history.statistics() == ()
    assert history.last_turns("checkout", "full", ["a"]) == {}


def test_a_drill_is_one_file_and_comes_back(history: DrillHistory, root: Any) -> None:
    drill = drill_of(receivers=("oncall", "mail"))

    history.add(results_of(drill))

    assert len(files(root)) == 1
    (past,) = history.recent()
    assert past.drill_id == drill.drill_id
    assert past.environment == "production"
    assert past.release_id == "shop-1.1.0"
    assert past.receivers == ("oncall", "mail")
    assert past.at == START + timedelta(seconds=6)
    assert past.seconds == PASSED
    assert past.fired


def test_adding_again_replaces_what_was_kept(history: DrillHistory, root: Any) -> None:
    history.add(results_of(drill_of(seconds={"fired": 0.4}, verdict=Verdict.INCONCLUSIVE)))

    history.add(results_of(drill_of(), generated_at=START + timedelta(hours=1)))

    assert len(files(root)) == 1
    assert [past.verdict for past in history.recent()] == [Verdict.GO]


def test_a_drill_that_never_fired_is_kept_in_one_place(history: DrillHistory, root: Any) -> None:
    never = drill_of(seconds={}, verdict=Verdict.NO_GO, receivers=(), route=())

    for days in (0, 40):
        history.add(results_of(never, generated_at=START + timedelta(days=days)))

    assert len(files(root)) == 1
    (past,) = history.recent()
    assert not past.fired
    assert past.receivers == ()
    assert history.statistics() == ()


def test_a_drill_that_was_held_back_is_not_kept(history: DrillHistory, root: Any) -> None:
    held = drill_of(seconds={}, verdict=Verdict.INCONCLUSIVE, diagnosis="Quiet hours hold until 07:00.")

    history.add(results_of(held))

    assert not files(root)


def test_the_newest_come_first_over_months(history: DrillHistory) -> None:
    drills = nights(75)
    for drill in reversed(drills):
        history.add(results_of(drill))

    assert [past.drill_id for past in history.recent(limit=70)] == [drill.drill_id for drill in drills[:70]]


def test_one_service_or_one_receiver_is_picked(history: DrillHistory) -> None:
    history.add(
        results_of(
            drill_of(1, service="checkout", receivers=("oncall", "mail")),
            drill_of(2, service="payments", receivers=("oncall",)),
            drill_of(3, service="cart", receivers=("a team, of two",)),
        )
    )

    def services(**picked: Any) -> set[str]:
        return {past.service for past in history.recent(**picked)}

    assert services(service="payments") == {"payments"}
    assert services(receiver="oncall") == {"checkout", "payments"}
    assert services(receiver="mail") == {"checkout"}
    assert services(receiver="a team, of two") == {"cart"}
    assert services(receiver="a team") == set()
    assert services(service="cart", receiver="mail") == set()


def test_a_drill_of_very_many_receivers_is_found_by_each(history: DrillHistory) -> None:
    names = tuple(f"team-{number}" for number in range(40))
    history.add(results_of(drill_of(receivers=names)))

    assert len(history.recent(receiver="team-39")) == 1
    assert history.recent(receiver="team-40") == ()


def test_only_drills_after_a_moment(history: DrillHistory) -> None:
    for drill in nights(60):
        history.add(results_of(drill))

    since = START.replace(day=1, hour=0)
    found = history.recent(since=since)

    assert len(found) == 22
    assert all(past.at > since for past in found)


def test_a_drill_begun_in_the_last_seconds_of_a_month_is_found(history: DrillHistory) -> None:
    before_midnight = START.replace(day=1, hour=0) - timedelta(seconds=3)
    history.add(results_of(drill_of(at=before_midnight)))

    assert len(history.recent(since=START.replace(day=1, hour=0))) == 1


def test_environments_are_kept_apart(root: Any) -> None:
    DrillHistory.under(root).add(results_of(drill_of(1), environment="staging"))
    DrillHistory.under(root).add(results_of(drill_of(2)))

    assert [past.environment for past in DrillHistory.under(root, "staging").recent()] == ["staging"]
    assert len(DrillHistory.under(root).recent()) == 2
    assert DrillHistory.under(root, "test").recent() == ()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"drill_id": "x"}'])
def test_a_damaged_file_is_left_out_and_told(
    history: DrillHistory, root: Any, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for drill in nights(3):
        history.add(results_of(drill))
    newest = max(files(root), key=lambda path: path.name)
    newest.write_bytes(damage)

    with caplog.at_level(logging.WARNING):
        found = history.recent(limit=2)

    assert len(found) == 2
    assert newest.name in caplog.text


def test_files_of_others_are_left_alone(history: DrillHistory, root: Any) -> None:
    history.add(results_of(drill_of()))
    for place in ("notes.json", "production/notes.json", "production/2026-11/checkout/notes.json"):
        (root / FOLDER / place).write_bytes(b"{}")

    assert len(history.recent()) == 1


def test_only_as_many_files_are_read_as_are_asked_for(tmp_path: Path, monkeypatch: Any) -> None:
    history = DrillHistory.under(tmp_path)
    for drill in nights(50):
        history.add(results_of(drill))
    read: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: [read.append(path), read_bytes(path)][1])

    assert len(history.recent(receiver="oncall", limit=5)) == 5
    assert history.statistics(limit=7)[0].drills == 7

    assert len(read) == 12


@pytest.mark.parametrize("field", ["service", "environment"])
def test_what_is_no_identifier_becomes_no_path(tmp_path: Path, field: str) -> None:
    results = results_of(drill_of(service="../x" if field == "service" else "checkout"))
    if field == "environment":
        results = results.model_copy(update={"environment": "../x"})

    with pytest.raises(InvalidInputError, match="is not a valid identifier"):
        DrillHistory.under(tmp_path).add(results)

    assert not files(tmp_path)


def test_statistics_name_the_worst_drill_of_every_hop(history: DrillHistory) -> None:
    slow = drill_of(at=START - timedelta(days=1), seconds={**PASSED, "delivered": 9.0})
    failed = drill_of(
        at=START - timedelta(days=2), seconds={"fired": 3.0, "accepted": 3.5}, verdict=Verdict.NO_GO
    )
    for drill in (drill_of(), slow, failed):
        history.add(results_of(drill))

    found = {one.hop: one for one in history.statistics()}

    assert list(found) == list(HOPS)
    assert (found["fired"].drills, found["fired"].p50_seconds) == (3, 0.4)
    assert (found["fired"].worst_seconds, found["fired"].worst_drill_id) == (3.0, failed.drill_id)
    assert (found["delivered"].drills, found["delivered"].p50_seconds) == (2, 4.95)
    assert (found["delivered"].worst_seconds, found["delivered"].worst_drill_id) == (9.0, slow.drill_id)


def test_statistics_tell_kinds_and_receivers_apart(history: DrillHistory) -> None:
    history.add(
        results_of(
            drill_of(1, receivers=("oncall",)),
            drill_of(2, receivers=("oncall",), kind="direct"),
            drill_of(3, receivers=("mail",)),
        )
    )

    groups = [(one.receiver, one.kind) for one in history.statistics() if one.hop == "fired"]

    assert groups == [("mail", "full"), ("oncall", "full"), ("oncall", "direct")]
    assert {one.receiver for one in history.statistics(receivers=["oncall"])} == {"oncall"}


@settings(max_examples=25, deadline=None)
@given(latencies=st.lists(st.floats(0, 1e4, allow_nan=False), min_size=1, max_size=12))
def test_the_statistics_are_the_median_and_the_worst(
    latencies: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = DrillHistory.under(tmp_path_factory.mktemp("history"))
    for number, latency in enumerate(latencies):
        history.add(results_of(drill_of(at=START + timedelta(minutes=number), seconds={"fired": latency})))

    (told,) = history.statistics()

    assert told.drills == len(latencies)
    assert told.p50_seconds == pytest.approx(median(latencies), abs=1e-3)
    assert told.worst_seconds == max(latencies)


def test_the_last_turn_of_a_path_is_told_without_reading(tmp_path: Path) -> None:
    history = DrillHistory.under(tmp_path)
    older, newer = drill_of(at=START - timedelta(days=50)), drill_of()
    for drill in (newer, older, drill_of(at=START + timedelta(days=1), kind="direct")):
        history.add(results_of(drill))
    for file in files(tmp_path):
        mark = file.name.split("~")[2]
        file.write_text(json.dumps({}))

    assert history.last_turns("checkout", "full", [mark, "never"]) == {mark: newer.drill_id}
