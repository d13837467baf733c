"""Whether a metric is too restless to compare with: its level jumps more than a release would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch.judge.spec import Kind, MetricSpec

if TYPE_CHECKING:
    import pandas as pd

BLOCKS = 96
"""Of two days: half an hour each."""
FEWEST_IN_BLOCK = 8
"""That share nothing: rates of overlapping ranges are smooth, and a few of them no level."""
FEWEST_BLOCKS = 12

DEVIATIONS = 4.0
MOST_LEVELS = 2.0
"""Where a level would have to triple to stand out, next to nothing does."""
MOST_OF_SCALE = 0.25
"""Of a ratio: a quarter of its scale."""


def restlessness(series: pd.Series, spec: MetricSpec) -> str | None:
    """Return in words why nothing would stand out of ``series``, or None where something would.

    Its level is taken over blocks (at most 96, of at least eight samples whose ranges do not overlap), and
    how much it jumps from each to the next, as four robust standard deviations. So neither a day's rise and
    fall nor one lasting shift counts. None, too, where there are fewer than twelve blocks to tell by.
    """
    import numpy as np

    from release_watch.judge.statistics import spread

    values = series.to_numpy(dtype=float)
    blocks = min(BLOCKS, len(values) // (FEWEST_IN_BLOCK * spec.overlap))
    if blocks < FEWEST_BLOCKS:
        return None
    levels = np.array([float(np.median(part)) for part in np.array_split(values, blocks)])
    jump = DEVIATIONS * spread(np.diff(levels)) / np.sqrt(2)
    level = float(np.median(values))
    if jump <= _most(level, values, spec):
        return None
    return (
        f"too restless: its level of {level:.4g} {spec.unit}".rstrip()
        + f" jumps by up to {jump:.4g} by itself, so that no regression would stand out; "
        "judge a steadier metric, or find out what disturbs it"
    )


def _most(level: float, values: object, spec: MetricSpec) -> float:
    import numpy as np

    if spec.kind is Kind.RATIO:
        full = 100.0 if float(np.max(np.asarray(values))) > 1.5 else 1.0
        return MOST_OF_SCALE * full
    # Counts of rare events have a level of 0: there their sum matters, and no level.
    usual = abs(level) or float(np.max(np.abs(np.asarray(values))))
    return max(MOST_LEVELS * usual, spec.minimum_shift)
