"""The yardstick itself: cases that come again, comparators that do what they are named after, counting."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.detection import petshop, strange
from benchmarks.detection.cases import DEVELOPMENT, HELD_OUT, cases
from benchmarks.detection.comparators import kayenta, shift_interval, three_sigma
from benchmarks.detection.scoring import Confusion
from release_watch.judge.cases import Case, CaseMetric
from tests.judge import series


@pytest.mark.parametrize("family", ["web", "canary", "service"])
def test_a_seed_gives_the_same_cases_again_and_another_seed_gives_others(family: str) -> None:
    first, again, other = (next(cases(family, seed, 1)) for seed in (DEVELOPMENT, DEVELOPMENT, HELD_OUT))

    assert first.fault == again.fault
    for one, same in zip(first.case.metrics, again.case.metrics, strict=True):
        pd.testing.assert_series_equal(one.before, same.before)
        pd.testing.assert_series_equal(one.after, same.after)
    assert not np.array_equal(first.case.metrics[0].before, other.case.metrics[0].before)


def test_samples_of_before_and_after_the_change_are_apart() -> None:
    for labelled in cases("canary", DEVELOPMENT, 10):
        for metric in labelled.case.metrics:
            assert metric.before.index.max() < labelled.case.change_time <= metric.after.index.min()


def test_strange_days_begin_and_end_apart_from_the_change() -> None:
    seconds, before = 300.0 * np.arange(600), 576
    for name, make in strange.FACTORS.items():
        for seed in range(20):
            found = make(np.random.default_rng(seed), seconds, before)
            assert (found > 0).all(), name
            assert name == "job" or abs(np.log(found[before] / found[before - 1])) < 0.1, name


def test_a_cut_of_the_open_set_keeps_times_in_order() -> None:
    rows = pd.DataFrame(
        np.ones((300, 1)),
        index=300.0 * np.arange(300),
        columns=pd.MultiIndex.from_tuples([("latency", "p90")]),
    )

    labelled = petshop.case("one", "issue_1", rows[:288], rows[288:292])

    assert labelled.bad
    metric = labelled.case.metrics[0]
    assert (len(metric.before), len(metric.after)) == (288, 4)
    assert metric.before.index.max() < labelled.case.change_time == metric.after.index[0]


def _case(before: list[float], after: list[float]) -> Case:
    change = series.START + pd.Timedelta(minutes=len(before))
    metric = CaseMetric("m", series.at(before), series.at(after, start=change))
    return Case("case", change.to_pydatetime(), (metric,))


def test_the_comparators_see_a_plain_step_and_leave_the_same_alone() -> None:
    random, look = np.random.default_rng(1), [timedelta(hours=1)]
    same, step = random.normal(10, 1, 40), random.normal(30, 1, 40)
    before = random.normal(10, 1, 200)

    assert (three_sigma(_case([*before], [*step]), look), kayenta(_case([*before], [*step]), look)) == (
        [True],
        [True],
    )
    assert (three_sigma(_case([*before], [*same]), look), kayenta(_case([*before], [*same]), look)) == (
        [False],
        [False],
    )


def test_mann_whitney_misses_what_it_is_known_to_miss() -> None:
    assert kayenta(_case([1.0] * 10, [100.0] * 7 + [1.0] * 3), [timedelta(hours=1)]) == [False]
    assert kayenta(_case([0.0] * 6, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0]), [timedelta(hours=1)]) == [False]


def test_the_shift_lies_in_its_interval() -> None:
    random = np.random.default_rng(2)
    low, shift, high = shift_interval(random.normal(0, 1, 100), random.normal(2, 1, 50))

    assert low < shift < high
    assert shift == pytest.approx(2, abs=0.5)


def test_a_confusion_counts() -> None:
    confusion = Confusion.of([True, True, True, False, False], [True, True, False, True, False])

    assert (confusion.true_bad, confusion.false_bad, confusion.false_healthy, confusion.true_healthy) == (
        2,
        1,
        1,
        1,
    )
    assert confusion.f1 == pytest.approx(2 / 3)
    assert confusion.false_alarms == 0.5
