"""Which firings and incidents belong together, and what people said of each firing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.quality.matching import MatchRules, match, neighbours_of, pairs, together
from release_watch.assurance.quality.review import Judged, judge_firings, verdict_of
from tests.assurance.fakes import CONFIG
from tests.assurance.quality.samples import WINDOW, at, fired, ticket

UNTIL = WINDOW[1]
NEAR = {"checkout": frozenset({"payments"}), "payments": frozenset({"checkout"})}
ONE_HOP = MatchRules(dependencies=True)


class TestTogether:
    @pytest.mark.parametrize(
        ("alert", "incident", "belongs"),
        [
            (fired(100, 110), ticket(105, 200), True),
            (fired(100, 110), ticket(140, 200), True),
            (fired(100, 110), ticket(141, 200), False),
            (fired(200, 210), ticket(105, 200), True),
            (fired(201, 210), ticket(105, 200), False),
            (fired(900, 910), ticket(105, None), True),
            (fired(100, 110, service="payments"), ticket(105, 200), False),
            (fired(20, 30), ticket(105, 200, began_at=30), True),
            (fired(20, 29), ticket(105, 200, began_at=30), False),
            (fired(100, 110), ticket(105, 200, alert="Errors"), True),
            (fired(100, 110), ticket(105, 200, alert="Latency"), False),
            (fired(100, 110), ticket(105, 200, service=None), False),
            (fired(300, 310), ticket(105, 200, ended_at=300), True),
        ],
        ids=[
            "during",
            "half an hour before the ticket",
            "longer before the ticket",
            "when it was closed",
            "after it was closed",
            "while it is still open",
            "another service",
            "when the impact began, long before the ticket",
            "before the impact began",
            "the alert it names",
            "another alert than it names",
            "a ticket of no service",
            "until the impact was over, after it was closed",
        ],
    )
    def test_by_service_and_time(self, alert, incident, belongs):
        assert together(alert, incident, until=UNTIL) is belongs

    def test_rules_may_be_wider(self):
        late = fired(204, 210)
        assert together(late, ticket(105, 200), until=UNTIL, rules=MatchRules(trail=timedelta(minutes=5)))

    @pytest.mark.parametrize(
        ("rules", "belongs"), [(MatchRules(), False), (ONE_HOP, True)], ids=["off", "on"]
    )
    def test_a_neighbour_counts_only_where_the_rules_say_so(self, rules, belongs):
        alert = fired(100, 110, service="payments")
        assert together(alert, ticket(105, 200), until=UNTIL, rules=rules, neighbours=NEAR) is belongs

    def test_every_rule_is_told_in_words(self):
        words = " ".join(MatchRules(dependencies=True, trail=timedelta(minutes=7)).in_words())
        assert "30 min before the ticket" in words
        assert "and 7 min" in words
        assert "calls, or is called by" in words
        assert "calls" not in " ".join(MatchRules().in_words())

    def test_neighbours_are_those_one_call_away(self):
        found = neighbours_of(CONFIG.catalog)
        for service in CONFIG.catalog.services:
            for callee in service.dependencies:
                assert callee in found[service.name]
                assert service.name in found[callee]
            assert service.name not in found[service.name]


MINUTES = st.integers(0, 600)
SERVICES = st.sampled_from(["checkout", "payments", "search"])
ALERTS = st.lists(
    st.builds(
        lambda start, length, name, service: fired(start, start + length, name, service),
        MINUTES,
        st.integers(0, 60),
        st.sampled_from(["Errors", "Latency"]),
        SERVICES,
    ),
    max_size=12,
)
TICKETS = st.lists(
    st.builds(
        lambda opened, length, service, alert, verdict: ticket(
            opened, None if length is None else opened + length, service, alert=alert, labels=verdict
        ),
        MINUTES,
        st.one_of(st.none(), st.integers(0, 90)),
        SERVICES,
        st.sampled_from([None, None, "Errors"]),
        st.sampled_from([(), (), ("false-alarm",), ("drill",), ("maintenance",)]),
    ),
    max_size=12,
)


class TestProperties:
    @given(ALERTS, TICKETS, st.booleans())
    def test_match_finds_exactly_what_belongs_together(self, alerts, tickets, one_hop):
        rules = MatchRules(dependencies=one_hop)
        found = match(alerts, tickets, until=UNTIL, rules=rules, neighbours=NEAR)
        expected = {
            (a, i)
            for a, alert in enumerate(alerts)
            for i, incident in enumerate(tickets)
            if together(alert, incident, until=UNTIL, rules=rules, neighbours=NEAR)
        }
        assert set(pairs(found)) == expected
        assert {(a, i) for i, theirs in enumerate(found.by_incident) for a in theirs} == expected

    @given(ALERTS, TICKETS, st.sampled_from(["explicit", "tracker"]))
    def test_every_firing_has_one_judgement_and_only_true_ones_tell_of_incidents(
        self, alerts, tickets, review
    ):
        found = judge_firings(alerts, tickets, until=UNTIL, review=review)
        assert len(found.firings) == len(alerts)
        telling = {alert for theirs in found.matching.by_incident for alert in theirs}
        assert telling == {n for n, said in enumerate(found.firings) if said is Judged.TRUE}
        if review == "tracker":
            assert Judged.UNREVIEWED not in found.firings
        assert all(
            acted for acted, said in zip(found.acted_on, found.firings, strict=True) if said is Judged.TRUE
        )

    @given(ALERTS, TICKETS)
    def test_a_tracker_that_is_complete_only_changes_what_nobody_reviewed(self, alerts, tickets):
        explicit = judge_firings(alerts, tickets, until=UNTIL).firings
        complete = judge_firings(alerts, tickets, until=UNTIL, review="tracker").firings
        for one, other in zip(explicit, complete, strict=True):
            assert other == (Judged.FALSE if one is Judged.UNREVIEWED else one)


class TestReview:
    @pytest.mark.parametrize(
        ("tickets", "said"),
        [
            ([], Judged.UNREVIEWED),
            ([ticket(105, 200)], Judged.TRUE),
            ([ticket(105, 200, verdict="false-alarm")], Judged.FALSE),
            ([ticket(105, 200, verdict="false-alarm", service="payments")], Judged.UNREVIEWED),
            ([ticket(105, 200), ticket(105, 200, verdict="false-alarm")], Judged.TRUE),
            ([ticket(105, 200), ticket(105, 200, verdict="false-alarm", alert="Errors")], Judged.FALSE),
            ([ticket(90, 200, verdict="drill"), ticket(105, 200)], Judged.EXCLUDED),
            ([ticket(101, 200, verdict="drill")], Judged.UNREVIEWED),
            ([ticket(90, 200, verdict="maintenance")], Judged.EXCLUDED),
            ([ticket(90, 200, verdict="maintenance", service=None)], Judged.EXCLUDED),
            ([ticket(90, 200, verdict="maintenance"), ticket(105, 200)], Judged.TRUE),
        ],
        ids=[
            "nothing was said",
            "an incident",
            "a false alarm",
            "a false alarm of another service",
            "an incident against a false alarm of the service",
            "an incident against a false alarm of this alert",
            "a drill against an incident",
            "a drill that came later",
            "maintenance",
            "maintenance of all services",
            "an incident in maintenance",
        ],
    )
    def test_what_people_said_holds_in_a_stated_order(self, tickets, said):
        found = judge_firings([fired(100, 110)], tickets, until=UNTIL)
        assert found.firings == (said,)

    def test_what_was_false_by_name_tells_of_no_incident(self):
        tickets = [ticket(105, 200), ticket(105, 200, verdict="false-alarm", alert="Errors")]
        found = judge_firings([fired(100, 110)], tickets, until=UNTIL)
        assert found.matching.by_incident == ((),)

    def test_what_a_ticket_tells_of_was_acted_on(self):
        alerts = [fired(100, 110), fired(300, 310), fired(500, 510)]
        found = judge_firings(
            alerts, [ticket(105, 200), ticket(301, 320, verdict="false-alarm")], until=UNTIL
        )
        assert found.acted_on == (True, True, False)

    @pytest.mark.parametrize("label", ["false-alarm", "False Alarm", "FALSE_ALARM"])
    def test_labels_are_read_however_they_are_written(self, label):
        assert verdict_of(ticket(1, 2, labels=("shop", label))) == "false-alarm"

    def test_a_mark_in_the_title_is_a_label(self):
        marked = ticket(1, 2)._replace(title="checkout pages for nothing [False alarm] [shop]")
        assert verdict_of(marked) == "false-alarm"
        assert verdict_of(marked._replace(title="false-alarm of checkout")) is None

    def test_any_other_label_is_an_incident(self):
        assert verdict_of(ticket(1, 2, labels=("shop", "false"))) is None
        assert at(1) == ticket(1, 2).opened_at
