"""Firings held against tickets give the numbers that they must."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality.measures import measure
from release_watch.assurance.quality.models import AlertReport, Spread
from release_watch.assurance.quality.silences import Matcher, Silence
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.verdict import Verdict
from tests.assurance.fakes import CONFIG
from tests.assurance.quality.samples import WINDOW, at, fired, ticket
from tests.assurance.quality.test_matching import ALERTS, TICKETS


def measured(alerts=(), tickets=(), **more: Any) -> AlertReport:
    policy = AlertQualityPolicy(**more.pop("policy", {}))
    return measure(list(alerts), tickets, window=WINDOW, policy=policy, **more)


class TestPrecision:
    ALERTS = (fired(100, 110), fired(300, 310), fired(500, 510))
    TICKETS = (ticket(105, 200), ticket(301, 320, ref="2", verdict="false-alarm"))

    def test_only_what_was_reviewed_is_in_the_denominator(self):
        tally = measured(self.ALERTS, self.TICKETS).tally
        assert tally.precision == Proportion.of(1, 2)
        assert (tally.unreviewed, tally.lowest, tally.highest) == (1, 1 / 3, 2 / 3)

    def test_with_a_complete_tracker_what_belongs_to_no_incident_was_false(self):
        tally = measured(self.ALERTS, self.TICKETS, policy={"review": "tracker"}).tally
        assert (tally.precision, tally.unreviewed) == (Proportion.of(1, 3), 0)

    def test_if_nobody_could_be_asked_nothing_is_false(self):
        report = measured(self.ALERTS, None, policy={"review": "tracker"})
        assert (report.reviewed, report.verdict) == (False, Verdict.INCONCLUSIVE)
        assert (report.tally.precision, report.caught, report.alerts[0].not_acted_on) == (None, None, None)

    def test_what_nobody_reviewed_has_no_precision(self):
        tally = measured(self.ALERTS, []).tally
        assert (tally.precision, tally.lowest, tally.highest) == (None, 0, 1)


class TestRecall:
    def test_an_incident_that_no_alert_told_of_is_missed(self):
        report = measured([fired(100, 110)], [ticket(105, 200), ticket(600, 700, ref="2")])
        assert report.caught.recall == Proportion.of(1, 2)
        assert [one.ref for one in report.missed] == ["2"]
        assert report.verdict is Verdict.WARN

    def test_a_page_may_miss_what_a_ticket_alert_told_of(self):
        report = measured([fired(100, 110, severity="ticket")], [ticket(105, 200)])
        assert (report.caught.misses, report.page_caught.misses) == (0, 1)

    def test_an_alert_is_held_against_the_incidents_of_its_service(self):
        alerts = [fired(100, 110), fired(100, 110, "Latency"), fired(100, 110, service="payments")]
        report = measured(alerts, [ticket(105, 200), ticket(600, 700, ref="2", alert="Errors")])
        caught = {
            (one.alert, one.service): (one.caught.detected, one.caught.incidents) for one in report.alerts
        }
        assert caught == {
            ("Errors", "checkout"): (1, 2),
            ("Latency", "checkout"): (1, 1),
            ("Errors", "payments"): (0, 0),
        }

    def test_what_began_before_the_window_is_in_no_number_of_it(self):
        alerts = [fired(0, 30, begun_before=True), fired(700, 710)]
        report = measured(alerts, [ticket(-60, 20), ticket(705, 720, ref="2"), ticket(-90, -60, ref="3")])
        assert (report.carried_over_firings, report.carried_over_incidents) == (1, 1)
        assert (report.tally.firings, report.caught.incidents, report.paging.pages) == (1, 1, 1)

    def test_a_neighbour_counts_where_the_policy_says_so(self):
        alerts, tickets = [fired(100, 110, service="payments")], [ticket(105, 200)]
        alone = measured(alerts, tickets, catalog=CONFIG.catalog)
        near = measured(alerts, tickets, catalog=CONFIG.catalog, policy={"dependencies": True})
        assert (alone.caught.misses, near.caught.misses) == (1, 0)


class TestTimes:
    def test_of_several_alerts_the_first_and_the_last_count(self):
        alerts = [fired(102, 150), fired(104, 165, "Latency")]
        told = {"began_at": 100, "ended_at": 160, "acknowledged_at": 105}
        (found,) = measured(alerts, [ticket(110, 200, **told)]).incidents
        assert found.alerts == ("Errors", "Latency")
        assert (found.detection_seconds, found.reset_seconds) == (120, 300)
        assert (found.lead_seconds, found.acknowledge_seconds) == (480, 180)

    def test_what_nobody_wrote_down_is_unknown(self):
        times = measured([fired(102, 150)], [ticket(110, 200)]).times
        assert (times.detection, times.reset, times.acknowledge) == (None, None, None)
        assert times.lead == Spread(samples=1, least=480, median=480, most=480)

    def test_an_alert_that_still_fires_has_no_reset_time(self):
        (found,) = measured([fired(1400, 1440, ongoing=True)], [ticket(1401, None, ended_at=1410)]).incidents
        assert found.reset_seconds is None

    def test_an_acknowledgement_before_the_alert_was_not_of_the_alert(self):
        (found,) = measured([fired(102, 150)], [ticket(100, 200, acknowledged_at=101)]).incidents
        assert found.acknowledge_seconds is None


class TestNoise:
    def test_what_comes_back_within_the_hour_flaps(self):
        alerts = [fired(n * 60, n * 60 + 10) for n in range(4)] + [fired(400, 410)]
        (found,) = measured(alerts, []).alerts
        assert (found.flaps, found.flapping) == (3, True)
        (calm,) = measured(alerts, [], policy={"flap_within": timedelta(minutes=49)}).alerts
        assert (calm.flaps, calm.flapping) == (0, False)

    @pytest.mark.parametrize(("reviewed", "noisy"), [(2, False), (3, True)], ids=["too few", "enough"])
    def test_noisy_is_only_what_was_reviewed_often_enough(self, reviewed, noisy):
        alerts = [fired(n * 100, n * 100 + 10) for n in range(5)]
        tickets = [ticket(n * 100, n * 100 + 5, ref=str(n), verdict="false-alarm") for n in range(reviewed)]
        (found,) = measured(alerts, tickets).alerts
        assert (found.noisy, found.not_acted_on) == (noisy, 5 - reviewed)

    def test_series_at_the_same_time_are_duplicates_and_not_firings(self):
        (found,) = measured([fired(100, 110, copies=3)], []).alerts
        assert (found.tally.firings, found.duplicates, found.pages) == (1, 2, 1)

    def test_drills_are_no_pages_and_neither_flap_nor_wait_for_anybody(self):
        alerts = [fired(100, 105), fired(110, 115), fired(120, 125)]
        report = measured(alerts, [ticket(90, 130, verdict="drill")])
        (found,) = report.alerts
        assert (found.tally.excluded, found.flaps, found.not_acted_on) == (3, 0, 0)
        assert report.paging.pages == 0


class TestSilences:
    def silence(self, *matchers: Matcher) -> list[Silence]:
        return [Silence(at(90), at(130), matchers)]

    def test_a_silenced_page_reached_nobody(self):
        known = self.silence(Matcher("service", "check.*", True, True))
        report = measured([fired(100, 110), fired(200, 210)], [], silences=known)
        assert (report.alerts[0].silenced, report.paging.pages) == (1, 1)

    def test_an_incident_of_which_only_a_silenced_page_told_was_paged_by_none(self):
        known = self.silence(Matcher("alertname", "Errors", False, True))
        report = measured([fired(100, 110)], [ticket(105, 120)], silences=known)
        assert (report.caught.misses, report.page_caught.misses) == (0, 1)

    @pytest.mark.parametrize(
        "matcher",
        [
            Matcher("service", "check", True, True),
            Matcher("service", "checkout", False, False),
            Matcher("instance", "a", False, True),
        ],
        ids=["part of a value", "all but this", "a label that only some series have"],
    )
    def test_a_silence_of_others_silences_nothing(self, matcher):
        report = measured([fired(100, 110)], [], silences=self.silence(matcher))
        assert (report.alerts[0].silenced, report.paging.pages) == (0, 1)

    def test_without_alertmanager_silences_are_unknown(self):
        assert measured([fired(100, 110)], []).alerts[0].silenced is None


class TestWhole:
    def test_a_quiet_day_is_go_with_unknown_numbers(self):
        report = measured()
        assert (report.verdict, report.tally.precision, report.caught.recall) == (Verdict.GO, None, None)

    def test_every_alert_has_the_query_behind_it(self):
        (found,) = measured([fired(100, 110, 'Err"ors')], []).alerts
        assert found.query == (
            'ALERTS{alertstate="firing",drill="",alertname="Err\\"ors",service="checkout",severity="page"}'
        )

    def test_it_can_be_stored_and_read_again(self):
        report = measured([fired(100, 110)], [ticket(105, 200)], oncall=CONFIG.oncall)
        assert AlertReport.model_validate_json(report.model_dump_json()) == report

    @given(ALERTS, TICKETS)
    def test_counts_add_up(self, alerts, tickets):
        report = measured(alerts, tickets)
        tallies = [one.tally for one in report.alerts]
        for tally in (report.tally, *tallies):
            parts = tally.true_positives + tally.false_positives + tally.unreviewed + tally.excluded
            assert parts == tally.firings
        assert sum(one.firings for one in tallies) == report.tally.firings == len(alerts)
        assert report.caught.misses == len(report.missed)
        assert report.page_caught.detected <= report.caught.detected
        assert sum(one.pages for one in report.alerts) == report.paging.pages
        assert sum(shift.pages for shift in report.paging.shifts) == report.paging.pages
