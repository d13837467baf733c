from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator

from release_watch.catalog.config import load_config
from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.steps.handing_over import SIGNERS

QUESTIONS = {
    "approve_change": "sre",
    "plan.review_plan": "sre",
    "phase_2_activation.alert_test.approve_alert_test": "sre",
    "phase_2_activation.alert_test.acknowledge_drill": "oncall",
    "phase_2_activation.alert_test.escalate_drill": "oncall",
    "phase_2_activation.alert_test.escalate_drill_further": "oncall",
    "baseline_window.ask_rollback": "oncall",
    "phase_4_handoff.sre_approval": "sre",
    "phase_4_handoff.operations_lead_approval": "operations-lead",
    "phase_4_handoff.technical_lead_approval": "technical-lead",
    "phase_4_handoff.confirm_delivery": "sre",
}
"""Who is asked what; a new question is added here by hand."""


@pytest.fixture(params=QUESTIONS)
def question(tasks, request):
    (found,) = (task for task in tasks if task.task_id == request.param)
    return found


def test_these_are_all_questions(tasks):
    assert {task.task_id for task in tasks if isinstance(task, HITLOperator)} == set(QUESTIONS)


def test_a_question_is_an_approval_request(question):
    assert isinstance(question, ApprovalRequest)


def test_no_answer_in_time_is_no(question):
    assert timedelta(0) < question.response_timeout <= timedelta(days=2)
    assert question.options == ["yes", "no"]
    assert question.defaults == ["no"]


def test_a_lost_answer_is_asked_for_again(question):
    assert question.retries >= 1


def test_there_are_people_to_ask(question):
    assert question.role == QUESTIONS[question.task_id]
    assert load_config().oncall.people(question.role)


def test_a_question_says_what_it_is_about(question):
    assert question.question.endswith(("?", "(yes/no)"))
    assert question.evidence
    assert "{{" not in question.subject


def test_two_people_and_the_sre_sign():
    roles = [role for role, _ in SIGNERS.values()]
    assert sorted(roles) == ["operations-lead", "sre", "technical-lead"]
    leads = [person.user for role in roles[1:] for person in load_config().oncall.people(role)]
    assert len(set(leads)) >= 2


def test_what_follows_a_question_can_tell_a_person_from_a_timeout(question):
    """Airflow lets a timeout pass as success, so a task after every question looks at the answer."""
    assert question.downstream_task_ids - {"close"}
    assert not any(follower.is_teardown for follower in question.downstream_list)
