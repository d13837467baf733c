from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from release_watch.assurance.tuning.request import TuningRequest
from release_watch.identifiers import is_identifier
from release_watch.orchestration.defaults import ACTIVE_RUNS, OWNER, Tag
from release_watch.release import LONGEST_WINDOW, PARAM_SCHEMAS, Release
from tests.dags.conftest import DAG_FOLDER

DAG_FILES = {
    "alert_tuning.py": "alert_tuning",
    "nightly_assurance.py": "nightly_assurance",
    "post_deployment_monitoring.py": "post_deployment_monitoring",
}
"""Each DAG file and the DAG in it; a new file is added here by hand."""

TASK_IDS = Path(__file__).with_name("task_ids.txt")


def test_the_folder_holds_exactly_these_files():
    assert {path.name for path in DAG_FOLDER.glob("*.py")} == set(DAG_FILES)


def test_every_file_loads_without_an_error(bag):
    assert bag.import_errors == {}
    assert {Path(dag.fileloc).name: dag_id for dag_id, dag in bag.dags.items()} == DAG_FILES


def test_loading_warns_of_nothing(bag):
    assert bag.captured_warnings == {}


@pytest.fixture(params=DAG_FILES.values())
def dag(bag, request):
    return bag.dags[request.param]


def test_a_dag_says_what_it_is_for_and_what_to_do_when_it_is_red(dag):
    assert dag.description
    assert "red" in dag.doc_md


def test_a_dag_carries_only_known_tags(dag):
    assert dag.tags
    assert set(dag.tags) <= set(Tag)


def test_a_dag_does_not_run_for_the_past(dag):
    assert dag.catchup is False


def test_a_dag_run_ends_some_day(dag):
    assert timedelta(0) < dag.dagrun_timeout <= timedelta(days=30)


def test_a_run_may_last_longer_than_the_longest_window(protocol):
    assert protocol.dagrun_timeout > LONGEST_WINDOW


def test_hundreds_of_releases_are_watched_at_once(protocol):
    assert protocol.max_active_runs == ACTIVE_RUNS >= 200
    assert protocol.schedule is None


def test_nights_do_not_overlap(bag):
    assert bag.dags["nightly_assurance"].max_active_runs == 1


def test_the_params_are_those_of_a_release(protocol):
    assert set(protocol.params) == set(PARAM_SCHEMAS) == set(Release.model_fields)


def test_the_params_of_a_tuning_say_what_they_are_for(bag):
    params = bag.dags["alert_tuning"].params

    assert set(params) == set(TuningRequest.model_fields)
    for name in params:
        param = params.get_param(name)
        assert param.schema["title"], name
        assert len(param.description) > 20, name
        assert "pattern" in param.schema or "enum" in param.schema, name


def test_rules_are_tuned_one_after_the_other(bag):
    assert bag.dags["alert_tuning"].get_task("change_rules").max_active_tis_per_dag == 1


def test_what_became_of_a_tuning_is_told_whatever_happened_before(bag):
    tuning = bag.dags["alert_tuning"]
    conclude = tuning.get_task("conclude")

    assert conclude.is_teardown
    assert conclude.on_failure_fail_dagrun
    assert [task.task_id for task in tuning.leaves] == ["conclude"]
    assert conclude.get_flat_relative_ids(upstream=True) == set(tuning.task_ids) - {"conclude"}


def test_every_task_has_owner_retries_and_a_time_limit(tasks):
    for task in tasks:
        assert task.owner == OWNER, task.task_id
        assert task.retries >= 1, task.task_id
        assert task.retry_delay > timedelta(0), task.task_id
        assert timedelta(0) < task.execution_timeout <= timedelta(minutes=30), task.task_id


def test_every_task_that_does_something_says_what(tasks):
    from release_watch.orchestration.operators.step import Step

    undocumented = [task.task_id for task in tasks if isinstance(task, Step) and not task.doc_md]
    assert undocumented == []


def test_no_task_swallows_a_failed_wait(tasks):
    assert [task.task_id for task in tasks if getattr(task, "soft_fail", False)] == []


def test_no_task_skips_over_a_failure_of_an_earlier_run(tasks):
    assert [task.task_id for task in tasks if task.depends_on_past or task.wait_for_downstream] == []


def test_every_record_of_a_task_has_a_name_that_can_be_stored(protocol):
    longest = "technical-lead-20261122T031500123456"
    refused = [task.task_id for task in protocol.tasks if not is_identifier(f"told-{task.task_id}-{longest}")]
    assert refused == []


def test_task_ids_are_stable(bag):
    """Histories, links and runbooks name tasks: a changed id is a decision, written into the file."""
    ids = sorted(f"{dag_id}: {task_id}" for dag_id, dag in bag.dags.items() for task_id in dag.task_ids)

    assert ids == TASK_IDS.read_text().splitlines()


def test_close_is_the_teardown_after_everything_and_fails_the_run(protocol):
    close = protocol.get_task("close")

    assert close.is_teardown
    assert close.on_failure_fail_dagrun
    assert [task.task_id for task in protocol.leaves] == ["close"]
    assert close.get_flat_relative_ids(upstream=True) == set(protocol.task_ids) - {"close"}


def test_nothing_runs_beside_the_review_of_the_plan(protocol):
    (root,) = protocol.roots
    approved = protocol.get_task("plan.plan_approved")
    before = approved.get_flat_relative_ids(upstream=True) | {approved.task_id}
    after = approved.get_flat_relative_ids(upstream=False)

    assert root.task_id == "plan.accept_request"
    assert set(protocol.task_ids) == before | after | {"plan.plan_rejected"}


def test_the_phases_follow_each_other(protocol):
    order = [
        "plan.plan_approved",
        "phase_1_instrumentation.gate_1.join",
        "phase_2_activation.gate_2.join",
        "baseline_window.establish_baseline",
        "phase_3_assurance.gate_3.join",
        "phase_4_handoff.gate_4.join",
        "close",
    ]
    for earlier, later in pairwise(order):
        assert later in protocol.get_task(earlier).get_flat_relative_ids(upstream=False)


def test_a_run_takes_no_part_in_another_runs_logical_date(protocol):
    for task in protocol.tasks:
        for field in task.template_fields:
            assert not any(
                word in str(getattr(task, field, "")) for word in ("{{ ds", "{{ ts", "logical_date")
            )
