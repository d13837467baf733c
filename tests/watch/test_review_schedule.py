from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.watch.schedule import first_look, next_review

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
LENGTHS = st.integers(1, 7 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
MOST = 40
STEPS = st.sampled_from([2 * SECOND, 15 * SECOND, MINUTE])


def reviews(length: timedelta, interval: timedelta, step: timedelta) -> list[timedelta]:
    end, moment = START + length, START
    found: list[timedelta] = []
    while moment < end and len(found) < MOST:
        moment = next_review(START, end, interval, step, moment)
        found.append(moment - START)
    return found


@pytest.mark.parametrize(
    ("length", "interval", "step", "expected"),
    [
        pytest.param(
            4 * HOUR, HOUR, MINUTE, [n * MINUTE for n in (5, 10, 15, 30, 60, 120, 180, 240)], id="production"
        ),
        pytest.param(
            10 * HOUR,
            4 * HOUR,
            MINUTE,
            [n * MINUTE for n in (5, 10, 15, 30, 60, 120, 240, 480, 600)],
            id="rare",
        ),
        pytest.param(
            180 * SECOND,
            30 * SECOND,
            2 * SECOND,
            [n * SECOND for n in (10, 20, 30, 60, 90, 120, 150, 180)],
            id="rehearsal",
        ),
        pytest.param(60 * SECOND, 15 * SECOND, 2 * SECOND, [n * SECOND for n in (15, 30, 45, 60)], id="tiny"),
    ],
)
def test_looks_are_dense_at_first(
    length: timedelta, interval: timedelta, step: timedelta, expected: list[timedelta]
) -> None:
    assert reviews(length, interval, step) == expected


@given(length=LENGTHS, interval=LENGTHS, step=STEPS)
def test_every_even_review_and_the_end_are_there(
    length: timedelta, interval: timedelta, step: timedelta
) -> None:
    found = reviews(length, interval, step)

    even = [n * interval for n in range(1, found[-1] // interval + 1)]
    assert set(even) <= set(found)
    assert found == sorted(set(found))
    assert found[-1] == length or len(found) == MOST


@given(length=LENGTHS, interval=LENGTHS, step=STEPS, after=LENGTHS)
def test_the_next_review_is_to_come_and_no_later_than_an_interval(
    length: timedelta, interval: timedelta, step: timedelta, after: timedelta
) -> None:
    end, moment = START + length, START + after

    due = next_review(START, end, interval, step, moment)

    assert due <= end
    if moment < end:
        assert moment < due <= moment + interval


@given(interval=LENGTHS, step=STEPS)
def test_no_look_comes_before_there_are_samples(interval: timedelta, step: timedelta) -> None:
    assert 5 * step <= first_look(interval, step) <= max(5 * step, 5 * MINUTE)


@given(before=LENGTHS)
def test_a_clock_that_lags_behind_does_not_bring_the_first_review_forward(before: timedelta) -> None:
    assert next_review(START, START + 24 * HOUR, HOUR, MINUTE, START - before) == START + 5 * MINUTE
