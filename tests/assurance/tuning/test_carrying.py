"""Approved changes in rules that a release generates anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.tuning.carrying import carry_over, taken_out
from release_watch.assurance.tuning.matching import moved, same_as_tested
from release_watch.slo.rulefile import Rule, RuleGroup
from tests.assurance.tuning.tuned import AT, applied, groups, kept, other, proposal, rule, tuned

NEXT = "shop-1.1.0"


def test_a_rule_that_is_again_as_tested_is_put_in_its_proposed_form() -> None:
    done = carry_over(groups(other(NEXT), rule(NEXT)), [kept()])
    assert done.groups == groups(other(NEXT), tuned(NEXT))
    assert [one.proposal.proposal_id for one in done.carried] == [proposal().proposal_id]
    assert done.left_out == ()


@pytest.mark.parametrize(
    "generated",
    [
        pytest.param(
            rule(NEXT, expr="errors/requests > .01 and (errors > 4.5)"),
            id="another notation of the expression",
        ),
        pytest.param(
            rule(NEXT, labels={**rule().labels, "release": NEXT, "dashboard": f"file:///{NEXT}"}),
            id="labels that carry the release",
        ),
        pytest.param(rule(NEXT, hold="0s"), id="no for, in another notation"),
    ],
)
def test_what_says_nothing_of_when_it_fires_does_not_count(generated: Rule) -> None:
    done = carry_over(groups(generated), [kept()])
    (carried,) = done.groups[0].rules
    assert (carried.hold, carried.expr, carried.labels) == ("5m", generated.expr, generated.labels)
    assert carried.annotations["release"] == NEXT


@pytest.mark.parametrize(
    ("generated", "why"),
    [
        ((rule(expr="errors / requests > 0.02 and errors > 4.5"),), "another expression"),
        ((rule(hold="1m"),), "for 1m, not none"),
        ((rule(keep_firing_for="2m"),), "keep_firing_for 2m, not none"),
        ((rule(labels={**rule().labels, "severity": "ticket"}),), "severity ticket, not page"),
        ((other(),), "no such alert in group symptoms"),
        ((rule(labels={**rule().labels, "service": "payments"}),), "no such alert"),
        ((rule(labels={**rule().labels, "environment": "staging"}),), "no such alert"),
        ((rule(), rule()), "2 times"),
    ],
    ids=["expr", "for", "keep", "severity", "gone", "another-service", "another-environment", "twice"],
)
def test_a_rule_that_is_another_one_is_left_alone_and_said(generated: tuple[Rule, ...], why: str) -> None:
    done = carry_over(groups(*generated), [kept()])
    assert done.groups == groups(*generated)
    assert done.carried == ()
    (left_out,) = done.left_out
    assert why in left_out.line
    assert "run the back-test again" in left_out.line


def test_the_same_alert_in_another_group_is_not_the_one_that_was_tested() -> None:
    done = carry_over(groups(rule(), name="slo-checkout"), [kept()])
    assert done.groups == groups(rule(), name="slo-checkout")
    assert "no such alert in group symptoms" in done.left_out[0].line


def test_a_rule_that_is_generated_as_proposed_stays_as_generated() -> None:
    generated = groups(rule(NEXT, hold="5m"))
    done = carry_over(generated, [kept()])
    assert done.groups == generated
    assert len(done.carried) == 1
    assert done.left_out == ()


def test_a_change_of_a_changed_rule_is_carried_over_with_the_first() -> None:
    longer = proposal(current=tuned(), proposed=tuned(hold="10m"), change="for: 5 min to 10 min")
    later = applied(longer, applied_at=AT + timedelta(days=7))
    done = carry_over(groups(rule(NEXT)), [kept(applied(), later)])
    assert done.groups[0].rules[0].hold == "10m"
    assert len(done.carried) == 2


def test_changes_of_two_kinds_are_carried_over_in_the_order_in_which_they_were_approved() -> None:
    stricter = tuned(expr="errors / requests > 0.02 and errors > 4.5")
    second = proposal(proposal_id="tune-000000000000", kind="threshold", current=tuned(), proposed=stricter)
    later = applied(second, applied_at=AT + timedelta(days=7))
    done = carry_over(groups(rule(NEXT)), [kept(later), kept()])
    (found,) = done.groups[0].rules
    assert (found.expr, found.hold) == (stricter.expr, "5m")
    assert done.left_out == ()


def test_what_was_taken_back_is_not_carried_over() -> None:
    done = carry_over(groups(rule(NEXT)), [kept(applied=())])
    assert done == (groups(rule(NEXT)), (), ())


def test_taking_out_gives_the_rule_that_the_release_generated() -> None:
    done = carry_over(groups(other(NEXT), rule(NEXT)), [kept()])
    assert taken_out(done.groups, proposal()) == groups(other(NEXT), rule(NEXT))


def test_nothing_is_taken_out_where_no_rule_is_as_proposed() -> None:
    assert taken_out(groups(rule(), other()), proposal()) is None


HOLDS = st.sampled_from([None, "1m", "5m", "10m"])
KEEPS = st.sampled_from([None, "5m"])
EXPRS = st.sampled_from(["up == 0", "errors > 4.5", "errors > 9.5"])
SEVERITIES = st.sampled_from(["page", "ticket"])
TEXTS = st.dictionaries(st.sampled_from(["release", "summary", "tuned"]), st.text(max_size=5))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    labels = {"service": "checkout", "severity": draw(SEVERITIES)}
    return Rule(
        alert="A",
        expr=draw(EXPRS),
        hold=draw(HOLDS),
        keep_firing_for=draw(KEEPS),
        labels=labels,
        annotations=draw(TEXTS),
    )


@given(rules(), rules(), st.lists(rules(), max_size=4))
def test_only_the_tested_rule_changes_and_becomes_the_proposed_one(
    current: Rule, proposed: Rule, generated: list[Rule]
) -> None:
    change = proposal(alert="A", current=current, proposed=proposed)
    before = [RuleGroup(name="symptoms", rules=tuple(generated)), *groups(current, name="another")]
    done = carry_over(before, [kept(applied(change))])
    pairs = list(zip(before[0].rules, done.groups[0].rules, strict=True))
    changed = [(old, new) for old, new in pairs if old != new]
    assert len(changed) <= 1
    assert done.groups[1] == before[1]
    assert all(same_as_tested(old, current) and same_as_tested(new, proposed) for old, new in changed)
    assert len(done.carried) + len(done.left_out) == 1
    assert bool(done.carried) == any(same_as_tested(rule, proposed) for rule in done.groups[0].rules)


@given(rules(), rules(), TEXTS)
def test_a_change_that_is_moved_there_and_back_leaves_nothing(
    current: Rule, proposed: Rule, texts: dict[str, str]
) -> None:
    own = {f"own_{name}": text for name, text in texts.items()}
    generated = current.model_copy(update={"annotations": {**current.annotations, **own}})
    assert moved(moved(generated, current, proposed), proposed, current) == generated
