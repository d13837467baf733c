"""The shape of a metric over time: does it repeat daily, and where is it going."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.judge.samples import Floats

DAILY = "daily"
CORRELATED = 0.5
"""Autocorrelation over a day from which a metric counts as daily."""

TREND_POINTS = 100
DAY_SECONDS = 86_400
SLOTS = 48
"""Of a day: half hours, whose medians are compared."""
SLOT_SECONDS = DAY_SECONDS / SLOTS


def seasonality(series: pd.Series) -> str | None:
    """Return ``daily`` where a day resembles the day before, ``none`` where not, None below two days."""
    import numpy as np

    seconds = _seconds(series)
    if len(series) < 2 or seconds[-1] - seconds[0] < 2 * DAY_SECONDS * 0.98:
        return None
    slots = ((seconds - seconds[0]) // SLOT_SECONDS).astype(int)
    levels = np.full(slots[-1] + 1, np.nan)
    medians = series.groupby(slots).median()
    levels[medians.index.to_numpy()] = medians.to_numpy()
    before, after = levels[:-SLOTS], levels[SLOTS:]
    both = ~np.isnan(before) & ~np.isnan(after)
    before, after = before[both], after[both]
    if len(before) < 2 or not before.std() or not after.std():
        return "none"
    return DAILY if np.corrcoef(before, after)[0, 1] >= CORRELATED else "none"


def trend_per_hour(series: pd.Series) -> float | None:
    """Return the change per hour in the metric's unit: the median of all pairwise slopes (Theil and Sen).

    Over at most 100 evenly spaced medians; None below ten samples.
    """
    import numpy as np

    if len(series) < 10:
        return None
    values = _medians(series.to_numpy(dtype=float))
    hours = _medians(_seconds(series)) / 3600
    left, right = np.triu_indices(len(values), k=1)
    return float(np.median((values[right] - values[left]) / (hours[right] - hours[left])))


def _medians(values: Floats) -> Floats:
    """Return the medians of at most 100 even parts, longer ones first."""
    import numpy as np

    parts = min(TREND_POINTS, len(values))
    size, longer = divmod(len(values), parts)
    border = longer * (size + 1)
    first = values[:border].reshape(longer, size + 1)
    rest = values[border:].reshape(parts - longer, size)
    return np.concatenate((np.median(first, axis=1), np.median(rest, axis=1)))


def _seconds(series: pd.Series) -> Floats:
    """Return the times of the samples in seconds since the first."""
    import numpy as np
    import pandas as pd

    times = pd.DatetimeIndex(series.index).tz_convert(None).to_numpy()  # with a zone it would be of objects
    return np.asarray((times - times[:1]) / np.timedelta64(1, "s"), dtype=float)


def pattern_in_words(band: tuple[float, float] | None, season: str | None, trend: float | None) -> str | None:
    """Return what to expect of a metric; None where there is no normal range to speak of.

    It is level where it moves less in an hour than its normal range is wide.
    """
    if band is None:
        return None
    steady = trend is None or abs(trend) <= band[1] - band[0]
    course = "level" if steady else "rising" if trend is not None and trend > 0 else "falling"
    return f"{course}, between {band[0]:.4g} and {band[1]:.4g}" + (
        ", the same every day" if season == DAILY else ""
    )
