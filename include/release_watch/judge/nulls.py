"""The tests of a window against windows after changes that never were, and the limits these set.

Four tests that fail in different ways, higher is worse, each over many windows at once:

- *recent*: what the newest samples keep up, most of them at least;
- *whole*: the mean of the window, no sample counting for more than a usual high one;
- *run*: what a few samples in a row keep up, at their worst moment;
- *restless*: how far samples lie away on the worse side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from release_watch.judge.samples import Floats

TESTS = ("recent", "whole", "run", "restless")

RECENT_SECONDS, FEWEST_RECENT = 900.0, 3
KEPT_UP = 0.3
"""The quantile of the newest samples that must be worse: seven of ten."""

UPPER, LOWER = 0.95, 0.80
"""The tail of a null distribution is taken between these quantiles, beyond which single episodes rule."""

FEW_WINDOWS = 4.0


def statistics_of(windows: Floats, recent: int, persistence: int, reach: float) -> Floats:
    """Return the four tests of every row of ``windows``: an array of four rows.

    ``recent`` samples are the newest, ``reach`` is how far single samples usually go: in the mean and the
    unrest none counts for more, so that a short blip is not a bad window.
    """
    import numpy as np

    length = min(windows.shape[1], recent)
    newest = np.sort(windows[:, -length:], axis=1)[:, int(KEPT_UP * (length - 1))]
    kept = windows
    for later in range(1, min(persistence, windows.shape[1])):
        kept = np.minimum(kept[:, :-1], windows[:, later:])
    runs = kept.max(axis=1)
    usual = np.clip(windows, -reach, reach)
    restless = np.sqrt(np.square(np.maximum(usual, 0)).mean(axis=1))
    return np.stack((newest, usual.mean(axis=1), runs, restless))


def recent_samples(n: int, step_seconds: float) -> int:
    """Return how many of ``n`` samples are the newest: of the second half, at most a quarter of an hour."""
    return max(FEWEST_RECENT, min(n // 2, max(5, round(RECENT_SECONDS / step_seconds))))


@dataclass(frozen=True)
class Null:
    """What pseudo-changes score, and how many windows end to end these are of: fewer know less."""

    scores: Floats
    independent: float


def limits(pseudo: Floats, alpha: float, independent: float) -> tuple[Floats, Floats]:
    """Return the middle and the limit of every test, of which ``alpha`` of the baseline's windows lie beyond.

    The tail is exponential beyond its 95 % quantile, as steep as between that and the 80 % quantile: an
    episode in the baseline that only a few windows show does not raise the limit by its own size. The fewer
    ``independent`` windows there are, the wider it is set: by ``FEW_WINDOWS`` over their number.
    """
    import numpy as np

    middle, lower, upper = np.quantile(pseudo, [0.5, LOWER, UPPER], axis=1)
    steepness = (upper - lower) / math.log((1 - LOWER) / (1 - UPPER))
    limit = upper + steepness * max(0.0, math.log((1 - UPPER) / alpha))
    return middle, middle + (limit - middle) * (1 + FEW_WINDOWS / max(independent, 1.0))
