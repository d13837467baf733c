"""Which changes are made of a rule, which may be proposed, who may put them into force, and what followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.models import Approval, Window
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.tuning.acceptance import Trial, best, refusal
from release_watch.assurance.tuning.applying import approval_problem, changed_rules
from release_watch.assurance.tuning.candidates import Candidate, louder, main_threshold, quieter
from release_watch.assurance.tuning.measuring import Outcome, measure
from release_watch.assurance.tuning.proposal import TuningProposal, read_proposal
from release_watch.assurance.tuning.scores import Score
from release_watch.errors import InvalidInputError
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml

AT = datetime(2026, 11, 2, tzinfo=UTC)
WINDOW = Window(start=AT - timedelta(days=14), end=AT)
INCIDENTS = tuple(f"I-{n}" for n in range(4))


def rule(expr: str = "errors / requests > 0.01 and increase(errors[5m]) > 4.5", **fields: Any) -> Rule:
    labels = {"service": "checkout", "severity": "page"}
    return Rule(**{"alert": "HighErrorRate", "expr": expr, "labels": labels, **fields})


def score(true: int = 4, false: int = 10, caught: tuple[str, ...] = INCIDENTS, **fields: Any) -> Score:
    given = {
        "firings": true + false,
        "true": true,
        "false": false,
        "incidents": len(INCIDENTS),
        "caught": caught,
        "detection_seconds": 60.0,
        "notifications": true + false,
    }
    return Score(**{**given, **fields})


def candidate(**fields: Any) -> Candidate:
    return Candidate(**{"kind": "for", "change": "for: 5 min", "rule": rule(hold="5m"), **fields})


class TestCandidates:
    def test_every_change_is_of_one_thing_and_leaves_the_rest(self):
        current = rule(hold="2m")
        for found in quieter(current, copies=True):
            before, after = current.model_dump(), found.rule.model_dump()
            assert len([name for name in before if before[name] != after[name]]) == 1, found.change

    @pytest.mark.parametrize(
        ("expr", "found"),
        [
            ("errors > 0.01", ("errors", ">", "0.01")),
            ("(up < 1) and on (job) x > 5", ("up", "<", "1")),
            ("errors == 1", None),
            ("errors > limit", None),
            ("not promql (", None),
        ],
    )
    def test_the_threshold_is_that_of_the_condition(self, expr, found):
        assert main_threshold(rule(expr)) == found

    def test_more_events_are_asked_for_and_nothing_else_changes(self):
        changed = [one.rule.expr for one in quieter(rule()) if one.kind == "minimum events"]
        assert changed[0] == "errors / requests > 0.01 and increase(errors[5m]) > 9.5"

    def test_a_ticket_is_not_made_a_ticket(self):
        ticket = rule(labels={"service": "checkout", "severity": "ticket"})
        assert not [one for one in quieter(ticket) if one.kind == "severity"]

    def test_a_shorter_hold_fires_whenever_the_longer_one_does(self):
        shorter = [one for one in louder(rule(hold="10m")) if one.kind == "for"]
        assert shorter
        assert all(one.sooner for one in shorter)

    def test_the_mildest_change_comes_first(self):
        held = [one.rule.hold for one in louder(rule(hold="10m")) if one.kind == "for"]
        assert held == ["5m", "2m", "1m", None]
        expr = "changes(a[1h]) > 1.5 and count(b) > 9.5 and c * 300 > 4.5"
        counts = [one.change for one in louder(rule(expr)) if one.kind == "minimum events"]
        assert counts == ["at least 2 to 1 events", "at least 5 to 2 events", "at least 10 to 5 events"]


class TestAcceptance:
    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            (score(), score(false=2), ""),
            (score(), score(false=2, caught=INCIDENTS[:3]), "loses 1 of 4"),
            (score(caught=INCIDENTS[:2]), score(false=2, caught=INCIDENTS[:2]), "no recall evidence"),
            (score(), score(false=2, detection_seconds=700.0), "later"),
            (score(), score(true=8, false=2), "flaps"),
            (score(), score(true=2, false=9), "precision would be lower"),
            (score(), score(), "no improvement"),
            (score(), score(0, 0, (), firings=0), "loses 4 of 4"),
        ],
        ids=["quieter", "loses", "too-few", "late", "flaps", "less-precise", "no-better", "never-fires"],
    )
    def test_a_page_is_made_quieter_only_where_no_incident_is_lost(self, before, after, words):
        said = refusal(rule(), before, candidate(), after, ())
        assert (words in said) if words else said == ""

    @pytest.mark.parametrize(
        ("before", "refused"),
        [
            (score(0, 9, ()), False),
            (score(1, 9, INCIDENTS[:1]), True),
            (score(0, 9, (), incidents=2), True),
        ],
        ids=["useless-page", "told-of-one", "too-few-incidents"],
    )
    def test_a_page_becomes_a_ticket_only_if_it_told_of_nothing(self, before, refused):
        change = candidate(kind="severity")
        assert bool(refusal(rule(), before, change, score(), ())) is refused

    @pytest.mark.parametrize(("false", "refused"), [(11, False), (13, True)])
    def test_more_sensitive_only_for_incidents_that_nobody_saw(self, false, refused):
        before = score(3, 10, INCIDENTS[:3])
        said = refusal(rule(), before, candidate(sooner=True), score(4, false), {INCIDENTS[3]})
        assert bool(said) is refused

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4)), max_size=6))
    def test_what_is_chosen_loses_no_incident(self, found):
        before = score()
        trials = []
        for true, false, caught in found:
            after = score(true, false, INCIDENTS[:caught])
            trials.append(Trial(candidate(), after, refusal(rule(), before, candidate(), after, ())))
        chosen = best(trials, before)
        assert chosen is None or set(chosen.score.caught) >= set(before.caught)
        assert (chosen is None) == all(trial.refused for trial in trials)


def proposal(**fields: Any) -> TuningProposal:
    given = {
        "proposal_id": "tune-1",
        "alert": "HighErrorRate",
        "service": "checkout",
        "group": "symptoms",
        "kind": "for",
        "change": "for: none to 5 min",
        "current": rule(),
        "proposed": rule(hold="5m"),
        "before": score(),
        "expected": score(12, 4, INCIDENTS),
        "window": WINDOW,
        "step_seconds": 60,
        "generated_at": AT,
    }
    return TuningProposal.model_validate({**given, **fields})


def approval(of: TuningProposal, **fields: Any) -> Approval:
    given = {
        "role": "sre",
        "task": "tune",
        "answer": "yes",
        "responded_by": "ada",
        "responded_at": AT + timedelta(hours=1),
        "evidence_uri": "file:///tune-1.json",
        "evidence_sha256": of.digest,
    }
    return Approval.model_validate({**given, **fields})


class TestApplying:
    def test_a_yes_to_exactly_these_bytes_is_enough(self):
        one = proposal()
        assert approval_problem(one, one.document(), approval(one)) is None
        assert read_proposal(one.document()) == one

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"answer": "no"}, "answered 'no'"),
            ({"answer": None}, "no approval"),
            ({"responded_by": None}, "timeout"),
            ({"role": "oncall"}, "may not approve"),
            ({"evidence_sha256": "0" * 64}, "ask again"),
            ({"responded_at": AT - timedelta(days=1)}, "older"),
        ],
        ids=["no", "silence", "nobody", "another-role", "another-change", "before-it-was-made"],
    )
    def test_anything_else_is_no(self, fields, words):
        one = proposal()
        assert words in str(approval_problem(one, one.document(), approval(one, **fields)))
        assert approval_problem(one, one.document(), None) == "no approval is recorded"

    def test_only_the_rule_is_changed(self):
        other = rule(alert="Other")
        text = to_yaml([RuleGroup(name="symptoms", rules=(rule(), other))])
        changed = changed_rules(proposal(), text)
        assert changed == to_yaml([RuleGroup(name="symptoms", rules=(rule(hold="5m"), other))])

    @pytest.mark.parametrize("there", [(), (rule("errors > 0.02"),), (rule(), rule())])
    def test_a_rule_that_was_changed_since_is_left_alone(self, there):
        with pytest.raises(InvalidInputError, match="run the back-test again"):
            changed_rules(
                proposal(), to_yaml([RuleGroup(name="symptoms", rules=(*there, rule(alert="Other")))])
            )


def firing(day: float, service: str = "checkout") -> AlertInterval:
    start = AT + timedelta(days=day)
    return AlertInterval("HighErrorRate", service, "page", start, start + timedelta(minutes=5))


def incident(day: float) -> Incident:
    opened = AT + timedelta(days=day)
    return Incident(f"N-{day}", "http://t", "down", "checkout", opened, opened + timedelta(hours=1))


class TestMeasuring:
    def measured(self, firings, incidents):
        return measure(proposal(), firings, incidents, window=(AT, AT + timedelta(days=14)))

    def test_what_came_as_expected_has_held(self):
        days = [1, 2, 3, 4, 5, 6]
        found = self.measured(
            [*(firing(day) for day in days), firing(8), firing(9)], [incident(day) for day in days]
        )
        assert (found.precision, found.recall) == (Outcome.AS_EXPECTED, Outcome.AS_EXPECTED)
        assert found.held
        assert not found.refuted

    def test_a_change_that_cries_wolf_is_refuted(self):
        found = self.measured([firing(day / 2) for day in range(1, 25)], [])
        assert found.refuted

    def test_nothing_to_judge_by_is_neither(self):
        found = self.measured([], [])
        assert (found.held, found.refuted) == (False, False)

    def test_alerts_of_other_services_do_not_count(self):
        assert self.measured([firing(1, "payments")], []).followed.firings == 0

    def test_the_past_that_it_was_tested_on_is_no_proof(self):
        with pytest.raises(InvalidInputError, match="what followed"):
            measure(proposal(), [], [], window=(AT - timedelta(days=1), AT))
