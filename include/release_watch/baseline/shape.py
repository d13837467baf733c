"""The shape of a metric over time: does it repeat daily, and where is it going."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

DAILY = "daily"
CORRELATED = 0.5
"""Autocorrelation over a day from which a metric counts as daily."""

TREND_POINTS = 100


def seasonality(series: pd.Series) -> str | None:
    """Return ``daily`` where a day resembles the day before, ``none`` where not, None below two days."""
    import pandas as pd

    day = pd.Timedelta(days=1)
    if len(series) < 2 or series.index[-1] - series.index[0] < 2 * day * 0.98:
        return None
    hourly = series.resample("30min").median()
    likeness = hourly.corr(hourly.shift(freq=day))
    return DAILY if likeness >= CORRELATED else "none"


def trend_per_hour(series: pd.Series) -> float | None:
    """Return the change per hour in the metric's unit: the median of all pairwise slopes (Theil and Sen).

    Over at most 100 evenly spaced medians; None below ten samples.
    """
    import numpy as np

    if len(series) < 10:
        return None
    groups = np.array_split(np.arange(len(series)), min(TREND_POINTS, len(series)))
    values = np.array([float(np.median(series.to_numpy()[group])) for group in groups])
    seconds = (series.index - series.index[0]).total_seconds().to_numpy()
    hours = np.array([float(np.median(seconds[group])) for group in groups]) / 3600
    left, right = np.triu_indices(len(values), k=1)
    return float(np.median((values[right] - values[left]) / (hours[right] - hours[left])))


def expected_pattern(series: pd.Series, band: tuple[float, float] | None) -> str | None:
    """Return in words what to expect of the metric; None where there is no normal range to speak of."""
    if band is None:
        return None
    trend = trend_per_hour(series)
    width = band[1] - band[0]
    steady = trend is None or abs(trend) <= width  # per hour it moves less than its own spread
    course = "level" if steady else "rising" if trend is not None and trend > 0 else "falling"
    return f"{course}, between {band[0]:.4g} and {band[1]:.4g}" + (
        ", the same every day" if seasonality(series) == "daily" else ""
    )
