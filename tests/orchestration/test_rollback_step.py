"""Rolling back as the run does it: over Airflow's connection, against an orchestrator that counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from release_watch.artifacts.models import (
    Approval,
    Finding,
    FindingState,
    MonitoringResults,
    Severity,
    Window,
)
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.sensors.rollback import RollbackSensor
from release_watch.orchestration.steps.rolling_back import (
    ROLLBACK,
    ROLLBACK_RECORD,
    ledger,
    planned_response,
    roll_back,
    rollback_record,
)
from release_watch.orchestration.steps.watching import RESULTS
from release_watch.response.ledger import EntryState
from release_watch.response.policy import Action
from release_watch.response.rollback_record import Stage
from release_watch.verdict import Objective, Verdict
from tests.orchestration.fakes import START, context
from tests.response.orchestrator import serving

TASK = "baseline_window.await_rollback"
NUMBERS = Objective(name="checkout errors", verdict=Verdict.NO_GO, reason="12 %", value="12 %", query="up")


def finding(service="checkout", severity=Severity.CRITICAL):
    return Finding(
        finding_id=f"{service}-errors",
        service=service,
        metric="http.error_ratio",
        severity=severity,
        first_seen=START,
        last_seen=START,
        state=FindingState.OPEN,
        reason="12 % instead of 0.1 %",
        evidence=(NUMBERS,),
    )


@pytest.fixture(autouse=True)
def moment(clock, monkeypatch):
    monkeypatch.setattr("release_watch.orchestration.steps.rolling_back.now", clock)
    return clock


@pytest.fixture
def orchestrator(monkeypatch):
    with serving() as running:
        monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_DEFAULT", running.connection())
        yield running


@pytest.fixture
def found(run):
    """The run, after a review found something critical."""
    results = MonitoringResults(
        release_id=run.release.release_id,
        environment=run.release.environment,
        generated_at=START,
        verdict=Verdict.NO_GO,
        window=Window(start=START, end=START),
        reviews=(),
        findings=(finding(), finding("payments", Severity.MAJOR)),
    )
    run.store.write_json(RESULTS, results)
    return run


def wait():
    with pytest.raises(TaskDeferred):
        RollbackSensor(task_id="await_rollback").execute(context(TASK))


def end():
    with pytest.raises(AirflowFailException) as ended:
        RollbackSensor(task_id="await_rollback").execute(context(TASK))
    return str(ended.value)


@pytest.mark.parametrize("fail", ["before", "after"])
def test_500_twice_and_then_200_is_one_rollback_and_rolled_back(found, orchestrator, pauses, fail):
    orchestrator.fail, orchestrator.fail_next = fail, 2

    roll_back(found)
    orchestrator.end("succeeded")

    assert end().startswith("ROLLED_BACK: rolled back from 1.1.0 to 1.0.0: checkout http.error_ratio: 12 %")
    assert len(orchestrator.begun) == 1
    assert orchestrator.keys == ["shop-1.1.0"] * 3


def test_an_orchestrator_that_is_away_is_asked_again_by_the_sensor_with_the_same_key(
    found, orchestrator, pauses
):
    orchestrator.fail, orchestrator.fail_next = "after", 5

    roll_back(found)
    stage = rollback_record(found).stage
    wait()
    orchestrator.end("succeeded")

    assert stage is Stage.UNANSWERED
    assert end().startswith("ROLLED_BACK")
    assert (len(orchestrator.begun), set(orchestrator.keys)) == (1, {"shop-1.1.0"})


def test_a_step_that_is_run_again_asks_no_second_time(found, orchestrator):
    roll_back(found)
    roll_back(found)

    assert len(orchestrator.keys) == 1


def test_the_evidence_says_why_by_whom_past_which_guards_and_how_it_ended(found, orchestrator):
    roll_back(found)
    orchestrator.end("succeeded")
    end()

    record = rollback_record(found)
    assert record.decided_by == "the rollback policy"
    assert {name: str(policy) for name, policy in record.policies.items()} == {"checkout": "ask"}
    assert [one.finding_id for one in record.findings] == ["checkout-errors"]
    assert record.findings[0].evidence == (NUMBERS,)
    assert len(record.guards) == 4
    assert all(guard.passed for guard in record.guards)
    assert [event.what for event in record.events] == ["asked for: rollback rb-1", "rollback rb-1 succeeded"]
    told = {event["event"] for event in found.trail.events()}
    assert told >= {"rollback decided", "rollback running", "rollback succeeded", "rollback ended"}
    assert found.store.exists(ROLLBACK)
    assert ledger().of(found.release).state is EntryState.SUCCEEDED


def test_the_person_who_said_yes_is_in_the_evidence(found, orchestrator):
    yes = Approval(
        role="oncall",
        task="ask_rollback",
        answer="yes",
        responded_by="kim",
        responded_at=START,
        evidence_uri=found.store.uri_of(RESULTS),
        evidence_sha256=found.store.digest(RESULTS).sha256,
    )
    found.store.write_json("records/approval-ask_rollback.json", yes)

    roll_back(found)

    assert (rollback_record(found).decided_by, rollback_record(found).approved_by) == ("kim", "kim")


def test_another_deployment_holds_it_back_and_then_it_is_asked_for(found, orchestrator, clock):
    other = {
        "deployment_id": "d-2",
        "environment": "production",
        "services": ["payments"],
        "status": "deploying",
    }
    orchestrator.deployments = [other]

    roll_back(found)
    wait()
    asked_too_early = list(orchestrator.keys)
    orchestrator.deployments = [{**other, "status": "deployed"}]
    wait()

    assert asked_too_early == []
    assert rollback_record(found).stage is Stage.RUNNING


def test_what_is_held_back_for_too_long_ends_aborted_and_asks_for_hands(found, orchestrator, clock):
    orchestrator.deployments = [{"deployment_id": "d-2", "status": "deploying"}]
    roll_back(found)
    wait()
    clock.forward(minutes=31)

    said = end()

    assert said.startswith("ABORTED: the rollback is not over after 30 min (held back by no other deployment")
    assert "by hand" in found.stops()[0]["next_steps"][0]
    assert orchestrator.keys == []


def test_a_refusal_ends_aborted_in_the_orchestrators_words(found, orchestrator):
    orchestrator.refusal = "the shop runs 1.2.0"
    roll_back(found)

    assert "the shop runs 1.2.0" in end()
    assert ledger().of(found.release).state is EntryState.REFUSED


def test_clearing_the_task_after_a_refusal_asks_once_more(found, orchestrator):
    orchestrator.refusal = "locked by an administrator"
    roll_back(found)
    end()
    orchestrator.refusal = None

    roll_back(found)

    assert rollback_record(found).stage is Stage.RUNNING
    assert "tried again by hand" in [event.what for event in rollback_record(found).events]


def test_shadow_mode_asks_nobody(shadow_run, orchestrator):
    with pytest.raises(AirflowSkipException):
        roll_back(shadow_run)

    assert orchestrator.keys == []
    assert not shadow_run.store.exists(ROLLBACK_RECORD)


def auto(**params):
    return ProtocolRun.of(context(rollback_policy="auto", **params))


def test_a_policy_of_auto_is_planned_unless_another_run_asked_for_it(orchestrator):
    first = planned_response(auto(), [finding()])
    ledger().note(auto().release, "deploy-d-1-again", START, EntryState.REQUESTED)
    second = planned_response(auto(), [finding()])

    assert (first.action, second.action, second.would_be) == (
        Action.ROLL_BACK,
        Action.ESCALATE,
        Action.ROLL_BACK,
    )


def test_within_the_cool_down_of_a_service_a_person_is_asked(clock):
    earlier = auto(release_id="shop-1.0.9").release
    ledger().note(earlier, "deploy-d-0", START - timedelta(minutes=10), EntryState.SUCCEEDED)

    during = planned_response(auto(), [finding()])
    clock.forward(minutes=51)

    assert (during.action, during.would_be) == (Action.ASK, Action.ROLL_BACK)
    assert planned_response(auto(), [finding()]).action is Action.ROLL_BACK


def test_a_damaged_ledger_asks_a_person(artifacts):
    ledger().note(auto(release_id="shop-1.0.9").release, "deploy-d-0", START, EntryState.SUCCEEDED)
    (entry,) = artifacts.rglob("rollback.json")
    entry.write_text("{")

    assert planned_response(auto(), [finding()]).action is Action.ASK
