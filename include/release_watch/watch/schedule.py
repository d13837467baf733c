"""When a baseline window is reviewed: densely at first, then at an even interval."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_LOOK = timedelta(minutes=5)
DENSE = (1, 2, 3, 6, 12, 24)
"""The first looks in units of the first one: with five minutes, those at 5, 10, 15, 30, 60 and 120."""

INTERVALS_TO_LOOKS = 12
"""The first look comes after a twelfth of the interval where that is sooner: windows of minutes are short."""

FEWEST_STEPS = 5
"""Before so many samples there is nothing to judge."""


def first_look(interval: timedelta, step: timedelta) -> timedelta:
    """Return how long after the window's start its first review is, with samples ``step`` apart."""
    return max(min(FIRST_LOOK, interval / INTERVALS_TO_LOOKS), FEWEST_STEPS * step)


def next_review(
    start: datetime, end: datetime, interval: timedelta, step: timedelta, moment: datetime
) -> datetime:
    """Return the first review after ``moment``: a dense look, a whole number of intervals, or ``end``.

    A dense look is left out where an even one is nearer than the unit of the dense ones. The dense looks
    come on top of the even ones, so that there is never a review fewer.
    """
    elapsed = max(moment - start, timedelta(0))
    even = (elapsed // interval + 1) * interval
    unit = first_look(interval, step)
    looks = [count * unit for count in DENSE]
    dense = [look for look in looks if elapsed < look and even - interval + unit <= look <= even - unit]
    return min(start + min([*dense, even]), end)
