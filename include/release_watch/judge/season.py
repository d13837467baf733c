"""What a metric is expected to do after a change: the same time of day, re-centred on the level before it.

The values are first put on a scale on which the noise is alike at every level, then onto a grid of equal
steps that ends at the change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from release_watch.judge.samples import DAY_SECONDS

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from release_watch.judge.samples import Floats

    Positions = npt.NDArray[np.int64]

FEWEST_FILLED = 0.6
"""A grid of which more is empty is no grid: the samples came at irregular times."""

SMOOTH_SECONDS = 900.0
"""The daily shape is a line through medians of so long: single samples of another day are not expected."""

MOST_DAYS = 7
NEARLY_TWO_DAYS = 1.9
SHARES_OF_SEASON = (0.0, 0.5, 1.0)
SEASON_PRICE = 1.2
"""The daily shape must predict that much better than none: a cycle of another length may resemble it."""

RECENTRE_SECONDS = (1200.0, 3600.0, 10_800.0)
FEWEST_RECENTRE = 5
FEWEST_FOR_SCALE = 160
LOWEST_SHARE = 0.01
"""Where logarithms are taken, a value is at least this share of the lowest of the baseline: 0 has none."""

ENOUGH_FOR_A_LEVEL = 60
"""A longer stretch is thinned out to about so many samples."""

MOST_POINTS = 160
"""Changes that never were, spread evenly over the baseline."""

FEWEST_WINDOWS = 8
"""Windows end to end below which a baseline does not know what windows of that length do."""

LOG_FROM, ROOT_FROM = 0.75, 0.25
"""The slope of log noise over log level: 1 for noise in proportion (logarithm), 0.5 for counts (root)."""


@dataclass(frozen=True)
class Grid:
    """Equal steps that end at the change, or where the baseline does: holes are filled.

    ``scale`` is "plain", "root" or "log", the scale the values are on. ``profile`` is what other days say of
    every step of the baseline's end, ``profile_ahead`` what all days say of the day to come; None where the
    baseline holds less than two days.
    """

    change: datetime
    step_seconds: float
    baseline: Floats
    lowest: float
    scale: str
    profile: Floats | None
    profile_ahead: Floats | None

    def of(self, after: pd.Series) -> tuple[Positions, Floats]:
        """Return at which steps after the change there are samples, and their values on the grid's scale."""
        import numpy as np

        places = np.floor(_seconds(after, self.change) / self.step_seconds + 1e-6).astype(np.int64)
        return np.maximum(places, 0), self.on(after.to_numpy(dtype=float))

    def on(self, values: Floats) -> Floats:
        """Return the metric's values on the grid's scale; on that of logarithms nothing is lost below 0."""
        import numpy as np

        if self.scale == "log":
            return np.asarray(np.log(np.maximum(values, LOWEST_SHARE * self.lowest)))
        return np.asarray(np.sqrt(np.maximum(values, 0))) if self.scale == "root" else values

    def plain(self, value: float) -> float:
        """Return a value of the grid on the metric's own scale."""
        if self.scale == "log":
            return math.exp(value)
        return max(value, 0.0) ** 2 if self.scale == "root" else value


@dataclass(frozen=True)
class Windows:
    """Deviations from what was expected, after the change and after changes that never were.

    ``expected`` is what was expected after the change, on the grid's scale, ``steps`` how long that is,
    ``independent`` how often that fits into the baseline.
    ``share`` of the daily shape and ``recentred`` steps before a change predict best.
    """

    actual: Floats
    pseudo: Floats
    expected: Floats
    steps: int
    independent: float
    share: float
    recentred: int


def gridded(before: pd.Series, change: datetime) -> Grid | None:
    """Return the baseline on a grid; None where it is too irregular for one.

    Where it ends long before ``change``, the grid ends with it: what is expected lies further ahead.
    """
    import numpy as np

    if len(before) < 2 * FEWEST_RECENTRE:
        return None
    seconds = _seconds(before, change)
    step = float(np.median(np.diff(seconds)))
    places = np.floor(seconds / step + 1e-6).astype(np.int64) if step > 0 else np.zeros(1, dtype=np.int64)
    n = int(-places[0])
    if n <= 0 or places[-1] >= 0 or 1 + np.count_nonzero(np.diff(places)) < FEWEST_FILLED * n:
        return None
    gap = int(-places[-1]) - 1
    filled = np.interp(np.arange(-n, -gap), places, before.to_numpy(dtype=float))
    grid = Grid(
        change - timedelta(seconds=gap * step),
        step,
        filled,
        float(filled.min()),
        scale_of(filled),
        None,
        None,
    )
    baseline = grid.on(filled)
    profile, ahead = daily_profile(baseline, step)
    return replace(grid, baseline=baseline, profile=profile, profile_ahead=ahead)


def _seconds(series: pd.Series, change: datetime) -> Floats:
    import numpy as np

    micros = series.index.as_unit("us").asi8  # type: ignore[attr-defined]
    start = round(change.timestamp() * 1e6)
    return np.asarray((micros - start) / 1e6, dtype=float)


