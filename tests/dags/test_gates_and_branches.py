from __future__ import annotations

import pytest

from release_watch.orchestration.operators.branch import Choice
from release_watch.orchestration.phases import gate
from release_watch.orchestration.sensors.remediation import RemediationSensor
from release_watch.orchestration.steps import alert_test, opening, watching
from release_watch.orchestration.steps.checks import TABLES
from release_watch.orchestration.steps.escalation import ROLES
from release_watch.response.policy import Action
from release_watch.verdict import Verdict

GATES = {
    1: "phase_1_instrumentation",
    2: "phase_2_activation",
    3: "phase_3_assurance",
    4: "phase_4_handoff",
}
SHAPE = {
    "evaluate": {"branch"},
    "branch": {"go", "escalate"},
    "go": {"join"},
    "escalate": {"await_remediation"},
    "await_remediation": {"join"},
}


@pytest.mark.parametrize(("number", "phase"), GATES.items())
def test_a_gate_has_the_same_shape_in_every_phase(number, phase, protocol):
    group = f"{phase}.gate_{number}"
    tasks = {task.task_id.removeprefix(f"{group}."): task for task in protocol.task_group_dict[group]}

    assert set(tasks) == {*SHAPE, "join"}
    for name, following in SHAPE.items():
        assert tasks[name].downstream_task_ids == {f"{group}.{task}" for task in following}
    assert isinstance(tasks["await_remediation"], RemediationSensor)
    assert tasks["await_remediation"].gate == number


@pytest.mark.parametrize(("number", "phase"), GATES.items())
def test_nothing_leaves_a_phase_but_through_its_gate(number, phase, protocol):
    inside = {task_id for task_id in protocol.task_ids if task_id.startswith(f"{phase}.")}
    ways_out = {
        task_id for task_id in inside if protocol.get_task(task_id).downstream_task_ids - inside - {"close"}
    }

    assert ways_out <= {f"{phase}.gate_{number}.join"}


@pytest.mark.parametrize(("number", "phase"), GATES.items())
def test_a_gate_is_decided_even_when_a_step_before_it_failed(number, phase, protocol):
    evaluate = protocol.get_task(f"{phase}.gate_{number}.evaluate")

    assert evaluate.trigger_rule == "none_skipped"


def test_every_gate_has_a_table_and_people():
    assert set(TABLES) == set(ROLES) == set(GATES)
    assert all(ROLES.values())


def test_the_people_of_every_gate_are_there():
    from release_watch.catalog.config import load_config

    oncall = load_config().oncall
    assert all(oncall.people(role) for roles in ROLES.values() for role in roles)


def branches(protocol):
    return [task for task in protocol.tasks if isinstance(task, Choice)]


def test_every_branch_target_is_a_direct_downstream_task(protocol):
    for task in branches(protocol):
        assert {task.sibling(target) for target in task.targets} == task.downstream_task_ids - {"close"}


def test_every_branch_is_a_choice_that_is_checked(protocol, tasks):
    from airflow.sdk import BaseBranchOperator

    assert branches(protocol)
    assert [task.task_id for task in tasks if isinstance(task, BaseBranchOperator)] == [
        task.task_id for task in branches(protocol)
    ]


def test_a_join_of_branches_waits_for_one_success_and_no_failure(protocol):
    for task in protocol.tasks:
        if task.task_id.endswith(".join"):
            assert task.trigger_rule == "none_failed_min_one_success"


def mapped(group):
    from airflow.sdk.definitions.taskgroup import MappedTaskGroup

    inside = isinstance(group, MappedTaskGroup)
    for child in group.children.values():
        if hasattr(child, "children"):
            yield from (child.iter_tasks() if inside else mapped(child))
        elif inside:
            yield child


def test_no_branch_and_no_question_in_a_mapped_group(bag):
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.sdk import BaseBranchOperator

    for dag in bag.dags.values():
        assert not any(isinstance(task, BaseBranchOperator | HITLOperator) for task in mapped(dag.task_group))


@pytest.fixture
def says(monkeypatch):
    """Sets what ``granted`` answers in a module."""

    def say(module, answer):
        monkeypatch.setattr(module, "granted", lambda _run, _task: (answer, "because"))

    return say


class Run:
    """A run as far as the choices look at it."""

    class release:  # noqa: N801 - an attribute of a run
        shadow = False


@pytest.mark.parametrize(("answer", "target"), [(True, "plan_approved"), (False, "plan_rejected")])
def test_the_plan_is_followed_only_when_granted(answer, target, says):
    says(opening, answer)

    assert opening.choose_after_review(Run()) == target


@pytest.mark.parametrize(("answer", "target"), [(True, "fire_drill"), (False, "alert_test_declined")])
def test_the_drill_is_fired_only_when_granted(answer, target, says):
    says(alert_test, answer)

    assert alert_test.choose_alert_test(Run()) == target


@pytest.mark.parametrize(("answer", "target"), [(True, "roll_back"), (False, "keep_watching")])
def test_the_release_is_rolled_back_only_when_granted(answer, target, says):
    says(watching, answer)

    assert watching.choose_after_question(Run()) == target


def test_in_shadow_mode_a_question_rolls_nothing_back(says):
    says(watching, True)
    run = Run()
    run.release = type("release", (), {"shadow": True})

    assert watching.choose_after_question(run) == "keep_watching"


@pytest.mark.parametrize("verdict", Verdict)
def test_only_go_and_warn_pass_a_gate(verdict, monkeypatch):
    decision = type("Decision", (), {"verdict": verdict})
    monkeypatch.setattr(gate, "last_decision", lambda _number, _run: decision)

    assert gate._branch(1, Run()) == ("go" if verdict in (Verdict.GO, Verdict.WARN) else "escalate")


@pytest.mark.parametrize("action", Action)
def test_every_response_to_findings_has_a_way(action, monkeypatch, protocol):
    response = type("Response", (), {"action": action})
    monkeypatch.setattr(watching, "planned_response", lambda _run, _findings: response)
    monkeypatch.setattr(watching, "_current", lambda _run: type("Results", (), {"findings": ()}))

    choice = protocol.get_task("baseline_window.choose_response")
    assert choice.choose(Run()) in choice.targets
