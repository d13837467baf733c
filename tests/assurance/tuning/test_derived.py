"""Thresholds from what a rule measures while there is no incident."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from release_watch.assurance.quality.matching import MatchRules
from release_watch.assurance.tuning.derived import FEWEST_MOMENTS, MOST_MOMENTS, derived_thresholds
from release_watch.assurance.tuning.replay import STRETCH
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule
from tests.assurance.tuning.past import STEP, PastMetrics, at

DAY = 24 * 60
NORMAL = [10 + minute % 100 / 10 for minute in range(2 * DAY)]
"""From 10 to 19.9, each as often as any other."""


def derived(values, expr="errors > 50", incidents=(), minutes=None, **options):
    metrics = PastMetrics({"errors": values})
    window = (at(0), at(minutes or len(values) - 1))
    rule = Rule(alert="A", expr=expr)
    found = derived_thresholds(metrics, rule, expr, window, STEP, incidents, **options)
    return found, metrics


def incident(opened: float, closed: float | None, began: float | None = None) -> Incident:
    times = [None if one is None else at(one) for one in (opened, closed, began)]
    return Incident("I-1", "", "down", "checkout", times[0], times[1], began_at=times[2])


def test_above_the_threshold_it_is_a_tenth_above_the_quantiles():
    found, _ = derived(NORMAL)
    expected = [float(np.quantile(NORMAL, share)) * 1.1 for share in (0.99, 0.999)]
    assert [float(one) for one in found] == pytest.approx(expected, rel=0.01)


def test_below_the_threshold_it_is_a_tenth_below():
    found, _ = derived(NORMAL, "errors < 5")
    expected = [float(np.quantile(NORMAL, share)) / 1.1 for share in (0.01, 0.001)]
    assert [float(one) for one in found] == pytest.approx(expected, rel=0.01)


def test_three_digits_are_enough_and_equal_ones_are_one():
    found, _ = derived([10.12345] * (2 * DAY))
    assert found == [Decimal("11.1")]


def trouble(first: int, last: int) -> list[float]:
    return [900.0 if first <= minute <= last else value for minute, value in enumerate(NORMAL)]


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (incident(1700, 1800), False),
        (incident(1740, 1800, began=1690), False),
        (incident(1700, None), False),
        (incident(1200, 1300), True),
        (incident(1780, 1800), True),
    ],
    ids=["within", "from its impact", "still open", "another time", "began before its lead"],
)
def test_values_of_incidents_and_shortly_before_are_not_normal(one: Incident, counts: bool):
    found, _ = derived(trouble(1672, 1800), incidents=[one])
    assert (max(found) > 100) is counts


def test_how_long_before_is_as_long_as_alerts_may_be_early():
    longer = MatchRules(lead=timedelta(hours=2))
    found, _ = derived(trouble(672, 800), incidents=[incident(780, 800)], rules=longer)
    assert max(found) < 100


@pytest.mark.parametrize("moments", [FEWEST_MOMENTS - 1, FEWEST_MOMENTS])
def test_few_values_say_nothing_of_one_in_a_thousand(moments: int):
    found, _ = derived(NORMAL[:moments])
    assert bool(found) == (moments == FEWEST_MOMENTS)


@pytest.mark.parametrize(
    "expr",
    ["errors == 1", "errors > limit", "absent(errors)", "errors > bool 5 == 1"],
    ids=["equal", "no number", "absent", "bool"],
)
def test_without_a_plain_threshold_there_is_nothing_to_derive_and_nothing_is_asked(expr: str):
    found, metrics = derived(NORMAL, expr)
    assert (found, metrics.queries) == ([], [])


def test_nothing_below_zero_or_at_it_is_proposed():
    assert derived([0.0] * (2 * DAY))[0] == []
    assert derived([-5.0] * (2 * DAY))[0] == []


def test_a_long_past_is_read_in_stretches_and_at_no_more_moments_than_needed():
    days = 60
    found, metrics = derived(NORMAL, minutes=days * DAY)
    assert len(metrics.queries) <= -(-MOST_MOMENTS // STRETCH) + 1
    assert found == [] or max(found) < 100


@pytest.mark.parametrize("share", [0.005, 0.02, 1.0], ids=["few", "some", "all"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf")], ids=str)
def test_a_division_by_nothing_suggests_no_threshold_without_end(value, share):
    values = [value if minute % 1000 < share * 1000 else normal for minute, normal in enumerate(NORMAL)]
    for expr in ("errors > 50", "errors < 5"):
        found, _ = derived(values, expr)
        assert all(one.is_finite() for one in found)
