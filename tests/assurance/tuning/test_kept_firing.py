"""``keep_firing_for`` as a change: what it is worth, what it hides, and that it survives on its way."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.tuning.applying import changed_rules
from release_watch.assurance.tuning.back_test import BackTest, back_test
from release_watch.assurance.tuning.candidates import quieter
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.masking import announced, masked
from release_watch.assurance.tuning.proposal import read_proposal
from release_watch.assurance.tuning.replay import without_tail
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml, to_yaml
from tests.assurance.tuning.past import STEP, PastMetrics, at

DAY = 24 * 60
RULE = Rule(alert="Errors", expr="errors > 5", labels={"service": "checkout", "severity": "ticket"})
GROUP = RuleGroup(name="g", interval="1m", rules=(RULE,))


def firing(start: float, end: float) -> AlertInterval:
    return AlertInterval("Errors", "checkout", "page", at(start), at(end))


def incident(opened: float, closed: float, name: str = "I-1") -> Incident:
    return Incident(name, "", "down", "checkout", at(opened), at(closed))


def replay_of(rule: Rule, held: set[int], *incidents: Incident) -> BackTest:
    values = [6.0 if minute in held else 1.0 for minute in range(DAY)]
    history = History(PastMetrics({"errors": values}), (at(0), at(DAY)), incidents)
    return back_test(rule, GROUP, history, at=at(DAY))


def flickering(start: int, times: int, gap: int = 8) -> set[int]:
    """Return the minutes of a condition that comes back again and again."""
    return {start + number * gap for number in range(times)}


def test_only_longer_than_the_rule_keeps_already():
    for kept, expected in ((None, ["5m", "10m", "15m", "30m"]), ("10m", ["15m", "30m"]), ("1h", [])):
        found = quieter(RULE.model_copy(update={"keep_firing_for": kept}))
        assert [one.rule.keep_firing_for for one in found if one.kind == "keep_firing_for"] == expected


def test_an_alert_that_flaps_in_an_incident_fires_once_with_it():
    found = replay_of(RULE, flickering(300, 6), incident(300, 350))
    assert found.before.firings == 6
    kept = {
        one.candidate.rule.keep_firing_for: one
        for one in found.trials
        if one.candidate.kind == "keep_firing_for"
    }
    assert {keep: one.score.firings for keep, one in kept.items()} == {"5m": 6, "10m": 1, "15m": 1, "30m": 1}
    assert [kept[keep].refused for keep in ("10m", "15m", "30m")] == ["", "", ""]


def test_the_proposal_survives_approval_and_the_rule_file():
    found = replay_of(RULE, flickering(300, 6), incident(300, 350))
    proposal = found.proposal
    assert proposal is not None
    assert (proposal.kind, proposal.proposed.keep_firing_for) == ("keep_firing_for", "10m")
    assert read_proposal(proposal.document()) == proposal
    text = changed_rules(proposal, to_yaml([GROUP]))
    assert "    keep_firing_for: 10m\n" in text
    assert "+    keep_firing_for: 10m" in proposal.diff
    ((rule,),) = [group.rules for group in from_yaml(text)]
    assert rule == proposal.proposed


def test_what_fires_on_after_its_condition_tells_of_nothing_new():
    keeps = RULE.model_copy(update={"keep_firing_for": "30m"})
    later = incident(160, 200)  # 30 minutes before the ticket at 130; the condition ended at 105
    assert replay_of(keeps, set(range(100, 106)), later).before.true == 0
    assert replay_of(keeps, set(range(100, 131)), later).before.true == 1


@pytest.mark.parametrize(
    ("keep", "end"),
    [(None, 90), ("5m", 85), ("90s", 88), ("2h", 60)],
    ids=["none", "5m", "rounded up", "long"],
)
def test_a_tail_is_cut_by_whole_evaluations_and_never_before_the_begin(keep: str | None, end: int):
    (cut,) = without_tail([firing(60, 90)], RULE.model_copy(update={"keep_firing_for": keep}), STEP)
    assert (cut.start, cut.end) == (at(60), at(end))


class TestMasking:
    until: datetime = at(DAY)

    def said(self, kind, before, after, *incidents):
        return masked(kind, before, after, incidents, until=self.until)

    def test_an_incident_amid_a_firing_that_began_long_before_was_not_announced(self):
        long, short = firing(0, 300), firing(250, 300)
        one = incident(255, 300)
        assert announced([long], [one], until=self.until) == frozenset()
        assert announced([long, short], [one], until=self.until) == {"I-1"}

    def test_a_change_that_joins_must_leave_a_firing_that_begins_for_each_incident(self):
        before, after = [firing(0, 20), firing(250, 300)], [firing(0, 300)]
        said = self.said("keep_firing_for", before, after, incident(255, 300))
        assert said == "would be firing on from before 1 known incidents, of which it told anew: I-1"
        assert self.said("grouping", before, after, incident(255, 300))

    @pytest.mark.parametrize("kind", ["for", "threshold", "severity"])
    def test_other_changes_join_nothing(self, kind):
        assert self.said(kind, [firing(250, 300)], [firing(0, 300)], incident(255, 300)) == ""

    def test_what_told_nobody_before_loses_nothing(self):
        assert self.said("grouping", [firing(0, 300)], [firing(0, 310)], incident(255, 300)) == ""

    def test_a_false_alarm_is_no_incident(self):
        alarm = incident(255, 300)._replace(labels=("false-alarm",))
        assert self.said("grouping", [firing(250, 300)], [firing(0, 300)], alarm) == ""

    def test_a_back_test_refuses_what_masks(self):
        """Every quarter of an hour something small, and once an incident: firing on would hide it."""
        noise = {minute for start in range(0, 600, 15) for minute in range(start, start + 2)}
        found = replay_of(RULE, noise, incident(500, 560))
        refused = {
            one.candidate.rule.keep_firing_for: one.refused
            for one in found.trials
            if one.candidate.kind == "keep_firing_for"
        }
        assert "firing on from before 1 known incidents" in refused["15m"]
        assert found.proposal is None or found.proposal.kind != "keep_firing_for"


def test_a_page_is_kept_longer_only_with_recall_evidence():
    page = RULE.model_copy(update={"labels": {**RULE.labels, "severity": "page"}})
    found = replay_of(page, flickering(300, 6), incident(300, 350))
    refused = [one.refused for one in found.trials if one.candidate.kind == "keep_firing_for"]
    assert all("no recall evidence" in one for one in refused)
    assert found.proposal is None
    assert timedelta(minutes=1) == found.step
