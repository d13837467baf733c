"""Alert history is read as it was, whatever the step, the look-back and the number of series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.assurance.quality.history import alert_history, blind_hours
from release_watch.assurance.quality.intervals import AlertInterval, merged
from release_watch.assurance.quality.joining import Seen, join
from tests.assurance.quality.recorded import Alert, RecordedMetrics

START = datetime(2026, 11, 1, tzinfo=UTC)
LABELS = {"alertname": "SlowPayments", "service": "payments", "severity": "page"}
DAY = (START, START + timedelta(days=1))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def stamps(*seconds: float) -> list[float]:
    return [START.timestamp() + one for one in seconds]


def firing(*seconds: float, since: float | None = None, **labels: str) -> Alert:
    active = stamps(*[since] * len(seconds)) if since is not None else ()
    return Alert({**LABELS, **labels}, stamps(*seconds), active)


def read(*alerts: Alert, window=DAY, heartbeat=(), **more) -> list[AlertInterval]:
    return alert_history(RecordedMetrics(alerts, heartbeat), window, ["payments"], **more)


def test_start_and_end_are_those_of_the_samples_and_not_of_the_grid():
    (found,) = read(firing(1007.25, 1037.25, 1067.25, since=900))
    assert found == AlertInterval("SlowPayments", "payments", "page", at(1007.25), at(1067.25), at(900))


def test_a_firing_of_one_evaluation_is_seen():
    (found,) = read(firing(70_001.5, since=70_001))
    assert (found.start, found.end) == (at(70_001.5), at(70_001.5))


@pytest.mark.parametrize("name", ["k8s.pod", "größe", "a=b"], ids=["dot", "unicode", "sign"])
def test_labels_of_any_name_and_value_are_read(name):
    (found,) = read(firing(600, 630, since=590, **{name: 'a "b", c\\n\n{}'}))
    assert found == AlertInterval("SlowPayments", "payments", "page", at(600), at(630), at(590))


def test_what_came_back_within_the_look_back_is_two_firings():
    first = firing(*range(600, 690, 30), since=600)
    again = [START.timestamp() + one for one in range(750, 840, 30)]
    both = first._replace(fired=[*first.fired, *again], active=[*first.active, *[again[0]] * 3])
    assert [(one.start, one.end) for one in read(both)] == [(at(600), at(660)), (at(750), at(810))]


def test_one_firing_across_hours_of_downtime_is_one():
    (found,) = read(firing(600, 630, 30_000, 30_030, since=590))
    assert (found.start, found.end) == (at(600), at(30_030))


def test_a_restart_that_the_heartbeat_shows_is_joined():
    alert = firing(600, 630, 1260, 1290, since=600)
    alert = alert._replace(active=stamps(600, 600, 1260, 1260))
    beats = stamps(*range(570, 660, 30), *range(1250, 1400, 30))
    assert len(read(alert)) == 2
    assert len(read(alert, heartbeat=beats)) == 1


def test_series_that_fire_at_the_same_time_are_copies_of_one_firing():
    (found,) = read(
        firing(600, 630, 660, since=590, instance="a"), firing(630, 660, 690, since=620, instance="b")
    )
    assert (found.copies, found.start, found.end, found.active_at) == (2, at(600), at(690), at(590))


def test_a_firing_at_the_edges_of_the_window_is_told():
    window = (at(600), at(1200))
    (found,) = read(firing(*range(0, 2000, 15), since=-60), window=window)
    assert (found.begun_before, found.ongoing) == (True, True)
    assert (found.start, found.end) == window


def test_what_began_at_the_start_of_the_window_is_of_the_window():
    (found,) = read(firing(600, 615, since=600), window=(at(600), at(1200)))
    assert (found.begun_before, found.ongoing) == (False, False)


def test_a_quiet_month_is_one_query_and_a_month_of_one_alert_asks_for_few_points():
    month = (START, START + timedelta(days=30))
    quiet = RecordedMetrics()
    assert alert_history(quiet, month, ["payments"]) == []
    assert (len(quiet.queries), quiet.points) == (1, 8641)
    once = RecordedMetrics([firing(*range(1_000_000, 1_000_900, 15), since=999_000)])
    assert len(alert_history(once, month, ["payments"])) == 1
    assert (len(once.queries), once.points < 8641 + 3 * 100) == (4, True)


def test_drills_other_environments_and_other_services_are_left_out_by_every_query_but_the_heartbeat():
    metrics = RecordedMetrics([firing(600, since=600)])
    alert_history(metrics, DAY, ["payments", "check.out"], environment="production")
    (*asked, heartbeat) = metrics.queries
    assert heartbeat == 'timestamp(ALERTS{alertname="Watchdog",alertstate="firing"})'
    for query in asked:
        assert 'drill="",service=~"check\\\\.out|payments",environment=~"|production"' in query


@pytest.mark.parametrize(
    ("beats", "blind"),
    [(range(0, 86_400, 60), 0), (range(7_230, 86_400, 60), 2), ((), 24)],
    ids=["always", "since two hours", "never"],
)
def test_hours_without_the_heartbeat_are_blind(beats, blind):
    assert blind_hours(RecordedMetrics(heartbeat=stamps(*beats)), DAY) == (blind, 24)


def test_the_heartbeat_of_another_environment_makes_no_hour_seen():
    metrics = RecordedMetrics(heartbeat=stamps(*range(0, 86_400, 60)))
    blind_hours(metrics, DAY, "production")
    (query,) = metrics.queries
    assert 'alertstate="firing",environment=~"|production"}[1h]' in query


def test_less_than_an_hour_is_not_looked_at():
    assert blind_hours(RecordedMetrics(), (START, at(3599))) == (0, 0)


@pytest.mark.parametrize("seconds", [0, 0.5, 301], ids=["none", "part", "longer than the look-back"])
def test_a_resolution_that_would_lose_samples_is_refused(seconds):
    with pytest.raises(ValueError, match="resolution"):
        read(resolution=timedelta(seconds=seconds))


@st.composite
def recorded(draw) -> Alert:
    """Return an alert of some firings, evaluated every 15 s or more seldom, each with its activation."""
    every = draw(st.integers(15, 120))
    moment, fired, active = draw(st.floats(1, 3000).map(lambda one: round(one, 3))), [], []
    for _ in range(draw(st.integers(1, 5))):
        since = float(int(moment) - draw(st.integers(0, 600)))
        for _ in range(draw(st.integers(1, 40))):
            fired.append(moment)
            active.append(since)
            moment = round(moment + every, 3)
        moment = round(moment + every * draw(st.integers(1, 50)), 3)
    return Alert(LABELS, stamps(*fired), stamps(*active))


@settings(max_examples=40)
@given(recorded(), st.integers(0, 400))
def test_what_is_read_is_what_was_recorded(alert, offset):
    window = (START - timedelta(seconds=offset), START + timedelta(hours=12))
    runs = join(
        Seen(datetime.fromtimestamp(round(moment, 3), UTC), datetime.fromtimestamp(since, UTC))
        for moment, since in zip(alert.fired, alert.active, strict=True)
    )
    found = read(alert, window=window)
    assert [(one.start, one.end, one.active_at) for one in found] == [tuple(run) for run in runs]


SPANS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 20), st.sampled_from(["A", "B"])).map(
        lambda one: AlertInterval(one[2], "payments", "page", at(one[0]), at(one[0] + one[1]))
    )
)


@given(SPANS)
def test_merged_firings_of_an_alert_never_overlap_and_count_every_copy(firings):
    found = merged(firings)
    assert sum(one.copies for one in found) == len(firings)
    for name in "AB":
        own = [one for one in found if one.alert == name]
        assert all(before.end < after.start for before, after in pairwise(own))
    assert merged(found) == found
