from __future__ import annotations

import pytest
from airflow.sdk import DAG, TaskGroup
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from release_watch.errors import BackendError, InvalidInputError
from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.operators.step import Step
from release_watch.orchestration.run import ProtocolRun
from release_watch.verdict import ExitState
from tests.orchestration.fakes import context


def write_something(run):
    """Write one thing."""
    return run.store.write_text("thing.md", "text").uri


def test_a_step_is_named_and_described_by_its_action():
    step = Step(action=write_something)

    assert (step.task_id, step.doc_md) == ("write_something", "Write one thing.")


def test_a_step_passes_on_only_what_its_action_returns(run):
    assert Step(action=write_something).execute(context()) == run.store.uri_of("thing.md")


def test_input_that_only_a_person_can_mend_blocks_the_run_at_once(run):
    def refuse(run):
        raise InvalidInputError(["environment: 'moon': not in the catalogue"])

    with pytest.raises(AirflowFailException, match="BLOCKED: environment: 'moon'"):
        Step(action=refuse).execute(context("plan.refuse"))

    (stop,) = run.stops()
    assert (stop["exit_state"], stop["task"]) == ("BLOCKED", "plan.refuse")
    assert "environment: 'moon'" in stop["reason"]


def test_a_server_that_is_away_is_left_to_airflows_retries(run):
    def ask(run):
        raise BackendError("prometheus", "answered 503")

    with pytest.raises(BackendError):
        Step(action=ask).execute(context())

    assert run.stops() == []


def test_after_a_stop_of_another_task_no_step_acts(run):
    ProtocolRun.of(context("another.task")).halt(ExitState.BLOCKED, "no telemetry")

    with pytest.raises(AirflowSkipException, match="BLOCKED: no telemetry"):
        Step(action=write_something).execute(context())

    assert not run.store.exists("thing.md")


def test_a_cleared_step_takes_its_own_stop_back_and_acts(run):
    run.halt(ExitState.BLOCKED, "no telemetry")

    Step(action=write_something).execute(context())

    assert run.stops() == []
    assert run.store.exists("thing.md")


def test_params_that_are_no_release_reach_no_action(artifacts):
    with pytest.raises(AirflowFailException, match="release_id"):
        Step(action=write_something).execute(context(release_id="../x"))

    assert not artifacts.exists()


def grouped(choose):
    with DAG("a_dag", schedule=None), TaskGroup("outer"), TaskGroup("inner"):
        return Choice(task_id="decide", choose=choose, targets=("go", "escalate"))


def test_a_choice_names_the_sibling_in_full():
    assert grouped(lambda _run: "go").choose_branch(context()) == "outer.inner.go"


def test_a_choice_outside_of_groups_names_the_task_itself():
    with DAG("a_dag", schedule=None):
        choice = Choice(task_id="decide", choose=lambda _run: "go", targets=("go",))

    assert choice.choose_branch(context()) == "go"


def test_a_choice_that_is_no_target_is_an_error():
    with pytest.raises(ValueError, match="'elsewhere' is none of go, escalate"):
        grouped(lambda _run: "elsewhere").choose_branch(context())


def test_after_a_stop_nothing_is_chosen(run):
    run.halt(ExitState.ABORTED, "rejected")
    asked = []

    with pytest.raises(AirflowSkipException, match="ABORTED: rejected"):
        grouped(asked.append).choose_branch(context())

    assert asked == []
