"""Cases of a seed: the same number, family and seed always give the same case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from benchmarks.detection.canary import canary
from benchmarks.detection.service import service
from benchmarks.detection.truth import Labelled
from benchmarks.detection.web import web

FAMILIES = {"web": web, "canary": canary, "service": service}
LOOKS = {"web": (5, 10, 15, 30, 60, 120), "canary": (5, 10, 15), "service": (30, 60, 90, 120)}
"""Minutes after the change at which cases are judged."""

DEVELOPMENT, HELD_OUT = 1_000_000, 3_000_000
"""Seeds: limits are chosen on the first, and what is published comes from the second."""


def cases(family: str, seed: int, count: int) -> Iterator[Labelled]:
    """Yield ``count`` cases of a family."""
    for number in range(count):
        yield FAMILIES[family](np.random.default_rng([seed, list(FAMILIES).index(family), number]), number)


def looks(family: str) -> tuple[timedelta, ...]:
    """Return the looks at the cases of a family."""
    return tuple(timedelta(minutes=minutes) for minutes in LOOKS[family])
