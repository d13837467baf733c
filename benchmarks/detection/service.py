"""Services with 19 metrics at five minutes, of which nobody says which way is worse."""

from __future__ import annotations

import numpy as np

from benchmarks.detection import faults, strange
from benchmarks.detection.noise import Floats, Random, daily_shape
from benchmarks.detection.truth import BAD_SHARE, Clock, Labelled
from release_watch.judge.cases import Case, CaseMetric

METRICS = 19
SORTS = {
    "load": 0.35,
    "gauge": 0.2,
    "memory": 0.12,
    "rare": 0.15,
    "spiky": 0.1,
    "constant": 0.08,
    "percent": 0.08,
}


def service(random: Random, number: int) -> Labelled:
    """Return a service of which a fault hits two to ten metrics, some up and some down."""
    days = int(random.integers(2, 5)) if random.random() < 0.75 else random.uniform(0.25, 1)
    clock = Clock.drawn(random, 300, round(days * 288), 24)
    fault = ""
    if random.random() < BAD_SHARE:
        fault = faults.shape_of(random)
        fault = "step" if fault == "bursts" else fault
    day = daily_shape(random, clock.seconds, swing=random.uniform(0.1, 1.0)) * clock.level(random)
    alike = random.random() < 0.3
    load = day * np.exp(random.uniform(0.02, 0.15) * clock.noise(random, bursty=0.3, shifting=0.1))
    weights = np.array(list(SORTS.values()))
    sorts = random.choice(list(SORTS), p=weights / weights.sum(), size=METRICS)
    sorts = np.where(random.random(METRICS) < 0.7, "load", sorts) if alike else sorts
    hit = set(random.choice(METRICS, size=int(random.integers(1, 8)), replace=False).tolist())
    size = faults.size_of(random)
    jobs = random.poisson(random.choice([0, 1, 4]) * clock.n / 288)
    work = [batch_job(random, clock) for _ in range(jobs)]
    course = clock.course(random, fault)
    missing = clock.missing(random, most=0.02)
    metrics = []
    for i, sort in enumerate(sorts):
        busy = sum((job for job in work if random.random() < 0.3), np.zeros(clock.n))
        size_here = size * random.uniform(0.5, 1.5)
        effect = course * (i in hit)
        values = of_sort(random, clock, str(sort), load * (1 + busy), effect, fault, size_here)
        values = strange.quantised(random, values) if random.random() < 0.06 else values
        before, after = clock.cut(values, missing)
        metrics.append(CaseMetric(f"m{i:02d}", before, after))
    return Labelled(Case(f"service-{number:04d}", clock.change.to_pydatetime(), tuple(metrics)), fault)


def batch_job(random: Random, clock: Clock) -> Floats:
    """Return the extra load of a job of 10 to 60 minutes, at any time."""
    busy = np.zeros(clock.n)
    start = int(random.integers(0, clock.n))
    busy[start : start + int(random.integers(2, 13))] = random.uniform(0.1, 1.0)
    return busy


def of_sort(
    random: Random, clock: Clock, sort: str, load: Floats, course: Floats, fault: str, size: float
) -> Floats:
    """Return one metric; the ones that follow the load do so each in its own way."""
    scale = 10 ** random.uniform(-1, 5)
    sign = 1.0 if random.random() < 0.7 else -1.0
    lost = fault == "lost" and sign < 0
    if sort == "load":
        relative = random.uniform(0.02, 0.15)
        noise = clock.noise(random, bursty=0.2, shifting=0.06)
        changed = np.maximum(1 + sign * max(0.15, size * relative) * course, 0.02)
        values = scale * load ** random.uniform(0.3, 1.2) * np.exp(np.clip(relative * noise, -2, 2)) * changed
    elif sort == "gauge":
        noise = clock.noise(random, bursty=0.2, shifting=0.1)
        values = scale * np.maximum(10 + random.uniform(0.2, 2.0) * (noise + sign * size * course), 0)
    elif sort == "memory":
        period = random.uniform(0.3, 2.5) * 288
        saw = ((np.arange(clock.n) + random.uniform(0, period)) % period) / period
        steady = 1 + random.uniform(0, 0.5) * saw + 0.01 * clock.noise(random, bursty=0, shifting=0.3)
        values = scale * (steady + 0.03 * size * np.abs(course))
    elif sort == "percent":
        noise = clock.noise(random, bursty=0.2, shifting=0.05)
        low = random.uniform(0, 30) if random.random() < 0.5 else random.uniform(70, 100)
        values = np.clip(low * load**0.5 + random.uniform(0.3, 3) * (noise + sign * size * course), 0, 100)
    elif sort == "rare":
        rate = 10 ** random.uniform(-1.7, 0.5)
        values = random.poisson(rate * load + 2 * size * np.sqrt(rate + 0.1) * np.abs(course)).astype(float)
    elif sort == "spiky":
        values = scale * random.lognormal(0, random.uniform(0.3, 1.0), clock.n) * np.exp(0.25 * size * course)
    else:
        values = np.full(clock.n, np.round(scale)) + np.round(scale) * (np.abs(course) > 0.5) * (size > 8)
    return np.where(course > 0, 0.0, values) if lost else values
