from __future__ import annotations

import json
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from release_watch.clock import rfc3339
from release_watch.evidence.documents import REQUIRED
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.sensors import signals
from release_watch.orchestration.sensors.signals import DocumentsSensor, HttpSignalSensor
from tests.orchestration.fakes import START, context

TASK = "phase_1_instrumentation.upstream_signals.validation_passed"


@pytest.fixture
def orchestrator(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_DEFAULT", server.connection())
    return server


@pytest.fixture
def sensor():
    return HttpSignalSensor(task_id="validation_passed", signal="validation")


def deferred(sensor, **params):
    with pytest.raises(TaskDeferred) as waiting:
        sensor.execute(context(TASK, **params))
    return waiting.value


def test_a_signal_that_is_there_holds_nobody_up(sensor, orchestrator, run):
    orchestrator.answer((200, {"status": "passed"}))

    assert sensor.execute(context(TASK)) == "ready"
    assert [event["event"] for event in run.trail.events()] == ["upstream signal received"]


def test_otherwise_it_waits_on_the_triggerer_until_an_absolute_moment(sensor, orchestrator, clock, run):
    orchestrator.answer((200, {"status": "running"}))

    waiting = deferred(sensor)

    assert waiting.method_name == "execute_complete"
    assert waiting.timeout is None
    assert waiting.trigger.serialize()[1] == {
        "conn_id": "release_orchestrator_default",
        "signal": "validation",
        "deployment_id": "d-1",
        "poll_seconds": run.config.policies.signals.poll_interval.total_seconds(),
        "deadline": rfc3339(START + run.config.policies.signals.deadline),
    }


def test_a_retry_keeps_the_deadline_that_was_promised(sensor, orchestrator, clock):
    orchestrator.answer((404, {}))
    first = deferred(sensor)
    clock.forward(minutes=30)

    assert deferred(sensor).trigger.deadline == first.trigger.deadline


def test_a_retry_after_the_deadline_blocks_the_run(sensor, orchestrator, clock, run):
    orchestrator.answer((404, {}))
    deferred(sensor)
    clock.moment += run.config.policies.signals.deadline

    with pytest.raises(AirflowFailException, match="BLOCKED: upstream signal did not come within"):
        sensor.execute(context(TASK))


@pytest.mark.parametrize("environment", ["no connection", "server away"])
def test_an_orchestrator_that_cannot_be_asked_is_waited_for(
    environment, sensor, monkeypatch, closed_port, pauses
):
    if environment == "server away":
        connection = {"conn_type": "http", "host": "127.0.0.1", "port": closed_port}
        monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_DEFAULT", json.dumps(connection))

    assert deferred(sensor).method_name == "execute_complete"


def test_a_failed_validation_blocks_the_run_at_once_and_says_whom_to_tell(sensor, orchestrator, run):
    checks = [{"name": "smoke", "status": "failed", "detail": "HTTP 500"}]
    orchestrator.answer((200, {"status": "failed", "checks": checks}))

    with pytest.raises(AirflowFailException, match=r"BLOCKED: .*smoke \(HTTP 500\)"):
        sensor.execute(context(TASK))

    (stop,) = run.stops()
    assert any("Operations Lead" in step for step in stop["next_steps"])


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_block_at_once_and_name_the_connection(status, sensor, orchestrator, run):
    orchestrator.answer((status, "<html>no</html>"))

    with pytest.raises(AirflowFailException, match=f"BLOCKED: .*{status}"):
        sensor.execute(context(TASK))

    (stop,) = run.stops()
    assert any("release_orchestrator_default" in step for step in stop["next_steps"])


def test_the_leads_are_named_and_told_at_once_of_a_blocked_run(sensor, orchestrator, run, monkeypatch):
    told = []
    monkeypatch.setattr(signals, "tell", lambda _run, role, subject, text: told.append((role, subject, text)))
    orchestrator.answer((200, {"status": "failed", "checks": [{"name": "smoke", "status": "failed"}]}))

    with pytest.raises(AirflowFailException):
        sensor.execute(context(TASK))

    assert [role for role, _, _ in told] == ["operations-lead", "technical-lead"]
    assert {subject for _, subject, _ in told} == {"BLOCKED: release shop-1.1.0 in production"}
    assert "smoke" in told[0][2]
    assert (
        "Notify the Operations Lead (ops-lead) and the Technical Lead (tech-lead)."
        in (run.stops()[0]["next_steps"])
    )


def test_without_a_channel_the_trail_says_that_no_lead_was_told(sensor, orchestrator, run):
    orchestrator.answer((200, {"status": "failed"}))

    with pytest.raises(AirflowFailException):
        sensor.execute(context(TASK))

    told = [(event["event"], event["role"]) for event in run.trail.events() if "role" in event]
    assert told == [("nobody was told", "operations-lead"), ("nobody was told", "technical-lead")]


def test_in_shadow_mode_a_refused_signal_is_only_recorded(sensor, orchestrator, shadow_run):
    orchestrator.answer((200, {"status": "failed"}))

    assert sensor.execute(context(TASK, mode="shadow")) == "shadow"
    assert shadow_run.stops() == []
    assert [event["event"] for event in shadow_run.trail.events()] == ["would have been blocked"]


def test_in_shadow_mode_too_nothing_goes_on_without_documents(shadow_run):
    sensor = DocumentsSensor(task_id="documents_present")

    with pytest.raises(AirflowFailException, match="BLOCKED"):
        sensor.execute_complete(context(TASK, mode="shadow"), {"status": "timeout", "message": "none"})


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"status": "refused", "message": "smoke failed"}, "smoke failed"),
        ({"status": "timeout", "message": "flags inactive"}, "did not come within 2 h: flags inactive"),
        ({"status": "error", "message": "odd"}, "odd"),
        ({"status": "", "message": "odd"}, "odd"),
    ],
    ids=["refused", "timeout", "unknown status", "empty status"],
)
def test_any_event_but_ready_blocks_the_run(event, words, sensor, run):
    with pytest.raises(AirflowFailException, match=f"BLOCKED: .*{words}"):
        sensor.execute_complete(context(TASK), event)

    assert run.stops()[0]["exit_state"] == "BLOCKED"


