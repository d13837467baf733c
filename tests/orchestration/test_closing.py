from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from airflow.sdk.exceptions import AirflowFailException

from release_watch.artifacts.audit import broken_link
from release_watch.artifacts.models import ExitRecord, GateRecord
from release_watch.errors import InvalidInputError
from release_watch.orchestration.phases.closing import CloseRun, _restore_earlier_rules
from release_watch.verdict import ExitState, Verdict
from tests.orchestration.fakes import RUN_ID, START, context


class Closing(NamedTuple):
    """The task instance of the teardown: it can ask how the other tasks went."""

    states: dict[str, str | None]
    task_id: str = "close"
    run_id: str = RUN_ID
    dag_id: str = "post_deployment_monitoring"

    def get_task_states(self, *, run_ids, **_dag):
        return dict.fromkeys(run_ids, self.states)


def close(states=None, **params):
    given = {**context("close", **params), "ti": Closing(states or {"plan.accept_request": "success"})}
    return CloseRun(task_id="close").execute(given)


def pass_gates(run, *numbers, verdict=Verdict.GO):
    for number in numbers:
        record = GateRecord(gate=number, verdict=verdict, decided_at=START, objectives=())
        run.store.write_json(f"records/gate-{number}.json", record)


def written(run):
    return run.store.read_model("exit-state.json", ExitRecord)


def test_a_run_through_all_gates_is_completed(run, caplog):
    caplog.set_level("INFO")
    pass_gates(run, 1, 2, 3, 4)

    assert close() == "COMPLETED"
    assert written(run).exit_state is ExitState.COMPLETED
    assert "[PROTOCOL COMPLETE]" in caplog.text


@pytest.mark.parametrize("gates", [(), (1,), (1, 2, 3), (2, 3, 4)], ids=str)
def test_a_gate_that_was_not_passed_fails_the_run(gates, run, caplog):
    caplog.set_level("INFO")
    pass_gates(run, *gates)

    with pytest.raises(AirflowFailException, match="ABORTED: the run ended before Gate"):
        close()

    assert written(run).exit_state is ExitState.ABORTED
    assert "[PROTOCOL COMPLETE]" not in caplog.text


@pytest.mark.parametrize("state", [ExitState.BLOCKED, ExitState.ABORTED, ExitState.ROLLED_BACK])
def test_a_stop_decides_and_fails_the_run(state, run):
    pass_gates(run, 1, 2, 3, 4)
    run.halt(state, "the reason", next_steps=("do this",))

    with pytest.raises(AirflowFailException, match=f"{state}: the reason"):
        close()

    assert (written(run).exit_state, written(run).next_steps) == (state, ("do this",))


def test_a_failed_task_fails_the_run(run):
    pass_gates(run, 1, 2, 3, 4)

    with pytest.raises(AirflowFailException, match=r"ABORTED: task phase_3\.x failed"):
        close({"phase_3.x": "failed"})


def test_a_request_that_was_refused_leaves_nothing_behind(artifacts):
    with pytest.raises(AirflowFailException, match="BLOCKED: the request was refused: release_id"):
        close(release_id="../../etc")

    assert not artifacts.exists()


def test_the_audit_trail_is_sealed_with_the_end_in_it(run):
    pass_gates(run, 1, 2, 3, 4)
    close()

    trail = run.store.read_text("audit-trail.jsonl")
    assert broken_link(trail) is None
    assert "run closed" in [json.loads(line)["event"] for line in trail.splitlines()]


def test_the_status_of_the_deployment_is_updated(run, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_RELEASE_ORCHESTRATOR_DEFAULT", server.connection())
    pass_gates(run, 1, 2, 3, 4)
    close()

    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PUT", "/deployments/d-1/monitoring-status")
    assert json.loads(asked.body)["status"] == "COMPLETED"


def test_when_nobody_could_be_told_the_record_says_so(run):
    pass_gates(run, 1, 2, 3, 4)
    close()

    assert written(run).notified == ("nobody",)


def test_closing_again_after_a_cleared_task_replaces_the_end(run):
    pass_gates(run, 1, 2, 3)
    with pytest.raises(AirflowFailException):
        close()
    pass_gates(run, 4)

    assert close() == "COMPLETED"
    assert written(run).exit_state is ExitState.COMPLETED
    last = json.loads(run.store.read_text("audit-trail.jsonl").splitlines()[-1])
    assert (last["event"], last["exit_state"]) == ("run closed", "COMPLETED")


def test_a_rolled_back_release_is_watched_no_more(run):
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.orchestration.storage import artifact_root

    registry = ActiveReleases(artifact_root())
    registry.register(run.release, artifacts_uri=run.store.uri, rules={}, at=START)
    run.halt(ExitState.ROLLED_BACK, "errors")

    with pytest.raises(AirflowFailException):
        close()

    assert registry.all() == ()


def test_rules_of_a_rolled_back_release_stay_where_nobody_knows_what_they_replaced(
    run, monkeypatch, artifacts
):
    """Without the rules before it, those of the release are better than none at all."""
    taken = []
    monkeypatch.setattr("release_watch.slo.activation.deactivate", lambda name, _: taken.append(name))
    damaged = artifacts / "registry" / "monitoring" / run.release.environment / "before"
    damaged.mkdir(parents=True)
    (damaged / "registration.json").write_text("{")
    record = ExitRecord(
        release_id=run.release.release_id,
        environment=run.release.environment,
        generated_at=START,
        exit_state=ExitState.ROLLED_BACK,
        reason="the new version is slow",
        notified=(),
        gates=(),
    )
    with pytest.raises(InvalidInputError, match=r"before/registration\.json"):
        _restore_earlier_rules(run, record)
    assert taken == []
