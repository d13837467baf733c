"""What a bad release does to a metric: the course of a fault over time, 1 at its full size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.detection.noise import Floats, Random

SHAPES = {
    "step": 0.47,
    "ramp": 0.13,
    "leak": 0.06,
    "variance": 0.07,
    "bursts": 0.08,
    "spell": 0.13,
    "lost": 0.06,
}
"""How often each shape comes; "spell" ends by itself after 15 to 60 minutes, "lost" is a drop to zero.

A metric that falls silent, a case of its own, is in ``families``.
"""


def shape_of(random: Random) -> str:
    """Draw a shape of fault."""
    return str(random.choice(list(SHAPES), p=list(SHAPES.values())))


def size_of(random: Random) -> float:
    """Draw a size in standard deviations of the noise: 3 to 16, small ones as often as large ones."""
    return float(np.exp(random.uniform(np.log(3.0), np.log(16.0))))


def course(random: Random, shape: str, minutes: Floats) -> Floats:
    """Return the course of a fault over the minutes since the change; nothing for ""."""
    if not shape:
        return np.zeros(len(minutes))
    begun = minutes - random.uniform(0, 3)
    on = np.asarray(begun >= 0, dtype=float)
    courses: dict[str, Callable[[], Floats]] = {
        "ramp": lambda: np.clip(begun / random.uniform(5, 20), 0, 1),
        "leak": lambda: np.clip(begun / random.uniform(30, 90), 0, 1.5),
        "variance": lambda: on * random.normal(0, 1.2, len(minutes)),
        "bursts": lambda: on * ((begun % (period := random.uniform(4, 8))) < period * 0.55),
        "spell": lambda: on * (begun < random.uniform(15, 60)),
    }
    return courses[shape]() if shape in courses else on
