"""Which alerts are replayed, and that one that cannot be hides no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from release_watch.assurance.tuning import choosing
from release_watch.assurance.tuning.inlining import HistoryTooShortError
from release_watch.errors import BackendError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from tests.assurance.fakes import FakeMetrics
from tests.assurance.test_correlation import WINDOW, alert, correlate, incident

NOISE = [alert(n * 100, n * 100 + 1) for n in range(4)]


def rules(*alerts: str, **labels: str) -> str:
    made = tuple(
        Rule(alert=name, expr="errors > 0.1", labels={"service": "checkout", "severity": "page", **labels})
        for name in alerts
    )
    return to_yaml([RuleGroup(name="g", rules=made)])


def chosen(correlation, *texts):
    return [one.rule.alert for one in choosing.worth_testing(correlation, texts)]


def test_a_noisy_alert_is_worth_it_and_a_quiet_one_is_not():
    noisy = NOISE[0].alert
    assert chosen(correlate(NOISE, [], window=WINDOW), rules(noisy, "Quiet")) == [noisy]


def test_every_alert_of_a_service_with_an_incident_that_none_saw_is_worth_it():
    assert chosen(correlate([], [incident(700, 720)], window=WINDOW), rules("One", "Other")) == [
        "One",
        "Other",
    ]


def test_without_incidents_to_hold_them_against_nothing_is_tuned():
    assert chosen(correlate(NOISE, None, window=WINDOW, problem="no tracker"), rules(NOISE[0].alert)) == []


def test_a_drill_is_never_tuned():
    correlation = correlate([], [incident(700, 720)], window=WINDOW)
    assert chosen(correlation, rules("Drill", drill="true")) == []


def test_an_alert_that_cannot_be_replayed_is_told_and_hides_no_other(monkeypatch):
    def failing(rule, *_: object, **__: object):
        if rule.alert == "Broken":
            raise BackendError("Prometheus", "refused")
        return rule.alert

    monkeypatch.setattr(choosing, "back_test", failing)
    missed = incident(700, 720)
    correlation = correlate([], [missed], window=WINDOW)
    tested = choosing.back_tests(correlation, [missed], [rules("Broken", "Fine")], FakeMetrics(), ())
    assert tested.tests == ("Fine",)
    (problem,) = tested.problems
    assert "Broken of checkout: Prometheus: refused" in problem


@pytest.mark.parametrize(("alerts", "left_out"), [(choosing.MOST, 0), (choosing.MOST + 3, 3)])
def test_more_than_enough_alerts_are_counted(monkeypatch, alerts, left_out):
    monkeypatch.setattr(choosing, "back_test", lambda rule, *_, **__: rule.alert)
    missed = incident(700, 720)
    text = rules(*(f"A{n}" for n in range(alerts)))
    tested = choosing.back_tests(correlate([], [missed], window=WINDOW), [missed], [text], FakeMetrics(), ())
    assert len(tested.tests) == choosing.MOST
    assert [problem.split()[0] for problem in tested.problems] == ([str(left_out)] if left_out else [])


class Recorded:
    """A back-test of a rule whose recordings reach back so far only, which keeps what it was asked."""

    def __init__(self, held: timedelta | None) -> None:
        self.held, self.histories = held, []

    def __call__(self, rule, _group, history, **_: object):
        self.histories.append(history)
        if len(self.histories) == 1:
            raise HistoryTooShortError((), self.held)
        return rule.alert


WEEK = (WINDOW[1] - timedelta(days=7), WINDOW[1])


def past(*incidents):
    return choosing.Past(correlate([], [], window=WEEK), incidents, FakeMetrics(), ())


def of_rules(text: str):
    return next(choosing.alerts_of(text))


def test_where_recordings_do_not_reach_as_far_back_the_part_that_they_do_is_replayed(monkeypatch):
    held = timedelta(days=1, hours=2)
    monkeypatch.setattr(choosing, "back_test", tested := Recorded(held))
    start = WINDOW[1] - held
    minute = timedelta(minutes=1)
    early = incident(0, 1)._replace(opened_at=start - 2 * minute, closed_at=start - minute)
    lasting = incident(0, 1)._replace(opened_at=start - minute, closed_at=start + minute)
    still = incident(2, 3)._replace(opened_at=start + minute, closed_at=None)
    assert past(early, lasting, still).test(of_rules(rules("A"))) == "A"
    whole, part = tested.histories
    assert (whole.window, part.window) == (WEEK, (start, WEEK[1]))
    assert list(part.incidents) == [lasting, still]


@pytest.mark.parametrize("held", [None, timedelta(0), choosing.SHORTEST - timedelta(seconds=1)])
def test_less_than_a_day_is_not_replayed(monkeypatch, held):
    monkeypatch.setattr(choosing, "back_test", tested := Recorded(held))
    with pytest.raises(HistoryTooShortError):
        past().test(of_rules(rules("A")))
    assert len(tested.histories) == 1
