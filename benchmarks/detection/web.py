"""Web KPIs: one metric at one minute, two days before and two hours after the change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.detection import faults, strange
from benchmarks.detection.noise import Floats, Random, daily_shape
from benchmarks.detection.truth import BAD_SHARE, Clock, Labelled
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.spec import Direction, Kind

SORTS = {"traffic": 0.4, "latency": 0.25, "errors": 0.12, "success": 0.11, "orders": 0.12}
Made = tuple[Floats, Direction, Kind]


def web(random: Random, number: int) -> Labelled:
    """Return one KPI, healthy or not; one bad one of twenty falls silent."""
    clock = Clock.drawn(random, 60, 2880, 120)
    fault = faults.shape_of(random) if random.random() < BAD_SHARE else ""
    silent = bool(fault) and random.random() < 0.05
    sort = str(random.choice(list(SORTS), p=list(SORTS.values())))
    make = {"traffic": traffic, "latency": latency, "orders": orders}.get(sort, errors)
    values, direction, kind = make(random, clock, "" if silent else fault)
    if sort == "success":
        values, direction, kind = success(random, clock, "" if silent else fault)
    missing = clock.missing(random, most=0.05)
    before, after = clock.cut(values, missing)
    if silent:
        after = after[after.index < clock.change + pd.Timedelta(minutes=float(random.uniform(0, 2)))]
    known = random.random() < 0.5
    kpi = CaseMetric("kpi", before, after, None, direction, False, kind if known else Kind.GAUGE)
    case = Case(f"web-{number:04d}", clock.change.to_pydatetime(), (kpi,))
    return Labelled(case, "silent" if silent else fault)


def traffic(random: Random, clock: Clock, fault: str) -> Made:
    """Return page views or requests: a daily shape, and a fault that mostly takes some away."""
    relative = np.exp(random.uniform(np.log(0.02), np.log(0.15)))
    base = 10 ** random.uniform(1.5, 4.5) * daily_shape(random, clock.seconds, swing=random.uniform(0, 1.0))
    base *= clock.level(random)
    noise = clock.noise(random, bursty=0.3, shifting=0.12) - clock.blip(random, 0.15)
    course, down = clock.course(random, fault), random.random() < 0.75
    share = max(faults.size_of(random) * relative, 0.12)
    factor = 1 - min(share, 0.97) * course if down else 1 + share * course
    values = base * np.exp(np.clip(relative * noise, -3, 3)) * np.maximum(factor, 0)
    if fault == "lost":
        values = np.where(course > 0, 0.0, values)
    whole = random.random() < 0.7
    told = down and random.random() < 0.5
    return np.round(values) if whole else values, Direction.DOWN if told else Direction.BOTH, Kind.GAUGE


def latency(random: Random, clock: Clock, fault: str) -> Made:
    """Return a response time: little daily shape, heavy tails, spikes."""
    relative = np.exp(random.uniform(np.log(0.02), np.log(0.15)))
    base = 10 ** random.uniform(-2, 0.5) * daily_shape(random, clock.seconds, swing=random.uniform(0, 0.35))
    base *= clock.level(random)
    noise = clock.noise(random, bursty=0.5, shifting=0.12) + clock.blip(random, 0.25)
    share = max(faults.size_of(random) * relative, 0.12) if fault != "lost" else 5.0
    factor = np.maximum(1 + share * clock.course(random, fault), 0.05)
    told = random.random() < 0.6
    values = base * np.exp(np.clip(relative * noise, -2, 3)) * factor
    return (
        strange.quantised(random, values) if random.random() < 0.1 else values,
        Direction.UP if told else Direction.BOTH,
        Kind.LATENCY,
    )


def orders(random: Random, clock: Clock, fault: str) -> Made:
    """Return a small business count: integers, some of them 0 at night."""
    rate = 10 ** random.uniform(-0.3, 1.7) * daily_shape(random, clock.seconds, swing=random.uniform(0, 0.9))
    rate *= clock.level(random)
    lost = 1.0 if fault == "lost" else random.uniform(0.4, 0.95)
    rate *= np.exp(np.clip(0.1 * clock.noise(random, bursty=0.2, shifting=0.05), -2, 2))
    left = 1 - np.clip(lost * np.abs(clock.course(random, fault)), 0, 1)
    return random.poisson(rate * left).astype(float), Direction.DOWN, Kind.COUNT


def errors(random: Random, clock: Clock, fault: str) -> Made:
    """Return errors a minute: mostly few or none, more with the traffic."""
    failing, _ = _failing(random, clock, fault)
    return failing, Direction.UP, Kind.COUNT


def success(random: Random, clock: Clock, fault: str) -> Made:
    """Return the share of requests that succeeded."""
    failing, requests = _failing(random, clock, fault)
    return 1 - failing / requests, Direction.DOWN, Kind.RATIO


def _failing(random: Random, clock: Clock, fault: str) -> tuple[Floats, Floats]:
    load = 10 ** random.uniform(1.4, 3.4) * daily_shape(random, clock.seconds, swing=random.uniform(0, 0.9))
    requests = np.asarray(random.poisson(load * clock.level(random)) + 1, dtype=float)
    usual = 10 ** random.uniform(-4, -1.7)
    now = usual * np.exp(np.clip(0.3 * clock.noise(random, bursty=0.3, shifting=0.05), -3, 4))
    chance = np.sqrt(usual / float(np.median(requests)))
    added = min(0.9, max(usual * faults.size_of(random), faults.size_of(random) / 2 * chance, 0.01))
    blip = clock.blip(random, 0.2) * usual
    share = np.clip(now + blip + added * np.abs(clock.course(random, fault)), 0, 1)
    return np.asarray(random.binomial(requests.astype(int), share), dtype=float), requests
