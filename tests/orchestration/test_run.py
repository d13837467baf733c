from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from release_watch.errors import InvalidInputError
from release_watch.orchestration.run import ProtocolRun
from release_watch.verdict import ExitState
from tests.orchestration.fakes import PARAMS, START, context

RUNBOOKS = ("RUNBOOKS/monitoring-runbook.md", "RUNBOOKS/checkout.md")


def test_params_that_are_no_release_are_refused_with_every_problem(artifacts):
    with pytest.raises(InvalidInputError) as refused:
        ProtocolRun.of(context(release_id="../../etc", services=[]))

    assert [problem.split(":")[0] for problem in refused.value.problems] == ["release_id", "services"]
    assert not artifacts.exists()


def test_a_run_knows_the_services_of_its_release(run):
    assert [service.name for service in run.services] == PARAMS["services"]


def test_a_halt_is_noted_and_returns_the_error_that_is_not_retried(run, clock):
    error = run.halt(ExitState.BLOCKED, "no telemetry", next_steps=("add some",))

    assert isinstance(error, AirflowFailException)
    assert str(error) == "BLOCKED: no telemetry"
    assert run.stops() == [
        {
            "exit_state": "BLOCKED",
            "reason": "no telemetry",
            "task": "some_group.some_task",
            "at": "2026-03-02T09:00:00.000Z",
            "next_steps": ["add some"],
        }
    ]
    assert [event["event"] for event in run.trail.events()] == ["run ends BLOCKED"]


def test_the_first_stop_stands_first(clock):
    later, earlier = (ProtocolRun.of(context(task)) for task in ("a.later", "z.earlier"))
    earlier.halt(ExitState.ABORTED, "first")
    clock.forward(seconds=1)
    later.halt(ExitState.BLOCKED, "second")

    assert [stop["reason"] for stop in later.stops()] == ["first", "second"]


def test_a_run_that_was_not_stopped_has_no_stops(run):
    assert run.stops() == []


def test_what_was_promised_first_holds(run, clock):
    assert run.once("window", {"length": 1}) == {"length": 1}
    assert run.once("window", {"length": 2}) == {"length": 1}
    assert run.moment_once("end", START) == START
    assert ProtocolRun.of(context("another.task")).moment_once("end", clock.forward(hours=5)) == START


def test_an_event_is_recorded_once_per_key(run):
    run.record("looked", verdict="GO")
    run.record("looked", verdict="NO_GO")
    run.record("looked", "another-key", verdict="NO_GO")

    keys = {event["key"].split(".", 1)[1]: event["verdict"] for event in run.trail.events()}
    assert sorted(keys.items()) == [
        ("another-key", "NO_GO"),
        ("some_group.some_task", "GO"),
    ]


def test_releases_do_not_see_each_others_stops(run):
    ProtocolRun.of(context(release_id="shop-1.2.0")).halt(ExitState.ABORTED, "rejected")

    assert run.stops() == []


def test_a_new_run_of_a_release_is_not_held_up_by_the_stop_of_an_earlier_run(run):
    run.halt(ExitState.ABORTED, "the plan was not approved")

    assert ProtocolRun.of(context(run_id="deploy-d-2", deployment_id="d-2")).stops() == []


def test_a_new_run_of_a_release_makes_its_own_promises(run, clock):
    run.moment_once("window-end", START)

    again = ProtocolRun.of(context(run_id="deploy-d-2", deployment_id="d-2"))

    assert again.moment_once("window-end", clock.forward(days=1)) == clock.moment


def test_a_second_run_of_a_release_that_is_still_watched_is_refused(run):
    run.begin()
    second = ProtocolRun.of(context(run_id="deploy-d-2", deployment_id="d-2"))

    with pytest.raises(InvalidInputError, match="watched by another run"):
        second.begin()

    assert run.owner()["run_id"] == run.run_id


def test_a_run_after_the_earlier_one_has_ended_begins_without_its_notes(run):
    run.begin()
    run.store.write_json("records/gate-1.json", {"verdict": "GO"})
    run.end()
    second = ProtocolRun.of(context(run_id="deploy-d-2", deployment_id="d-2"))

    second.begin()

    assert not run.store.exists("records/gate-1.json")
    assert second.owner()["run_id"] == "deploy-d-2"


def test_no_gate_judges_what_an_earlier_run_proved_and_nothing_is_lost(run):
    run.begin()
    run.store.write_text("alert-test-results.json", "proven by the earlier run")
    for runbook in RUNBOOKS:
        run.store.write_text(runbook, "with a hand-written part")
    run.end()

    ProtocolRun.of(context(run_id="deploy-d-2", deployment_id="d-2")).begin()

    assert not run.store.exists("alert-test-results.json")
    assert [run.store.read_text(name) for name in RUNBOOKS] == ["with a hand-written part"] * 2
    kept = f"earlier/{run.key}/alert-test-results.json"
    assert run.store.read_text(kept) == "proven by the earlier run"


def test_a_retried_first_task_keeps_the_notes_of_its_own_run(run):
    run.begin()
    run.store.write_json("records/gate-1.json", {"verdict": "GO"})

    run.begin()

    assert run.store.exists("records/gate-1.json")
