from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from release_watch.artifacts.models import Finding, FindingState, MonitoringResults, Severity, Window
from release_watch.catalog.policies import ResponsePolicy
from release_watch.orchestration.sensors.rollback import LOOK_EVERY, RollbackSensor
from release_watch.orchestration.steps.rolling_back import ROLLBACK, ROLLBACK_RECORD
from release_watch.orchestration.steps.watching import RESULTS
from release_watch.response.rollback_record import RollbackRecord, Stage
from release_watch.verdict import Verdict
from tests.orchestration.fakes import START, context

PATIENCE = ResponsePolicy().rollback_within
TASK = "baseline_window.await_rollback"
TICKET = {"rollback_id": "rb-7", "deployment_id": "d-1", "from_version": "1.1.0", "to_version": "1.0.9"}


@pytest.fixture
def orchestrator(server, monkeypatch, run):
    """The orchestrator, after the rollback was asked for on a critical finding."""
    monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_DEFAULT", server.connection())
    run.store.write_json(ROLLBACK, {**TICKET, "status": "running"})
    finding = Finding(
        finding_id="f-1",
        service="checkout",
        metric="http.error_ratio",
        severity=Severity.CRITICAL,
        first_seen=START,
        last_seen=START,
        state=FindingState.OPEN,
        reason="12 % instead of 0.1 %",
        evidence=(),
    )
    results = MonitoringResults(
        release_id=run.release.release_id,
        environment=run.release.environment,
        generated_at=START,
        verdict=Verdict.NO_GO,
        window=Window(start=START, end=START),
        reviews=(),
        findings=(finding,),
    )
    run.store.write_json(RESULTS, results)
    return server


@pytest.fixture
def sensor(clock, monkeypatch):
    monkeypatch.setattr("release_watch.orchestration.steps.rolling_back.now", clock)
    return RollbackSensor(task_id="await_rollback")


def wakes_at(call):
    with pytest.raises(TaskDeferred) as waiting:
        call(context(TASK))
    assert waiting.value.method_name == "look_again"
    return waiting.value.trigger.moment


def ends(call):
    with pytest.raises(AirflowFailException) as ended:
        call(context(TASK))
    return str(ended.value)


def test_a_running_rollback_is_looked_at_again_soon(sensor, orchestrator):
    orchestrator.answer((200, {**TICKET, "status": "running"}))

    assert wakes_at(sensor.execute) == START + LOOK_EVERY
    assert orchestrator.asked[0].path == "/deployments/d-1/rollback"


def test_a_successful_rollback_ends_the_run_rolled_back_with_versions_and_reason(sensor, orchestrator, run):
    orchestrator.answer((200, {**TICKET, "status": "running"}), (200, {**TICKET, "status": "succeeded"}))
    wakes_at(sensor.execute)

    said = ends(sensor.look_again)

    assert said.startswith("ROLLED_BACK: rolled back from 1.1.0 to 1.0.9: ")
    assert "checkout http.error_ratio: 12 % instead of 0.1 %" in said
    assert run.stops()[0]["exit_state"] == "ROLLED_BACK"
    record = run.store.read_model(ROLLBACK_RECORD, RollbackRecord)
    assert (record.stage, record.findings[0].finding_id) == (Stage.SUCCEEDED, "f-1")
    assert record.rollback is not None
    assert (record.rollback.from_version, record.idempotency_key) == ("1.1.0", "shop-1.1.0")
    ended = next(entry for entry in run.trail.events() if entry["event"] == "rollback ended")
    assert ended["sha256"] == run.store.digest(ROLLBACK_RECORD).sha256


def test_a_failed_rollback_aborts_the_run_and_asks_for_hands(sensor, orchestrator, run):
    orchestrator.answer((200, {**TICKET, "status": "failed", "detail": "image is gone"}))

    assert ends(sensor.execute).startswith("ABORTED: rollback rb-7 failed (image is gone)")
    assert "by hand" in run.stops()[0]["next_steps"][0]


@pytest.mark.parametrize(
    "answer", [(404, {}), (503, "busy"), (200, "no json"), (200, {"status": "odd"})], ids=str
)
def test_an_answer_that_says_nothing_is_no_end(answer, sensor, orchestrator, pauses):
    orchestrator.answer(answer)

    assert wakes_at(sensor.execute) == START + LOOK_EVERY


def test_a_rollback_that_hangs_aborts_the_run(sensor, orchestrator, clock):
    orchestrator.answer((200, {**TICKET, "status": "running"}))
    wakes_at(sensor.execute)
    clock.moment = START + PATIENCE

    assert ends(sensor.look_again).startswith("ABORTED: rollback rb-7 is not over after 30 min")


def test_a_rollback_that_ends_late_still_counts(sensor, orchestrator, clock):
    orchestrator.answer((200, {**TICKET, "status": "running"}), (200, {**TICKET, "status": "succeeded"}))
    wakes_at(sensor.execute)
    clock.moment = START + 2 * PATIENCE

    assert ends(sensor.look_again).startswith("ROLLED_BACK")
