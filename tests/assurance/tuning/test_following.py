"""What followed an approved change, from when there is enough to say anything."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.tuning.following import LONGEST, followed, followed_since
from release_watch.response.incidents import Incident
from tests.assurance.tuning.tuned import AT, applied, kept

SINCE = AT + timedelta(hours=2)
WEEKS = SINCE + timedelta(days=14)


def firing(day: float, service: str = "checkout") -> AlertInterval:
    start = SINCE + timedelta(days=day)
    return AlertInterval("HighErrorRate", service, "page", start, start + timedelta(minutes=5))


def incident(day: float) -> Incident:
    opened = SINCE + timedelta(days=day)
    return Incident(f"N-{day}", "http://t", "down", "checkout", opened, opened + timedelta(hours=1))


def test_a_change_that_does_what_it_promised_is_told_with_both_numbers() -> None:
    days = [1, 2, 3, 4, 5, 6]
    found = followed(
        kept(), [*map(firing, days), firing(8), firing(9)], [incident(day) for day in days], WEEKS
    )
    assert not found.refuted
    assert found.measured is not None
    assert found.measured.held
    assert "precision: expected" in found.words


def test_a_change_that_cries_wolf_is_refuted() -> None:
    found = followed(kept(), [firing(day / 2) for day in range(1, 25)], [], WEEKS)
    assert found.refuted
    assert "worse than expected" in found.words


@pytest.mark.parametrize(
    ("at", "firings", "words"),
    [
        (SINCE + timedelta(days=2), 20, "in force for 2 d; at least 3 d"),
        (WEEKS, 2, "2 firings and 0 incidents in 14 d; at least 3"),
    ],
    ids=["too-young", "too-few"],
)
def test_too_little_says_nothing(at: datetime, firings: int, words: str) -> None:
    found = followed(kept(), [firing(day / 20) for day in range(firings)], [], at)
    assert (found.measured, found.refuted) == (None, False)
    assert found.words.startswith("nothing to judge by")
    assert words in found.words


def test_what_came_before_the_change_or_of_another_service_says_nothing_of_it() -> None:
    theirs = [firing(-day / 2) for day in range(1, 25)] + [firing(day, "payments") for day in range(14)]
    assert followed(kept(), theirs, [incident(-3)], WEEKS).measured is None


def test_what_was_taken_back_is_not_judged() -> None:
    assert followed(kept(applied=()), [], [], WEEKS).measured is None


def test_a_month_is_looked_at_at_most() -> None:
    assert followed_since(kept(), WEEKS) == applied().applied_at
    assert followed_since(kept(), AT + timedelta(days=90)) == AT + timedelta(days=90) - LONGEST


def test_firings_of_another_alert_of_the_same_name_refute_no_change() -> None:
    """Each SLO of a service has an alert SloBurnRatePage: the history of alerts does not tell them apart."""
    wolf = [firing(day / 2) for day in range(1, 25)]
    assert followed(kept(), wolf, [], WEEKS).refuted
    found = followed(kept(), wolf, [], WEEKS, namesakes=2)
    assert not found.refuted
    assert "2 alerts of checkout are called HighErrorRate" in found.words


def test_an_incident_of_no_service_is_none_that_the_alert_missed() -> None:
    days = [1, 2, 3, 4, 5, 6]
    unplaced = [incident(day + 0.5)._replace(service=None) for day in days * 3]
    found = followed(kept(), [*map(firing, days)], [*map(incident, days), *unplaced], WEEKS)
    assert not found.refuted