def scale_of(baseline: Floats) -> str:
    """Return on which scale the noise is alike at every level: of the logarithm, the square root, or neither.

    The noise is the median step from sample to sample, over eight parts of the baseline by level.
    """
    import numpy as np

    lowest = float(baseline.min())
    if lowest < 0 or len(baseline) < FEWEST_FOR_SCALE:
        return "plain"
    levels = (baseline[1:] + baseline[:-1]) / 2
    parts = np.array_split(np.argsort(levels, kind="stable"), 8)
    steps = np.abs(np.diff(baseline))
    noise = np.array([float(steps[part].mean()) for part in parts])
    level = np.array([float(levels[part].mean()) for part in parts])
    good = (noise > 0) & (level > 0)
    if good.sum() < 4 or level[good].max() < 1.5 * level[good].min():
        return "plain"
    x, y = np.log(level[good]), np.log(noise[good])
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum())
    if slope >= LOG_FROM and lowest > 0:
        return "log"
    return "root" if slope >= ROOT_FROM else "plain"


def daily_profile(baseline: Floats, step: float) -> tuple[Floats | None, Floats | None]:
    """Return what the other days say of every step of the baseline, and what all say of the day to come.

    None where the baseline does not hold two days: one day cannot say how much days differ.
    """
    import numpy as np

    day = round(DAY_SECONDS / step)
    days = min(len(baseline) // day, MOST_DAYS) if day else 0
    if days == 1 and len(baseline) >= NEARLY_TWO_DAYS * day:
        lacking = 2 * day - len(baseline)
        baseline = np.concatenate((baseline[day - lacking : day], baseline))
        days = 2
    if days < 2 or day < 4:
        return None, None
    rows = smoothed(baseline[-days * day :], max(3, round(SMOOTH_SECONDS / step))).reshape(days, day)
    mean = rows.mean(axis=0)
    others = (mean * days - rows) / (days - 1)
    return others.ravel(), mean


def smoothed(values: Floats, width: int) -> Floats:
    """Return a line through the medians of blocks of ``width`` values."""
    import numpy as np

    blocks = len(values) // width
    first = len(values) - blocks * width
    medians = np.median(values[first:].reshape(blocks, width), axis=1)
    middles = first + width * np.arange(blocks) + (width - 1) / 2
    return np.interp(np.arange(len(values)), middles, medians)


def windows(grid: Grid, after: pd.Series) -> Windows | None:
    """Return the deviations after the change, and after changes that never were; None below enough of them.

    Of all ways to predict (how much of the daily shape, how long a stretch to re-centre on), that one is
    taken that predicts the baseline's own windows best.
    """
    import numpy as np

    positions, current = grid.of(after)
    n = int(positions[-1]) + 1
    profile = grid.profile
    baseline = grid.baseline if profile is None else grid.baseline[-min(len(profile), len(grid.baseline)) :]
    profile = None if profile is None else profile[-len(baseline) :]
    lengths = recentre_lengths(grid.step_seconds, len(baseline), n)
    if not lengths or (len(baseline) - lengths[-1]) < FEWEST_WINDOWS * max(n, FEWEST_RECENTRE):
        return None
    points = np.unique(np.linspace(lengths[-1], len(baseline) - n, MOST_POINTS).astype(np.int64))
    shares = SHARES_OF_SEASON if profile is not None else (0.0,)
    lines = {share: baseline if profile is None else baseline - share * profile for share in shares}
    share, length = best_way(lines, lengths, points, n)
    line = lines[share]
    ahead = positions % max(len(grid.profile_ahead) if grid.profile_ahead is not None else 1, 1)
    shape = share * grid.profile_ahead[ahead] if grid.profile_ahead is not None else np.zeros(len(ahead))
    back = 1 + np.arange(0, length, max(1, length // ENOUGH_FOR_A_LEVEL))
    levels = np.median(line[points[:, None] - back], axis=1)
    pseudo = line[points[:, None] + positions] - levels[:, None]
    expected = float(np.median(line[-back])) + shape
    return Windows(current - expected, pseudo, expected, n, len(baseline) / n, share, length)


def recentre_lengths(step: float, baseline: int, n: int) -> list[int]:
    """Return over how many steps before a change its level may be taken, shortest first."""
    lengths = sorted({max(FEWEST_RECENTRE, round(seconds / step)) for seconds in RECENTRE_SECONDS})
    return [length for length in lengths if length + FEWEST_WINDOWS * n <= baseline]


def best_way(
    lines: Mapping[float, Floats], lengths: Sequence[int], points: Positions, n: int
) -> tuple[float, int]:
    """Return which share of the daily shape and which recentring predicts windows of ``n`` steps best.

    What counts is how far the mean of a window is from the level before it: the 80 % quantile.
    """
    import numpy as np

    best = (math.inf, 0.0, lengths[0])
    rank = int(0.8 * len(points))
    for share, line in lines.items():
        sums = np.concatenate(([0.0], np.cumsum(line)))
        here = sums[points]
        after = (sums[points + n] - here) / n
        for length in lengths:
            missed = np.abs(after - (here - sums[points - length]) / length)
            miss = float(np.partition(missed, rank)[rank]) * (SEASON_PRICE if share else 1.0)
            best = min(best, (miss, share, length))
    return best[1], best[2]
