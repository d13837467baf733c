from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.correlation import Correlation, correlation_of
from release_watch.assurance.proportion import Proportion, in_words
from release_watch.assurance.quality.history import alert_history, firing_query
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.measures import Asked, measure
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.response.tickets import Incident
from release_watch.verdict import Verdict
from tests.assurance.fakes import NOW
from tests.assurance.quality.recorded import Alert, RecordedMetrics

START = NOW - timedelta(days=1)
WINDOW = (START, NOW)


def at(minutes: float):
    return START + timedelta(minutes=minutes)


def alert(start: float, end: float, service: str = "checkout", name: str = "HighErrorRate") -> AlertInterval:
    return AlertInterval(name, service, "page", at(start), at(end))


def incident(opened: float, closed: float | None, service: str = "checkout", ref: str = "1") -> Incident:
    return Incident(ref, "", "orders fail", service, at(opened), None if closed is None else at(closed))


def correlate(alerts, incidents, *, window=WINDOW, problem=None, notes=()) -> Correlation:
    """Return what follows where every incident has its ticket: an alert of none was false."""
    every_ticket = AlertQualityPolicy(review="tracker", pages_per_shift=100)
    asked = Asked(problem=problem, notes=notes)
    return correlation_of(measure(alerts, incidents, window=window, policy=every_ticket, asked=asked))


def history(**fired: list[int]) -> RecordedMetrics:
    labels = {"service": "checkout", "severity": "page"}
    return RecordedMetrics(
        Alert({"alertname": name, **labels}, [at(minute).timestamp() for minute in minutes])
        for name, minutes in fired.items()
    )


class TestHistory:
    def test_an_unbroken_run_is_one_interval(self):
        (found,) = alert_history(history(A=[10, 11, 12]), WINDOW, ["checkout"])
        assert found == AlertInterval("A", "checkout", "page", at(10), at(12))

    def test_a_gap_of_a_restart_is_joined_and_a_real_one_is_not(self):
        found = alert_history(history(A=[10, 11, 15, 40]), WINDOW, ["checkout"])
        assert [(i.start, i.end) for i in found] == [(at(10), at(15)), (at(40), at(40))]

    def test_alerts_that_fire_at_different_times_stay_apart(self):
        found = alert_history(history(A=[10, 11], B=[200, 201]), WINDOW, ["checkout"])
        assert [(i.alert, i.start) for i in found] == [("A", at(10)), ("B", at(200))]

    def test_no_alert_at_all_is_no_interval(self):
        assert alert_history(RecordedMetrics(), WINDOW, ["checkout"]) == []

    def test_without_services_nothing_is_asked(self):
        metrics = RecordedMetrics()
        assert alert_history(metrics, WINDOW, []) == []
        assert metrics.queries == []

    def test_drills_and_other_services_are_left_out_by_the_query(self):
        query = firing_query(["check.out", "payments"], "production")
        assert 'drill=""' in query
        assert 'service=~"check\\\\.out|payments"' in query
        assert 'environment=~"|production"' in query


class TestMatching:
    @pytest.mark.parametrize(
        ("fired", "ticket", "together"),
        [
            (alert(10, 20), incident(15, 60), True),
            (alert(10, 20), incident(49, 60), True),
            (alert(10, 20), incident(51, 60), False),
            (alert(61, 70), incident(15, 60), False),
            (alert(60, 70), incident(15, 60), True),
            (alert(900, 950), incident(15, None), True),
            (alert(10, 20, service="payments"), incident(15, 60), False),
        ],
        ids=[
            "during",
            "up to 30 min before the ticket",
            "longer before the ticket",
            "after it was closed",
            "at the moment it was closed",
            "while it is still open",
            "another service",
        ],
    )
    def test_an_alert_belongs_to_an_incident_by_service_and_time(self, fired, ticket, together):
        found = correlate([fired], [ticket], window=WINDOW)
        assert (found.precision.hits, len(found.missed)) == ((1, 0) if together else (0, 1))

    def test_known_history_gives_the_known_numbers(self):
        fired = [alert(10, 20), alert(100, 101), alert(300, 310), alert(305, 306, name="Latency")]
        tickets = [incident(15, 60), incident(302, 400, ref="2"), incident(700, 720, ref="3")]
        found = correlate(fired, tickets, window=WINDOW)
        assert (found.precision.hits, found.precision.total) == (3, 4)
        assert (found.recall.hits, found.recall.total) == (2, 3)
        assert [m.ref for m in found.missed] == ["3"]
        assert found.detection_seconds == pytest.approx(3.5 * 60)
        assert [(q.alert, q.firings, q.true_positives) for q in found.alerts] == [
            ("HighErrorRate", 3, 2),
            ("Latency", 1, 1),
        ]

    def test_incidents_that_began_before_the_window_do_not_count(self):
        found = correlate([], [incident(-600, -500), incident(-10, 5), incident(0, 5)], window=WINDOW)
        assert found.incidents == 1


class TestVerdict:
    def test_without_a_tracker_nothing_is_known_and_the_reason_is_told(self):
        found = correlate([alert(10, 20)], None, window=WINDOW, problem="No Airflow connection")
        assert (found.precision, found.recall, found.reviewed) == (None, None, False)
        assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "No Airflow connection")

    def test_a_quiet_day_is_go_with_unknown_precision(self):
        found = correlate([], [], window=WINDOW)
        assert (found.verdict, found.precision, found.recall) == (Verdict.GO, None, None)

    @pytest.mark.parametrize(
        ("fired", "tickets"),
        [
            ([], [incident(15, 60)]),
            ([alert(100, 101), alert(300, 301), alert(500, 501)], []),
            ([alert(n * 10, n * 10 + 1) for n in range(4)], [incident(15, None)]),
        ],
        ids=["blind", "noisy", "flapping"],
    )
    def test_what_is_to_be_tuned_is_warned_of(self, fired, tickets):
        assert correlate(fired, tickets, window=WINDOW).verdict is Verdict.WARN

    def test_two_firings_are_too_few_to_call_an_alert_noisy(self):
        found = correlate([alert(100, 101), alert(500, 501)], [], window=WINDOW)
        assert found.verdict is Verdict.GO

    def test_it_can_be_stored_and_read_again(self):
        found = correlate([alert(10, 20)], [incident(15, 60)], window=WINDOW)
        assert Correlation.model_validate_json(found.model_dump_json()) == found


class TestProportion:
    def test_nothing_of_nothing_is_unknown(self):
        assert Proportion.of(0, 0) is None
        assert in_words(None) == "unknown"

    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    @pytest.mark.parametrize(
        ("hits", "total", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_the_interval_is_the_published_one(self, hits, total, low, high):
        found = Proportion.of(hits, total)
        assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))

    @given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_the_interval_holds_the_share_and_stays_within_0_and_1(self, counts):
        found = Proportion.of(*counts)
        assert 0 <= found.low <= found.share + 1e-12
        assert found.share - 1e-12 <= found.high <= 1
