"""Limits learnt from the baseline: how far single samples and whole windows go by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from release_watch.judge import statistics
from release_watch.judge.samples import turned
from release_watch.judge.spec import Direction, Kind, MetricSpec

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.samples import Floats, Samples

FEWEST_BASELINE_SAMPLES = 5

RECENT_SAMPLES = 30
"""The recent window is at most this long, so that a late change is not hidden by a good start."""

FEWEST_RECENT = 12
"""A window of fewer samples has no level of its own; where there are fewer, all are taken."""

NULL_RATE = 0.01
"""The share of the baseline's own windows that may lie beyond the limit they set."""

RANK_LIMIT = 0.8
"""Probability of superiority of a large effect (Vargha and Delaney 2000 put "large" at 0.71)."""

RATIO_SHIFT = 0.005
"""A ratio must change by half a percentage point: five times the error budget of a 99.9 % objective."""

LOST_SHARE = 0.5

MOST_SHIFT = 4.0
"""An absolute minimum never asks for more than this many times the baseline's level."""


@dataclass(frozen=True)
class Limits:
    """What is still normal, in turned values (higher is worse).

    ``sample`` bounds single samples, ``window`` the level of ``recent`` samples together, ``rank`` their mean
    rank in the baseline; ``run`` is how many samples in a row beyond ``sample`` are too many.
    """

    level: float
    spread: float
    sample: float
    window: float
    rank: float
    run: int
    recent: int
    calibrated: bool


def learn(samples: Samples, spec: MetricSpec, policy: JudgePolicy) -> Limits:
    """Return the limits that the baseline sets.

    Where it holds enough windows of the recent length, their own levels are the null distribution: the limit
    lies beyond all but ``NULL_RATE`` of them. Where it does not, the spread of single samples is taken,
    which is wider than that of windows.
    """
    import numpy as np

    baseline, rare = samples.baseline, samples.zero_inflated
    shortest = policy.persistence + spec.overlap - 1
    level = float(baseline.mean() if rare else np.median(baseline))
    spread = statistics.spread(baseline)
    shift = minimum_shift(level, samples, spec, policy)
    # Rare events make the quartiles of a baseline meaningless: there the highest usual value decides.
    band = level + (shift if rare else max(policy.spread_factor * spread, shift))
    recent = recent_length(len(baseline), len(samples.current), max(2 * shortest, 4 * spec.overlap))
    calibrated = len(baseline) >= statistics.WINDOWS_ENOUGH * recent
    lost = lost_level(samples, spec, level + shift)
    sample = min(max(statistics.high_quantile(baseline), band), lost)
    window = max(usual_window(samples, recent, policy), level + shift) if calibrated else band
    longest = max((length for _, length in statistics.runs(baseline > sample)), default=0)
    return Limits(
        level=level,
        spread=spread,
        sample=sample,
        window=min(window, lost),
        rank=usual_rank(baseline, recent) if calibrated else RANK_LIMIT,
        run=max(shortest, longest + 1),
        recent=recent,
        calibrated=calibrated,
    )


def lost_level(samples: Samples, spec: MetricSpec, at_least: float) -> float:
    """Return the limit beyond which a metric that never was 0 is lost, however restless it was.

    Half of the lowest value the baseline holds, and a change of at least the minimum: the spread of a metric
    with a daily shape would put the limit below 0, where nothing ever gets.
    """
    lowest = float(samples.baseline.max()) * samples.sign
    if samples.sign > 0 or spec.kind is Kind.RATIO or lowest <= 0:
        return float("inf")
    return max(-LOST_SHARE * lowest, at_least)


def recent_length(baseline: int, current: int, shortest: int) -> int:
    """Return how many of the newest samples are judged together.

    At least ``shortest`` (room for two runs, and for four events that do not overlap), more where the
    baseline is long enough to know windows of that length.
    """
    return min(current, max(shortest, FEWEST_RECENT, min(baseline // 10, RECENT_SAMPLES)))


def usual_window(samples: Samples, recent: int, policy: JudgePolicy) -> float:
    """Return how far the levels of the baseline's own windows go.

    Of few windows the highest is no limit: the next one is often higher. So it is also ``spread_factor``
    robust deviations beyond their middle, except for rare events, whose number is tested by itself.
    """
    import numpy as np

    levels = statistics.window_levels(samples.baseline, recent, mean=samples.zero_inflated)
    usual = float(np.quantile(levels, 1 - NULL_RATE))
    if samples.zero_inflated:
        return usual
    return max(usual, float(np.median(levels)) + policy.spread_factor * statistics.spread(levels))


def usual_rank(baseline: Floats, recent: int) -> float:
    """Return how high windows of the baseline rank in it, at least ``RANK_LIMIT``."""
    import numpy as np

    ranks = statistics.window_levels(statistics.rank_shares(baseline, baseline), recent, mean=True)
    return max(RANK_LIMIT, float(np.quantile(ranks, 1 - NULL_RATE)))


def minimum_shift(level: float, samples: Samples, spec: MetricSpec, policy: JudgePolicy) -> float:
    """Return the smallest change of the level that matters, in the metric's unit."""
    share = policy.min_relative_effect if spec.minimum_effect is None else spec.minimum_effect
    if spec.short_baseline_effect is not None and not samples.whole_day:
        share = max(share, spec.short_baseline_effect)
    if spec.kind is Kind.RATIO:
        nearest_end = min(abs(level), abs(samples.full - abs(level)))
        return max(share * nearest_end, spec.minimum_shift, RATIO_SHIFT * samples.full)
    absolute = min(spec.minimum_shift, MOST_SHIFT * abs(level)) if level else spec.minimum_shift
    return max(share * abs(level), absolute)


def normal_range(series: pd.Series, spec: MetricSpec, policy: JudgePolicy) -> tuple[float, float] | None:
    """Return between which values single samples of ``series`` are normal, None below five samples.

    The limits of the judge in both directions, inside 0 and 1 (or 100) for a ratio, and not below 0 for
    what never was.
    """
    if len(series) < FEWEST_BASELINE_SAMPLES:
        return None
    both = spec.model_copy(update={"direction": Direction.BOTH})
    upwards, downwards = turned(series, series, both)
    high = upwards.back(learn(upwards, spec, policy).sample)
    low = downwards.back(learn(downwards, spec, policy).sample)
    if spec.kind is Kind.RATIO:
        high = min(high, upwards.full)
    return (max(low, 0.0) if float(series.min()) >= 0 else low, high)
