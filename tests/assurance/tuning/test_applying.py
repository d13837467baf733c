"""Putting a change into force, and taking it back: only by a person's Yes, and only where the rule is."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from release_watch.artifacts.models import Approval
from release_watch.assurance.tuning import applying
from release_watch.assurance.tuning.applying import NotApprovedError, apply_proposal, former_rules, take_back
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from tests.assurance.tuning.tuned import AT, approval, groups, kept, other, proposal, rule, tuned

FORMER = groups(other(), rule())
TUNED = groups(other(), tuned())
SET = "production-shop-1.0.0"


class Target:
    """A rule target, and what activation was asked to put into force."""

    def __init__(self) -> None:
        self.text = to_yaml(FORMER)
        self.activated: list[list[RuleGroup]] = []

    def read(self, name: str) -> str | None:
        return self.text if name == SET else None

    def activate(self, text: str, name: str, backends: Any, *, timeout: timedelta) -> Any:
        assert (name, backends, timeout) == (SET, "backends", timedelta(seconds=5))
        self.activated.append(from_yaml(text))
        self.text = text
        return SimpleNamespace(state="active")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Target:
    found = Target()
    monkeypatch.setattr(applying, "target_of", lambda _: found)
    return found


def put(target: Target, approved: Approval | None = None, name: str = SET) -> Any:
    document = proposal().document()
    return apply_proposal(
        document,
        approved or approval(proposal().digest),
        name,
        "backends",  # type: ignore[arg-type]
        timeout=timedelta(seconds=5),
        put_into_force=target.activate,
    )


def back(target: Target, approved: Approval | None) -> Any:
    return take_back(
        kept(),
        approved,
        SET,
        "backends",  # type: ignore[arg-type]
        timeout=timedelta(seconds=5),
        put_into_force=target.activate,
    )


def withdrawal(**fields: Any) -> Approval:
    digest = sha256(kept().document()).hexdigest()
    return approval(digest, **{"responded_at": AT + timedelta(days=5), **fields})


def test_the_rule_is_changed_and_all_else_stays(target: Target) -> None:
    put(target)
    assert target.activated == [TUNED]


def test_a_rule_that_is_as_proposed_already_is_proven_again_as_it_is(target: Target) -> None:
    put(target)
    put(target)
    assert target.activated == [TUNED, TUNED]


def test_without_a_yes_nothing_is_activated(target: Target) -> None:
    with pytest.raises(NotApprovedError, match="not put into force: ada answered 'no'"):
        put(target, approval(proposal().digest, answer="no"))
    assert target.activated == []


def test_a_rule_set_that_is_not_there_is_named(target: Target) -> None:
    with pytest.raises(InvalidInputError, match="there is no active rule set production-other"):
        put(target, name="production-other")
    assert target.activated == []


def test_taking_back_puts_the_former_rule_into_force(target: Target) -> None:
    target.text = to_yaml(TUNED)
    back(target, withdrawal())
    assert target.activated == [FORMER]


def test_taking_back_twice_leaves_the_former_rule(target: Target) -> None:
    back(target, withdrawal())
    assert target.activated == [FORMER]


def test_in_a_later_release_its_own_rule_is_put_back() -> None:
    carried = to_yaml(groups(other("shop-1.1.0"), tuned("shop-1.1.0")))
    assert from_yaml(former_rules(proposal(), carried)) == groups(other("shop-1.1.0"), rule("shop-1.1.0"))


@pytest.mark.parametrize(
    ("approved", "words"),
    [
        (None, "no approval is recorded"),
        (approval(proposal().digest, responded_at=AT + timedelta(days=5)), "ask again"),
        (withdrawal(answer="no"), "answered 'no'"),
        (withdrawal(responded_by=None), "timeout"),
        (withdrawal(role="oncall"), "may not approve"),
        (withdrawal(responded_at=AT), "older than the change"),
    ],
    ids=["silence", "the-approval-of-the-change", "no", "nobody", "another-role", "before-the-change"],
)
def test_nothing_is_taken_back_without_a_yes_to_exactly_that(
    target: Target, approved: Approval | None, words: str
) -> None:
    target.text = to_yaml(TUNED)
    with pytest.raises(NotApprovedError, match=f"not taken back: .*{words}"):
        back(target, approved)
    assert target.activated == []


def test_what_was_changed_again_is_not_taken_back_beneath_it() -> None:
    again = to_yaml(groups(tuned(hold="20m")))
    with pytest.raises(InvalidInputError, match="take back first what was put into force after it"):
        former_rules(proposal(), again)
