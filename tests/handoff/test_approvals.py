from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.handoff.approvals import REQUIRED_ROLES, approval_record, judge_approvals
from release_watch.verdict import Verdict
from tests.gates import artifacts as a
from tests.handoff.releases import NOW, RELEASE, approval, approvals, complete_store


def record(store, given, owner="ada"):
    return approval_record(RELEASE, given, store, on_call_owner=owner, at=NOW)


def test_three_yes_on_unchanged_evidence_are_go(tmp_path):
    store = complete_store(tmp_path)
    found = record(store, approvals(store))
    assert (found.verdict, found.effective_from, found.on_call_owner) == (Verdict.GO, NOW, "ada")


@pytest.mark.parametrize("role", REQUIRED_ROLES)
@pytest.mark.parametrize(
    ("user", "answer"),
    [("ada-2", "no"), (None, "yes"), (None, None), ("ada-2", None), ("ada-2", ""), ("ada-2", "maybe")],
    ids=["says no", "timeout with default yes", "timeout", "no answer", "empty answer", "neither"],
)
def test_anything_but_a_persons_yes_is_no(tmp_path, role, user, answer):
    store = complete_store(tmp_path)
    given = [x for x in approvals(store) if x.role != role] + [approval(store, role, user, answer)]
    found = record(store, given)
    assert (found.verdict, found.effective_from) == (Verdict.NO_GO, None)


def test_a_yes_without_a_time_is_no(tmp_path):
    store = complete_store(tmp_path)
    given = [x.model_copy(update={"responded_at": None}) for x in approvals(store)]
    assert record(store, given).verdict is Verdict.NO_GO


def test_both_leads_must_be_different_people(tmp_path):
    store = complete_store(tmp_path)
    given = [
        approval(store, "sre", "ada"),
        *(approval(store, r, "grace") for r in ("operations-lead", "technical-lead")),
    ]
    decision = judge_approvals(given, {given[0].evidence_uri: given[0].evidence_sha256}, on_call_owner="ada")
    assert "another person" in decision.summary()
    assert record(store, given).verdict is Verdict.NO_GO


def test_the_sre_may_be_one_of_the_leads(tmp_path):
    store = complete_store(tmp_path)
    given = [approval(store, "sre", "grace"), *approvals(store)[1:]]
    assert record(store, given).verdict is Verdict.GO


def test_evidence_that_changes_after_approval_makes_it_worthless(tmp_path):
    store = complete_store(tmp_path)
    given = approvals(store)
    store.write_text("SHA256SUMS", "something else")
    assert record(store, given).verdict is Verdict.NO_GO


def test_evidence_that_is_gone_makes_it_worthless(tmp_path):
    store = complete_store(tmp_path)
    given = approvals(store)
    store.remove("SHA256SUMS")
    assert record(store, given).verdict is Verdict.NO_GO


def test_evidence_outside_the_store_is_not_believed(tmp_path):
    store = complete_store(tmp_path)
    given = [x.model_copy(update={"evidence_uri": "file:///etc/hostname"}) for x in approvals(store)]
    assert record(store, given).verdict is Verdict.NO_GO


def test_somebody_must_own_the_alerts(tmp_path):
    store = complete_store(tmp_path)
    assert record(store, approvals(store), owner=None).verdict is Verdict.NO_GO


def test_a_later_answer_of_a_role_replaces_the_earlier(tmp_path):
    store = complete_store(tmp_path)
    refused = approval(store, "sre", "ada", "no")
    assert record(store, [refused, *approvals(store)]).verdict is Verdict.GO
    assert record(store, [*approvals(store), refused]).verdict is Verdict.NO_GO


def test_it_is_in_effect_from_the_last_signature(tmp_path):
    store = complete_store(tmp_path)
    last = NOW + timedelta(minutes=7)
    given = approvals(store)
    given[1] = given[1].model_copy(update={"responded_at": last})
    assert record(store, given).effective_from == last


@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from(["yes", "no", None]),
            st.sampled_from(["ada", "grace", None]),
            st.sampled_from(["e" * 64, "f" * 64]),
        ),
        min_size=3,
        max_size=3,
    )
)
def test_go_exactly_if_everyone_said_yes_to_what_is_there(answers):
    given = [
        a.approval(role, user, answer, digest)
        for role, (answer, user, digest) in zip(REQUIRED_ROLES, answers, strict=True)
    ]
    all_yes = all(answer == "yes" and user and digest == "e" * 64 for answer, user, digest in answers)
    decision = judge_approvals(given, {a.EVIDENCE: "e" * 64}, on_call_owner="ada")
    assert decision.verdict.proceeds is (all_yes and answers[1][1] != answers[2][1])
