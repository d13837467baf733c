"""What metrics do by themselves: daily shapes, memory, tails, bursts, shifts, holes, rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
DAY_SECONDS = 86_400.0


def daily_shape(random: Random, seconds: Floats, *, swing: float) -> Floats:
    """Return a factor around 1 with a daily shape of several harmonics, and days of different height."""
    day = 2 * np.pi * seconds / DAY_SECONDS
    shape = np.zeros_like(seconds)
    for harmonic, strength in ((1, 1.0), (2, 0.45), (3, 0.2), (6, 0.08), (12, 0.04)):
        shape += strength * random.normal(1, 0.3) * np.cos(harmonic * day + random.uniform(0, 2 * np.pi))
    days = np.arange(int(seconds[-1] // DAY_SECONDS) + 3)
    heights = random.normal(0, 0.06, len(days))
    drift = np.interp(seconds / DAY_SECONDS, days, heights)
    return np.exp(swing * shape / max(float(np.abs(shape).max()), 1e-9) + drift)


def autocorrelated(random: Random, n: int, *, memory: float, heavy: bool) -> Floats:
    """Return an AR(1) process of variance 1; ``heavy`` draws from Student's t with 3 degrees of freedom."""
    from scipy.signal import lfilter

    raw = random.standard_t(3, n + 100) / np.sqrt(3) if heavy else random.normal(0, 1, n + 100)
    filtered = lfilter([np.sqrt(1 - memory**2)], [1, -memory], raw)[100:]
    return np.asarray(filtered, dtype=float)


def bursts(random: Random, n: int, *, per_sample: float, longest: int) -> Floats:
    """Return additions, in units of the noise: short bursts that come and go in healthy times."""
    added = np.zeros(n)
    for start in random.choice(n, size=random.poisson(per_sample * n)):
        length = int(random.integers(1, longest + 1))
        added[start : start + length] += random.lognormal(1.5, 0.5)
    return added


def level_shift(random: Random, n: int, before: int) -> Floats:
    """Return an addition, in units of the noise, that begins well before the change and stays."""
    shift = np.zeros(n)
    start = int(random.integers(before // 6, max(before // 6 + 1, before - max(before // 24, 3))))
    shift[start:] = random.choice([-1.0, 1.0]) * random.uniform(1.0, 4.0)
    return shift


def holes(random: Random, n: int, *, share: float) -> npt.NDArray[np.bool_]:
    """Return which samples are missing: single ones, and one stretch."""
    missing = random.random(n) < share
    start = int(random.integers(0, n))
    missing[start : start + int(random.integers(1, max(2, n // 100)))] = True
    return missing
