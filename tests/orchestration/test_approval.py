from __future__ import annotations

import re
from datetime import timedelta

import pytest
from airflow.providers.standard.exceptions import HITLTriggerEventError
from airflow.sdk.exceptions import TaskAwaitingInput

from release_watch.artifacts.models import Approval
from release_watch.artifacts.store import ArtifactMissingError
from release_watch.errors import InvalidInputError
from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps.answers import granted
from tests.orchestration.fakes import START, context

TASK = "plan.review_plan"
PLAN = "monitoring-plan.md"
RECORD = "records/approval-review_plan.json"
ADA = {"id": "ada", "name": "Ada"}


@pytest.fixture
def asked_airflow(monkeypatch):
    """What Airflow was asked to show."""
    asked = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **shown: asked.append(shown)
    )
    return asked


@pytest.fixture
def question(run, clock, asked_airflow):
    run.store.write_text(PLAN, "the plan")
    return ApprovalRequest(task_id="review_plan", role="sre", evidence=PLAN, question="Approve the plan?")


def ask(question, **params):
    with pytest.raises(TaskAwaitingInput) as parked:
        question.execute(context(TASK, **params))
    return parked.value


def answer(question, option="yes", user=ADA):
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": START + timedelta(minutes=3),
        "responded_by_user": user,
    }
    return question.execute_complete(context(TASK), event)


def test_the_question_goes_to_the_people_of_the_role(question, asked_airflow, run):
    ask(question)

    (shown,) = asked_airflow
    people = [{"id": person.user, "name": person.name} for person in run.config.oncall.people("sre")]
    assert shown["assigned_users"] == people
    assert (shown["options"], shown["defaults"]) == (["yes", "no"], ["no"])


def test_the_question_shows_release_evidence_digest_and_patience(question, asked_airflow, run):
    ask(question)

    (shown,) = asked_airflow
    stored = run.store.digest(PLAN)
    assert "shop-1.1.0" in shown["subject"]
    for words in (stored.uri, stored.sha256, "checkout, payments", "No answer within 4 h counts as No"):
        assert words in shown["body"]


def test_it_parks_for_as_long_as_the_policy_says(question, run):
    parked = ask(question)

    assert parked.timeout == run.config.policies.approvals.timeout
    assert parked.method_name == "execute_complete"


def test_without_evidence_nothing_is_asked(question, asked_airflow, run):
    run.store.remove(PLAN)

    with pytest.raises(ArtifactMissingError, match=re.escape(PLAN)):
        question.execute(context(TASK))

    assert asked_airflow == []


def test_a_persons_yes_is_granted_and_recorded(question, run):
    ask(question)

    assert answer(question) == "GO"
    assert granted(run, "review_plan") == (True, "ada (sre)")
    kept = run.store.read_model(RECORD, Approval)
    assert (kept.answer, kept.responded_by, kept.responded_at) == ("yes", "ada", START + timedelta(minutes=3))
    assert "approval answered" in [event["event"] for event in run.trail.events()]


@pytest.mark.parametrize(
    ("option", "user", "reason"),
    [
        pytest.param("no", ADA, "ada (sre) answered no", id="no"),
        pytest.param("no", None, "nobody (sre) answered in time", id="timeout"),
        pytest.param("yes", None, "nobody (sre) answered in time", id="a yes of nobody"),
    ],
)
def test_anything_but_a_persons_yes_is_no(option, user, reason, question, run):
    ask(question)

    assert answer(question, option, user) == "NO_GO"
    assert granted(run, "review_plan") == (False, reason)


def test_an_open_question_is_not_granted(question, run):
    ask(question)

    assert granted(run, "review_plan")[0] is False


def test_a_question_that_was_never_asked_is_an_error(run):
    with pytest.raises(ArtifactMissingError):
        granted(run, "review_plan")


def test_evidence_that_changed_after_the_answer_is_not_granted(question, run):
    ask(question)
    answer(question)
    run.store.write_text(PLAN, "another plan")

    allowed, why = granted(run, "review_plan")

    assert not allowed
    assert why == f"{PLAN} was changed after ada approved it; ask again"


def test_evidence_that_changed_while_the_question_was_open_is_not_granted(question, run):
    ask(question)
    run.store.write_text(PLAN, "another plan")
    answer(question)

    assert granted(run, "review_plan")[0] is False


def test_a_question_asked_again_forgets_the_earlier_answer(question, run):
    ask(question)
    answer(question)
    run.store.write_text(PLAN, "another plan")
    ask(question)

    assert granted(run, "review_plan") == (False, "nobody (sre) answered in time")


def test_the_answer_of_one_run_does_not_count_in_another(question, run):
    ask(question)
    answer(question)

    with pytest.raises(ArtifactMissingError):
        granted(ProtocolRun.of(context(TASK, release_id="shop-1.2.0")), "review_plan")


def test_an_error_in_asking_is_raised(question):
    ask(question)

    with pytest.raises(HITLTriggerEventError):
        question.execute_complete(context(TASK), {"error": "broken", "error_type": "unknown"})


def test_an_answer_that_was_not_offered_is_refused(question, run):
    ask(question)

    with pytest.raises(ValueError, match="maybe"):
        answer(question, "maybe")

    assert granted(run, "review_plan")[0] is False


def test_shadow_mode_asks_nobody_and_blocks_nothing(question, asked_airflow, shadow_run):
    question.execute(context(TASK, mode="shadow"))

    assert asked_airflow == []
    assert granted(shadow_run, "review_plan") == (True, "shadow mode: nobody was asked")
    kept = shadow_run.store.read_model(RECORD, Approval)
    assert (kept.answer, kept.responded_by) == (None, None)


def test_a_notifier_that_fails_does_not_keep_the_question_from_being_asked(
    question, asked_airflow, monkeypatch
):
    def broken(*arguments):
        raise OSError("the chat is down")

    monkeypatch.setattr("release_watch.orchestration.notifiers.people._apprise", broken)

    ask(question)

    assert len(asked_airflow) == 1


def test_markup_in_a_release_cannot_reach_the_question():
    with pytest.raises(InvalidInputError, match="version"):
        ProtocolRun.of(context(version="<script>"))
