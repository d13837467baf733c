"""What healthy weeks hold that two days of a model do not: other days, drift, jobs, old incidents, holes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.detection.noise import DAY_SECONDS, Floats, Random

CHANCES = {"weekday": 0.12, "drift": 0.12, "job": 0.12, "incident": 0.15}


def factor(random: Random, seconds: Floats, before: int) -> Floats:
    """Return what the level is multiplied by; nothing of it begins or ends with the change."""
    found = np.ones(len(seconds))
    for name, chance in CHANCES.items():
        if random.random() < chance:
            found *= FACTORS[name](random, seconds, before)
    return found


def weekday(random: Random, seconds: Floats, before: int) -> Floats:
    """Return a day that is as a whole higher or lower than the others, from some midnight on."""
    midnights = np.arange(1, max(2, int(seconds[before] // DAY_SECONDS) + 1))
    midnight = float(random.choice(midnights)) * DAY_SECONDS
    share = np.clip((seconds - midnight) / 7200 + 0.5, 0, 1)
    return np.asarray(np.exp(random.uniform(-0.4, 0.4) * share))


def drift(random: Random, seconds: Floats, before: int) -> Floats:
    """Return a level that rises or falls slowly over the whole time."""
    del before
    return np.asarray(np.exp(random.uniform(-0.4, 0.4) * np.linspace(0, 1, len(seconds))))


def job(random: Random, seconds: Floats, before: int) -> Floats:
    """Return a scheduled job: at the same time of day, on all days or on one only."""
    starts = random.uniform(0, DAY_SECONDS) + DAY_SECONDS * np.arange(seconds[-1] // DAY_SECONDS + 1)
    if random.random() < 0.5:
        starts = starts[starts < seconds[before] - 7200][-1:]
    length, height = random.uniform(600, 3600), random.uniform(0.2, 1.5)
    busy = np.any([(seconds >= start) & (seconds < start + length) for start in starts] or [False], axis=0)
    return np.asarray(1 + height * busy, dtype=float)


def incident(random: Random, seconds: Floats, before: int) -> Floats:
    """Return up to three old incidents inside the baseline, of minutes to hours."""
    found = np.ones(len(seconds))
    step = seconds[1] - seconds[0]
    for _ in range(int(random.integers(1, 4))):
        length = max(1, round(float(np.exp(random.uniform(np.log(300), np.log(7200)))) / step))
        start = int(random.integers(0, max(1, before - length - round(1800 / step))))
        found[start : start + length] *= np.exp(random.choice([-1, 1]) * random.uniform(0.3, 1.6))
    return found


FACTORS = {"weekday": weekday, "drift": drift, "job": job, "incident": incident}


def volatility(random: Random, seconds: Floats) -> Floats:
    """Return a factor on the noise that wanders over hours: calm and restless times."""
    knots = np.arange(seconds[0], seconds[-1] + 21_600, 10_800.0)
    return np.asarray(np.exp(0.4 * np.interp(seconds, knots, random.normal(0, 1, len(knots)))))


def chunks(random: Random, n: int, before: int, step: float) -> npt.NDArray[np.bool_]:
    """Return missing stretches of the baseline, of 20 minutes to three hours."""
    missing = np.zeros(n, dtype=bool)
    for _ in range(int(random.integers(1, 4))):
        length = round(random.uniform(1200, 10_800) / step)
        start = int(random.integers(0, max(1, before - length - 5)))
        missing[start : start + length] = True
    return missing


def quantised(random: Random, values: Floats) -> Floats:
    """Return values of which only a few different ones are left: a dashboard's rounding."""
    spread = float(np.quantile(values, 0.95) - np.quantile(values, 0.05))
    step = spread / float(random.integers(2, 8))
    return np.asarray(np.round(values / step) * step) if step > 0 else values


def outliers(random: Random, values: Floats, share: float) -> Floats:
    """Return values of which single ones are several times as high: one slow request in a quiet minute."""
    hit = random.random(len(values)) < share
    return np.where(hit, values * random.uniform(2, 12, len(values)), values)
