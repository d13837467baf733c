"""The statistics of the judge: plain functions over arrays, higher is worse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from release_watch.judge.samples import Floats

NORMAL_MAD = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""

HIGHEST_SCORE = 1000.0

WINDOWS_ENOUGH = 3
"""A baseline of that many windows end to end can say what windows usually do."""


def spread(values: Floats) -> float:
    """Return a robust standard deviation: the larger of scaled MAD and scaled interquartile range.

    The interquartile range catches values of which more than half are equal, whose MAD is 0. Few values
    underestimate it, so that it is widened by 3/n.
    """
    import numpy as np

    deviation = NORMAL_MAD * float(np.median(np.abs(values - np.median(values))))
    low, high = np.quantile(values, [0.25, 0.75])
    return max(deviation, float(high - low) / 1.349) * (1 + 3 / len(values))


def high_quantile(values: Floats) -> float:
    """Return the highest value that still counts as usual: the 99.5 % quantile, the maximum below 200."""
    import numpy as np

    return float(values.max() if len(values) < 200 else np.quantile(values, 0.995))


def runs(flags: npt.NDArray[np.bool]) -> list[tuple[int, int]]:
    """Return every stretch of true values as (start, length)."""
    import numpy as np

    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(start), int(end - start)) for start, end in zip(starts, ends, strict=True)]


def window_levels(values: Floats, length: int, *, mean: bool = False) -> Floats:
    """Return the median (or mean) of every window of ``length`` samples: what a level does by itself."""
    import numpy as np
    from numpy.lib.stride_tricks import sliding_window_view

    windows = sliding_window_view(values, length)
    chosen = windows[:: max(1, len(windows) // 600)]
    return np.asarray(chosen.mean(axis=1) if mean else np.median(chosen, axis=1), dtype=float)


def rank_shares(baseline: Floats, values: Floats) -> Floats:
    """Return for each value the share of the baseline that lies below it, ties counting half.

    The mean over a window is the window's probability of superiority (Mann and Whitney's U / nm).
    """
    import numpy as np

    ordered = np.sort(baseline)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + upto) / (2 * len(ordered)), dtype=float)


def event_size(baseline: Floats, current: Floats) -> float:
    """Return how much one event adds to a sample: the 10 % quantile of all positive values."""
    import numpy as np

    positive = np.concatenate((baseline[baseline > 0], current[current > 0]))
    return float(np.quantile(positive, 0.1)) if len(positive) else 1.0


def dispersion(events: Floats, block: int) -> float:
    """Return the variance of block sums over their mean, at least 1: how much events come in bursts."""
    blocks = len(events) // block
    if blocks < WINDOWS_ENOUGH:
        return 1.0
    sums = events[-blocks * block :].reshape(blocks, block).sum(axis=1)
    mean = float(sums.mean())
    return max(1.0, float(sums.var(ddof=1)) / mean) if mean > 0 else 1.0


def event_excess(seen: float, expected: float, dispersed: float) -> float:
    """Return by how many standard deviations more events were seen than expected.

    Anscombe's transform (1948) of Poisson counts: 2 (sqrt(x + 3/8) - sqrt(e + 3/8)), over the overdispersion.
    """
    excess = 2 * (math.sqrt(seen + 0.375) - math.sqrt(expected + 0.375))
    return max(0.0, excess / math.sqrt(dispersed))


def over(distance: float, limit: float) -> float:
    """Return a distance over its limit, at least 0; any distance is far where there is no room at all."""
    if distance <= 0:
        return 0.0
    return min(distance / limit, HIGHEST_SCORE) if limit > 0 else HIGHEST_SCORE
