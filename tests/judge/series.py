"""Series with known truth: what a metric does by itself, and what a bad release adds to it.

Every generator takes a seeded NumPy generator and a number of samples, and gives plain values; ``at`` puts
them on a UTC time axis.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

Values = np.ndarray
Generator = Callable[[np.random.Generator, int], Values]
START = pd.Timestamp("2026-03-02T00:00:00Z")


def at(values: Values | list[float], *, step_seconds: float = 60, start: pd.Timestamp = START) -> pd.Series:
    """Return values as a UTC-indexed series."""
    index = pd.date_range(start, periods=len(values), freq=pd.Timedelta(seconds=step_seconds))
    return pd.Series(np.asarray(values, dtype=float), index=index)


def split(values: Values, current: int, *, step_seconds: float = 60) -> tuple[pd.Series, pd.Series]:
    """Return the series before a change, and the ``current`` samples after it."""
    whole = at(values, step_seconds=step_seconds)
    return whole.iloc[:-current], whole.iloc[-current:]


def steady(random: np.random.Generator, n: int) -> Values:
    """Latency of a quiet service: lognormal around 20 ms."""
    return 0.02 * random.lognormal(0, 0.25, n)


def seasonal(random: np.random.Generator, n: int, *, period: int = 300) -> Values:
    """Traffic with a daily shape: at night a third of noon, with noise."""
    day = (1 - np.cos(2 * np.pi * (np.arange(n) / period + random.random()))) / 2
    return 100 * (0.35 + 0.65 * day) * random.lognormal(0, 0.1, n)


def autocorrelated(random: np.random.Generator, n: int, *, memory: float = 0.8) -> Values:
    """A metric that remembers: an AR(1) process around 1, on a log scale."""
    noise = random.normal(0, 0.2 * np.sqrt(1 - memory**2), n)
    noise[0] = random.normal(0, 0.2)
    for i in range(1, n):
        noise[i] += memory * noise[i - 1]
    return np.exp(noise)


def zero_inflated(random: np.random.Generator, n: int, *, rate: float = 0.1) -> Values:
    """Errors a minute: mostly none."""
    return random.poisson(rate, n).astype(float)


def bursty(random: np.random.Generator, n: int) -> Values:
    """Latency with a burst of two to three samples now and then, as garbage collection makes them."""
    values = steady(random, n)
    for start in random.choice(n, size=max(1, n // 25), replace=False):
        values[start : start + random.integers(2, 4)] *= 6
    return values


def error_ratio(
    random: np.random.Generator, n: int, *, errors: float = 0.0004, requests: float = 6.0, overlap: int = 4
) -> Values:
    """Share of failed requests over a sliding range of ``overlap`` samples, ``requests`` per sample."""
    sent = random.poisson(requests, n + overlap - 1)
    failed = random.binomial(sent, errors)
    window = np.ones(overlap)
    return np.convolve(failed, window, "valid") / np.maximum(np.convolve(sent, window, "valid"), 1)


def step_shifted(values: Values, current: int, *, factor: float = 1.0, offset: float = 0.0) -> Values:
    """Return the values with the last ``current`` of them worse, for good."""
    shifted = values.copy()
    shifted[-current:] = shifted[-current:] * factor + offset
    return shifted


def spiked(values: Values, current: int, *, after: int, length: int, factor: float) -> Values:
    """Return the values with one spike of ``length`` samples, ``after`` samples into the current window."""
    spike = values.copy()
    start = len(values) - current + after
    spike[start : start + length] *= factor
    return spike
