from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from release_watch.orchestration.sensors.remediation import RemediationSensor
from release_watch.verdict import Decision, Objective, Verdict
from tests.orchestration.fakes import START, context

TASK = "phase_2_activation.gate_2.await_remediation"
GO = Decision.over([Objective(name="drill", verdict=Verdict.GO, reason="acknowledged")])


def decision(verdict: Verdict) -> Decision:
    return Decision.over([Objective(name="drill", verdict=verdict, reason="not acknowledged")])


@pytest.fixture
def sensor(clock):
    return RemediationSensor(task_id="await_remediation", gate=2)


@pytest.fixture
def gate(monkeypatch):
    """Scripts the gate's decisions and collects what was done, in order."""
    script, done = [], []
    monkeypatch.setattr(
        "release_watch.orchestration.sensors.remediation.refresh",
        lambda number, _run: done.append(("refresh", number)),
    )

    def decide(number, run):
        done.append(("decide", number))
        return script.pop(0)

    monkeypatch.setattr("release_watch.orchestration.sensors.remediation.decide", decide)
    return script, done


@pytest.fixture
def policy(run):
    return run.config.policies.remediation


def wakes_at(call):
    with pytest.raises(TaskDeferred) as waiting:
        call(context(TASK))
    assert waiting.value.method_name == "check_again"
    assert waiting.value.timeout is None
    return waiting.value.trigger.moment


def test_it_waits_one_interval_before_it_checks_again(sensor, policy):
    assert wakes_at(sensor.execute) == START + policy.interval


@pytest.mark.parametrize("verdict", [Verdict.GO, Verdict.WARN])
def test_a_gate_that_passes_now_lets_the_run_go_on(verdict, sensor, gate, run):
    script, done = gate
    wakes_at(sensor.execute)
    script.append(decision(verdict))

    assert sensor.check_again(context(TASK)) == verdict
    assert done == [("refresh", 2), ("decide", 2)]
    assert run.stops() == []


@pytest.mark.parametrize("verdict", [Verdict.NO_GO, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_gate_that_still_fails_is_checked_again_after_the_interval(verdict, sensor, gate, clock, policy):
    wakes_at(sensor.execute)
    gate[0].append(decision(verdict))
    clock.moment = START + policy.interval

    assert wakes_at(sensor.check_again) == START + 2 * policy.interval


def test_the_last_check_is_at_the_deadline(sensor, gate, clock, policy):
    wakes_at(sensor.execute)
    gate[0].append(decision(Verdict.NO_GO))
    clock.moment = START + policy.deadline - timedelta(seconds=1)

    assert wakes_at(sensor.check_again) == START + policy.deadline


def test_a_gate_that_passes_at_the_deadline_has_passed(sensor, gate, clock, policy):
    wakes_at(sensor.execute)
    gate[0].append(GO)
    clock.moment = START + policy.deadline

    assert sensor.check_again(context(TASK)) == "GO"


def test_at_the_deadline_the_run_ends_blocked_and_says_why(sensor, gate, clock, policy, run):
    wakes_at(sensor.execute)
    gate[0].append(decision(Verdict.NO_GO))
    clock.moment = START + policy.deadline

    with pytest.raises(
        AirflowFailException, match="BLOCKED: Gate 2 did not pass within 8 h: NO_GO: drill: not"
    ):
        sensor.check_again(context(TASK))

    assert run.stops()[0]["exit_state"] == "BLOCKED"


def test_clearing_the_task_after_that_takes_the_stop_back_once_the_gate_passes(
    sensor, gate, clock, policy, run
):
    wakes_at(sensor.execute)
    gate[0].extend([decision(Verdict.NO_GO), GO])
    clock.moment = START + policy.deadline
    with pytest.raises(AirflowFailException):
        sensor.check_again(context(TASK))
    assert "clear this task" in run.stops()[0]["next_steps"][0]

    wakes_at(sensor.execute)

    assert sensor.check_again(context(TASK)) == "GO"
    assert run.stops() == []


def test_a_retry_keeps_the_deadline(sensor, gate, clock, policy):
    wakes_at(sensor.execute)
    clock.moment = START + policy.deadline - timedelta(seconds=1)

    assert wakes_at(sensor.execute) == START + policy.deadline


def test_each_gate_has_a_deadline_of_its_own(sensor, clock, policy):
    wakes_at(sensor.execute)
    clock.moment = START + policy.deadline + timedelta(hours=1)

    assert wakes_at(RemediationSensor(task_id="other", gate=3).execute) == clock.moment + policy.interval


def test_shadow_mode_waits_for_nothing(sensor, gate):
    assert sensor.execute(context(TASK, mode="shadow")) == "shadow"
    assert gate[1] == []