def test_ready_lets_the_run_go_on(sensor, run):
    assert sensor.execute_complete(context(TASK), {"status": "ready", "message": "there"}) == "ready"
    assert run.stops() == []


def test_the_sensor_of_an_environment_waits_at_that_environments_orchestrator(
    sensor, orchestrator, monkeypatch
):
    orchestrator.answer((404, {}))
    monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_PRODUCTION", orchestrator.connection())

    waiting = deferred(sensor)

    assert waiting.trigger.conn_id == "release_orchestrator_production"


def test_documents_are_looked_for_in_the_evidence_folder(tmp_path, run):
    folder = tmp_path / "evidence"
    folder.mkdir()
    sensor = DocumentsSensor(task_id="documents_present")

    waiting = deferred(sensor, evidence_uri=folder.as_uri())
    for name in REQUIRED:
        (folder / name).write_text("written")

    assert waiting.trigger.serialize()[1]["evidence_uri"] == folder.as_uri()
    assert sensor.execute(context(TASK, evidence_uri=folder.as_uri())) == "ready"


def test_each_signal_has_a_deadline_of_its_own(orchestrator, clock):
    orchestrator.answer((404, {}))
    flags = HttpSignalSensor(task_id="feature_flags_active", signal="feature-flags")
    deferred(HttpSignalSensor(task_id="validation_passed", signal="validation"))
    clock.forward(minutes=5)

    with pytest.raises(TaskDeferred) as waiting:
        flags.execute(context("upstream_signals.feature_flags_active"))

    patience = ProtocolRun.of(context()).config.policies.signals.deadline
    assert waiting.value.trigger.deadline == rfc3339(START + timedelta(minutes=5) + patience)
