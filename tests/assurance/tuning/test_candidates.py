"""What changes are made of a rule, whatever the rule: how far they go, and that none is taken on trust."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.assurance.tuning.acceptance import KNOWN_INCIDENTS, LATER_PAGE
from release_watch.assurance.tuning.back_test import BackTest, back_test
from release_watch.assurance.tuning.candidates import Candidate, louder, main_threshold, quieter
from release_watch.assurance.tuning.counts import least_events
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.masking import announced
from release_watch.assurance.tuning.proposal import proposal_id
from release_watch.assurance.tuning.replay import hold_of, keep_of, without_tail
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup
from tests.assurance.tuning.past import STEP, PastMetrics, at

DURATIONS = st.sampled_from([None, "30s", "1m", "5m", "7m", "15m", "30m", "2h"])
LIMITS = st.sampled_from(["0", "0.01", "0.5", "1", "2.5", "14.4", "100"])
COUNTS = st.sampled_from(["0.5", "1.5", "4.5", "9.5", "99.5"])
SEVERITIES = st.sampled_from(["page", "ticket"])


def rule(expr: str, hold: str | None, keep: str | None, severity: str = "page", **fields: Any) -> Rule:
    labels = {"service": "checkout", "severity": severity}
    return Rule(alert="Errors", expr=expr, hold=hold, keep_firing_for=keep, labels=labels, **fields)


expressions = st.one_of(
    st.builds("errors {} {}".format, st.sampled_from("<>"), LIMITS),
    st.builds("a / b > {} and sum(increase(b[5m])) > {}".format, LIMITS, COUNTS),
    st.builds("(p99 > {}) and bad:rate1h * 3600 > {}".format, LIMITS, COUNTS),
    st.builds("count(up == {}) > {} or absent(up)".format, LIMITS, COUNTS),
)
rules = st.builds(rule, expressions, DURATIONS, DURATIONS, SEVERITIES)


def of(kind: str, found: list[Candidate]) -> list[Candidate]:
    return [one for one in found if one.kind == kind]


def limit(one: Rule) -> Decimal:
    found = main_threshold(one)
    assert found is not None
    return Decimal(found[2])


@given(rules, st.lists(st.decimals("0.001", "1000", places=3), max_size=2), st.booleans())
def test_each_is_another_rule_and_differs_in_one_respect(current, derived, copies):
    found = [*quieter(current, derived=derived, copies=copies), *louder(current, derived=derived)]
    before = current.model_dump()
    for one in found:
        after = one.rule.model_dump()
        assert len([name for name in before if before[name] != after[name]]) == 1, one.change
        assert after["alert"] == "Errors" and after["labels"]["service"] == "checkout"
    assert len({(one.rule.model_dump_json(), one.kind) for one in quieter(current)}) == len(
        list(quieter(current))
    )


@given(rules)
def test_quieter_is_never_shorter_nor_easier(current):
    found = list(quieter(current))
    assert all(hold_of(one.rule) > hold_of(current) for one in of("for", found))
    assert all(keep_of(one.rule) > keep_of(current) for one in of("keep_firing_for", found))
    for one in of("threshold", found):
        moved = limit(one.rule) - limit(current)
        assert moved > 0 if " > " in current.expr.partition("and")[0] else moved < 0
    for one in of("minimum events", found):
        assert sum(least_events(one.rule.expr)) > sum(least_events(current.expr))
    assert bool(of("severity", found)) == (current.labels["severity"] == "page")


@given(rules)
def test_louder_is_never_longer_nor_harder(current):
    found = list(louder(current))
    assert all(hold_of(one.rule) < hold_of(current) for one in of("for", found))
    for one in of("minimum events", found):
        assert sum(least_events(one.rule.expr)) < sum(least_events(current.expr))
    assert not of("severity", found) + of("keep_firing_for", found)
    assert {one.rule.labels["severity"] for one in found} <= {current.labels["severity"]}


@pytest.mark.parametrize(
    ("expr", "counts"),
    [
        ("increase(a[5m]) > 4.5", {4}),
        ("sum by (x) (increase(a[5m])) > 4.5 and (bad:rate1h * 3600) > 2.5", {2, 4}),
        ("count(up == 0) > 0.5", {0}),
        ("increase(a[5m]) - increase(b[5m]) > 1.5", {1}),
        ("histogram_quantile(0.99, x) > 2.5 and sum(increase(a[5m])) > 99.5", {99}),
        ("errors / requests > 0.5", set()),
        ("increase(a[5m]) / increase(b[5m]) > 0.5", set()),
        ("p99 > 0.5 and increase(a[5m]) > 0.5", set()),
        ("memory * 2 > 1.5", set()),
        ("increase(a[5m]) > 5", set()),
        ("not promql (", set()),
    ],
)
def test_only_what_counts_has_a_minimum_of_events(expr, counts):
    assert least_events(expr) == counts


def test_seconds_are_not_taken_for_events():
    slow = rule("histogram_quantile(0.99, x) > 2.5 and increase(a[5m]) > 99.5", None, None)
    events = of("minimum events", list(quieter(slow)))[0]
    assert events.rule.expr == "histogram_quantile(0.99, x) > 2.5 and increase(a[5m]) > 199.5"
    assert events.change == "at least 100 to 200 events"
    assert of("threshold", list(quieter(slow)))[0].change == "threshold 2.5 to 3.125, stricter"


class TestIds:
    @given(rules, rules, st.dictionaries(st.sampled_from(["summary", "tuned"]), st.text(max_size=9)))
    def test_one_rule_keeps_its_id_whatever_is_tuned(self, one, other, annotations):
        tuned = other.model_copy(update={"labels": one.labels, "annotations": annotations})
        for kind in ("for", "threshold"):
            assert proposal_id(one, kind) == proposal_id(tuned, kind)

    @given(st.dictionaries(st.sampled_from("abcde"), st.text(max_size=5), min_size=2))
    def test_the_order_of_labels_is_none(self, labels):
        turned = dict(reversed(labels.items()))
        ids = {proposal_id(Rule(alert="A", expr="up", labels=each), "for") for each in (labels, turned)}
        assert len(ids) == 1

    def test_another_alert_label_or_kind_is_another(self):
        current = rule("errors > 1", None, None)
        others = [
            (current, "for"),
            (current, "threshold"),
            (current.model_copy(update={"alert": "Other"}), "for"),
            (rule("errors > 1", None, None, "ticket"), "for"),
        ]
        assert len({proposal_id(*one) for one in others}) == len(others)

    def test_it_is_the_same_in_every_version(self):
        """Proposals lie in stores, and approvals name them."""
        assert proposal_id(rule("errors > 1", None, None), "for") == "tune-bb1b77c57469"


LENGTH = 600
bursts = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 40), st.integers(3, 30)), min_size=1, max_size=12
)
troubles = st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(10, 60)), max_size=6)


def past_of(found: list[tuple[int, int, int]]) -> list[float]:
    values = [1.0] * LENGTH
    for start, length, height in found:
        values[start : start + length] = [float(height)] * len(values[start : start + length])
    return values


def replay_of(current: Rule, values: list[float], incidents: list[Incident], missed: set[str]) -> BackTest:
    past = History(PastMetrics({"errors": values}), (at(0), at(LENGTH - 1)), incidents, {}, frozenset(missed))
    group = RuleGroup(name="g", interval="1m", rules=(current,))
    return back_test(current, group, past, at=at(LENGTH), anyway=True)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(rule, st.just("errors > 5"), st.sampled_from([None, "2m", "10m"]), DURATIONS, SEVERITIES),
    bursts,
    troubles,
    st.booleans(),
)
def test_nothing_is_proposed_that_the_rules_of_acceptance_forbid(current, found, trouble, blind):
    incidents = [
        Incident(f"I-{number}", "", "down", "checkout", at(start), at(start + length))
        for number, (start, length) in enumerate(trouble)
    ]
    missed = {one.id for one in incidents} if blind else set()
    result = replay_of(current, past_of(found), incidents, missed)
    for trial in result.trials:
        fires_less = set(result.before.caught) - set(trial.score.caught)
        assert not (fires_less and not trial.refused)
        assert not (trial.candidate.sooner and fires_less), "sooner never loses one"
    if result.proposal is None:
        return
    before, after, kind = result.before, result.proposal.expected, result.proposal.kind
    assert set(before.caught) <= set(after.caught)
    if current.labels["severity"] == "page" and kind != "severity":
        chosen = next(one for one in result.trials if one.candidate.change == result.proposal.change)
        if not chosen.candidate.sooner:
            assert len(before.caught) >= KNOWN_INCIDENTS
            later = (after.detection_seconds or 0) - (before.detection_seconds or 0)
            assert later <= LATER_PAGE.total_seconds()
    if kind == "severity":
        assert not before.caught and before.incidents >= KNOWN_INCIDENTS
    if kind == "keep_firing_for":
        told = [
            announced(without_tail(firings, each, STEP), incidents, until=at(LENGTH - 1))
            for firings, each in ((result.firings, current), (result.after, result.proposal.proposed))
        ]
        assert told[0] <= told[1]
    assert after.false <= before.false or set(after.caught) > set(before.caught)
    assert timedelta(seconds=result.proposal.step_seconds) == STEP
