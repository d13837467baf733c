"""A control group beside the baseline: what happened to it, too, was not the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch.judge.season import windows

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from release_watch.judge.season import Grid

FEWEST = 3

LEVEL_SAMPLES = 30
"""The level before the change is that of so many samples, or of as many as came since it."""


def adjusted(before: pd.Series, after: pd.Series, control: pd.Series | None, change: datetime) -> pd.Series:
    """Return ``after`` without what a concurrent control group did, too; as it is without a group.

    The difference in differences, taken only where both changed in the same direction and never further than
    to no change at all: what the group does by itself must not make a release look bad. A group without
    samples from before the change is taken to have been as the release was then.
    """
    import numpy as np

    if control is None or before.empty or after.empty:
        return after
    ahead = control[(control.index >= change) & (control.index <= after.index[-1])]
    earlier = control[control.index < change]
    if len(ahead) < FEWEST:
        return after
    recent = max(LEVEL_SAMPLES, len(after))
    usual = float(np.median((earlier if len(earlier) >= FEWEST else before).to_numpy()[-recent:]))
    theirs = float(np.median(ahead.to_numpy())) - usual
    ours = float(np.median(after.to_numpy()) - np.median(before.to_numpy()[-recent:]))
    return without(after, theirs, ours)


def without(after: pd.Series, theirs: float, ours: float) -> pd.Series:
    """Return ``after`` without what ``theirs`` explains of ``ours``, and no more than that."""
    if theirs * ours <= 0:
        return after
    return after - (theirs if abs(theirs) < abs(ours) else ours)


def beyond_the_season(
    after: pd.Series, grid: Grid, control: pd.Series, of_control: Grid, change: datetime
) -> pd.Series | None:
    """Return ``after`` without what the group did beyond its own season; None where a baseline is short.

    Both may follow the day: only what neither the time of day nor the level before explains, is taken off.
    """
    ahead = control[(control.index >= change) & (control.index <= after.index[-1])]
    if len(ahead) < FEWEST:
        return after
    ours, theirs = _moved(grid, after), _moved(of_control, ahead)
    return None if ours is None or theirs is None else without(after, theirs, ours)


def _moved(grid: Grid, after: pd.Series) -> float | None:
    """Return how far the middle of ``after`` is from what is expected, in the metric's unit."""
    import numpy as np

    found = windows(grid, after)
    if found is None:
        return None
    expected = float(np.median(found.expected))
    return grid.plain(expected + float(np.median(found.actual))) - grid.plain(expected)
