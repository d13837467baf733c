"""What was put into force is kept once, taken back once, and can be told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.assurance.tuning.kept import KeptTuning, KeptTunings, TakenBack, adjustments
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import to_yaml
from tests.assurance.tuning.tuned import (
    AT,
    PROPOSAL_ID,
    applied,
    approval,
    groups,
    kept,
    proposal,
    rule,
    tuned,
)


@pytest.fixture
def store(tmp_path: Path) -> KeptTunings:
    return KeptTunings(tmp_path, "production")


def taken(of: KeptTuning) -> TakenBack:
    assert of.last is not None
    return TakenBack(
        applied=of.last,
        approval=approval("0" * 64),
        release_id="shop-1.1.0",
        taken_back_at=AT + timedelta(days=9),
        state="active",
    )


def test_it_lies_below_the_environment_by_its_id(store: KeptTunings, tmp_path: Path) -> None:
    store.put_into_force(applied())
    path = tmp_path / "tuning" / "production" / f"{PROPOSAL_ID}.json"
    assert KeptTuning.model_validate_json(path.read_text()) == store.get(PROPOSAL_ID) == kept()
    assert store.uri_of(PROPOSAL_ID) == path.as_uri()


def test_what_is_read_again_has_the_digest_that_was_approved(store: KeptTunings) -> None:
    store.put_into_force(applied())
    found = store.known(PROPOSAL_ID)
    assert found.last is not None
    assert found.last.proposal.digest == found.last.digest == proposal().digest


def test_keeping_it_twice_changes_nothing(store: KeptTunings, tmp_path: Path) -> None:
    first = store.put_into_force(applied())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    again = store.put_into_force(applied(applied_at=AT + timedelta(days=3)))
    assert again == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_a_change_of_the_changed_rule_is_kept_on_top_of_the_first(store: KeptTunings) -> None:
    store.put_into_force(applied())
    more = applied(proposal(current=tuned(), proposed=tuned(hold="10m")), applied_at=AT + timedelta(days=3))
    assert store.put_into_force(more).applied == (applied(), more)


def test_a_change_of_another_rule_takes_the_place_of_the_first(store: KeptTunings) -> None:
    store.put_into_force(applied())
    new = applied(proposal(current=rule(hold="1m"), proposed=tuned(hold="10m")))
    found = store.put_into_force(new)
    assert (found.applied, found.replaced) == ((new,), (applied(),))


def test_what_was_taken_back_is_no_longer_in_force_and_stays_on_record(store: KeptTunings) -> None:
    before = store.put_into_force(applied())
    found = store.take_back(taken(before))
    assert (found.applied, found.taken_back) == ((), (taken(before),))
    assert store.in_force() == ((), ())
    assert store.take_back(taken(before)) == found


def test_it_can_be_put_into_force_again_after_it_was_taken_back(store: KeptTunings) -> None:
    store.take_back(taken(store.put_into_force(applied())))
    found = store.put_into_force(applied())
    assert found.applied == (applied(),)
    assert len(found.taken_back) == 1


def test_only_those_of_the_services_asked_for_are_in_force(store: KeptTunings) -> None:
    store.put_into_force(applied())
    assert store.in_force(["checkout"]).tunings == store.in_force().tunings == (kept(),)
    assert store.in_force(["payments"]).tunings == ()


def test_environments_are_apart(store: KeptTunings, tmp_path: Path) -> None:
    store.put_into_force(applied())
    assert KeptTunings(tmp_path, "staging").in_force() == ((), ())


def test_a_damaged_file_is_named_and_hides_no_other(store: KeptTunings, tmp_path: Path) -> None:
    store.put_into_force(applied())
    (tmp_path / "tuning" / "production" / "tune-ffffffffffff.json").write_text("{")
    found = store.in_force()
    assert found.tunings == (kept(),)
    (problem,) = found.problems
    assert "tune-ffffffffffff.json" in problem
    with pytest.raises(InvalidInputError, match="repair it"):
        store.get("tune-ffffffffffff")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b"])
def test_an_id_that_is_no_identifier_becomes_no_path(store: KeptTunings, name: str) -> None:
    with pytest.raises(InvalidInputError, match="proposal_id"):
        store.get(name)


def test_what_was_never_put_into_force_is_named(store: KeptTunings) -> None:
    with pytest.raises(InvalidInputError, match=f"{PROPOSAL_ID}.* was never put into force in production"):
        store.known(PROPOSAL_ID)


def test_the_report_names_each_change_and_who_approved_it() -> None:
    (line,) = adjustments([kept()], [to_yaml(groups(tuned("shop-1.1.0")))])
    assert line == (
        "HighErrorRate of checkout: for: none to 5 min; in force since 2026-11-02T02:00:00.000Z, "
        f"approved by ada (sre), {PROPOSAL_ID}"
    )


def test_the_report_says_what_is_not_in_the_rules_any_more() -> None:
    (line,) = adjustments([kept()], [to_yaml(groups(rule(expr="up == 0")))])
    assert "NOT in the rules of this release" in line
