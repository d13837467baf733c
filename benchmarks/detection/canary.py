"""Canary releases: success rate and latency per caller, 15 minutes before and after, sometimes a control."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.detection import faults, strange
from benchmarks.detection.noise import Floats, Random
from benchmarks.detection.truth import BAD_SHARE, Clock, Labelled
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.spec import Direction, Kind

KINDS = {"step": 0.6, "ramp": 0.15, "variance": 0.07, "bursts": 0.12, "lost": 0.06}
"""In a quarter of an hour a leak does not show."""


def canary(random: Random, number: int) -> Labelled:
    """Return the callers of one canary; a fault hits some of them, in latency, success or both.

    A case in three has a control group that does not get the release. Both groups share what the system
    does by itself: common trends and common spikes.
    """
    step = float(random.choice([30, 60], p=[0.25, 0.75]))
    clock = Clock.drawn(random, step, round(900 / step), round(900 / step))
    fault = str(random.choice(list(KINDS), p=list(KINDS.values()))) if random.random() < BAD_SHARE else ""
    callers = int(random.integers(1, 7))
    hit = random.random(callers) < 0.6
    hit[random.integers(0, callers)] = True
    sort = str(random.choice(["latency", "success", "both"], p=[0.45, 0.35, 0.2]))
    controlled, told = random.random() < 0.33, random.random() < 0.6
    common = clock.noise(random, bursty=0.3, shifting=0.1)
    metrics: list[CaseMetric] = []
    for caller in range(callers):
        course = clock.course(random, fault if hit[caller] else "")
        load = 10 ** random.uniform(-0.3, 3.2)
        instances = int(random.integers(1, 5))
        partial = 1.0 if random.random() < 0.7 else 1 / instances
        for name, make, wanted in (("success", success, "latency"), ("latency", latency, "success")):
            of_fault = np.zeros(clock.n) if sort == wanted else course * partial
            values, control = make(random, clock, load, common, of_fault, fault)
            before, after = clock.cut(values)
            group = pd.concat(clock.cut(control)) if controlled else None
            down = Direction.DOWN if name == "success" else Direction.UP
            kind = Kind.RATIO if name == "success" else Kind.LATENCY
            direction = down if told else Direction.BOTH
            metrics.append(CaseMetric(f"{name}-{caller}", before, after, group, direction, False, kind))
    return Labelled(Case(f"canary-{number:04d}", clock.change.to_pydatetime(), tuple(metrics)), fault)


def latency(
    random: Random, clock: Clock, load: float, common: Floats, course: Floats, fault: str
) -> tuple[Floats, Floats]:
    """Return a caller's latency, of the release and of the control."""
    level = 10 ** random.uniform(-2.3, 0.3)
    relative = random.uniform(0.02, 0.1) + 0.4 / np.sqrt(load)
    tail = random.uniform(0.01, 0.08) if random.random() < 0.2 else 0.0
    share = max(0.15, faults.size_of(random) * relative) if fault != "lost" else 4.0
    warming = 1 + clock.blip(random, 0.25) * 0.5 * relative
    own, other = (
        strange.outliers(
            random,
            level
            * np.exp(
                np.clip(
                    relative * (0.5 * common + 0.9 * clock.noise(random, bursty=0.2, shifting=0.03)), -2, 3
                )
            ),
            tail,
        )
        for _ in range(2)
    )
    return own * np.maximum(1 + share * course, 0.05) * warming, other


def success(
    random: Random, clock: Clock, load: float, common: Floats, course: Floats, fault: str
) -> tuple[Floats, Floats]:
    """Return the share of a caller's calls that succeeded, of the release and of the control."""
    usual = 10 ** random.uniform(-5, -2)
    trouble = usual * np.exp(np.clip(0.5 * common, -2, 3))
    sent, others = random.poisson(load, clock.n) + 1, random.poisson(load, clock.n) + 1
    chance = np.sqrt(max(usual, 1e-3) / load)
    added = 0.95 if fault == "lost" else min(0.8, max(0.01, faults.size_of(random) * chance))
    failing = np.clip(trouble + added * np.abs(course), 0, 1)
    return 1 - random.binomial(sent, failing) / sent, 1 - random.binomial(
        others, np.clip(trouble, 0, 1)
    ) / others
