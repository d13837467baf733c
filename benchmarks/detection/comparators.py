"""What others do, on the same cases: a plain three-sigma rule, and Mann-Whitney as Kayenta has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np

from benchmarks.detection.noise import Floats
from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.looks import judge_case
from release_watch.judge.spec import Direction
from release_watch.verdict import Verdict

Detector = Callable[[Case, Sequence[timedelta]], list[bool]]
"""Says for a case whether it is bad, at each look."""

CONFIDENCE_Z = 2.326
"""Two-sided 98 %: Kayenta's confidence level."""

TOLERANCE = 0.25
"""Kayenta's tolerance, a share of its own estimate of the shift."""

PASSING_SHARE = 0.75
"""Kayenta's usual limit: a canary of which less than 75 % of the metrics pass, fails."""

PERSISTENT = 3


def judge(case: Case, looks: Sequence[timedelta]) -> list[bool]:
    """Return what the judge of this package decides: NO_GO alone is bad, INCONCLUSIVE is not."""
    return [look.verdict is Verdict.NO_GO for look in judge_case(case, looks, JudgePolicy())]


def three_sigma(case: Case, looks: Sequence[timedelta]) -> list[bool]:
    """Return whether three samples in a row lie beyond three standard deviations of the mean."""
    return [any(_beyond(metric, case, look) for metric in case.metrics) for look in looks]


def kayenta(case: Case, looks: Sequence[timedelta]) -> list[bool]:
    """Return whether less than 75 % of the metrics pass Mann-Whitney; metrics without data do not count."""
    decisions = []
    for look in looks:
        passed = [_passes(*_values(metric, case, look), metric.direction) for metric in case.metrics]
        judged = [one for one in passed if one is not None]
        decisions.append(bool(judged) and sum(judged) / len(judged) < PASSING_SHARE)
    return decisions


def _values(metric: CaseMetric, case: Case, look: timedelta) -> tuple[Floats, Floats]:
    after = metric.after[metric.after.index < case.change_time + look].to_numpy(dtype=float)
    if metric.control is None:
        return metric.before.to_numpy(dtype=float), after
    group = metric.control[
        (metric.control.index >= case.change_time) & (metric.control.index < case.change_time + look)
    ]
    return group.to_numpy(dtype=float), after


def _beyond(metric: CaseMetric, case: Case, look: timedelta) -> bool:
    before = metric.before.to_numpy(dtype=float)
    after = metric.after[metric.after.index < case.change_time + look].to_numpy(dtype=float)
    if len(before) == 0 or len(after) < PERSISTENT:
        return False
    away, far = after - before.mean(), 3 * before.std()
    ways = [away > far] * (metric.direction is not Direction.DOWN)
    ways += [away < -far] * (metric.direction is not Direction.UP)
    return any(np.convolve(way, np.ones(PERSISTENT), "valid").max() >= PERSISTENT for way in ways)


def _passes(before: Floats, after: Floats, direction: Direction) -> bool | None:
    if len(before) == 0 or len(after) == 0:
        return None
    if len(before) == len(after) and np.array_equal(before, after):
        return True
    low, estimate, high = shift_interval(before, after)
    deviation = TOLERANCE * abs(estimate)
    up = direction is not Direction.DOWN and low > deviation
    down = direction is not Direction.UP and high < -deviation
    return not (up or down)


def shift_interval(before: Floats, after: Floats) -> tuple[float, float, float]:
    """Return the shift of Hodges and Lehmann (1963) in its 98 % interval, as R's ``wilcox.test`` gives it.

    The interval's ends are order statistics of all differences, at ranks from the normal approximation.
    """
    differences = np.subtract.outer(after, before).ravel()
    n, m = len(after), len(before)
    reach = CONFIDENCE_Z * math.sqrt(n * m * (n + m + 1) / 12)
    first = max(0, math.floor(n * m / 2 - reach))
    middle, last = n * m // 2, n * m - 1 - first
    differences.partition((first, middle, last))
    return float(differences[first]), float(differences[middle]), float(differences[last])


DETECTORS: dict[str, Detector] = {
    "Release Watch": judge,
    "three-sigma": three_sigma,
    "Mann-Whitney (Kayenta)": kayenta,
}
