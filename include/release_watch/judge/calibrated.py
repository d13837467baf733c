"""The judgement of a metric whose baseline holds enough windows to say what windows do by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from release_watch.judge import nulls, statistics
from release_watch.judge.judgement import MetricJudgement, State
from release_watch.judge.limits import minimum_shift
from release_watch.judge.samples import Samples, turned
from release_watch.judge.season import Grid, Windows
from release_watch.judge.spec import Direction, Kind, MetricSpec
from release_watch.judge.statistics import HIGHEST_SCORE, over
from release_watch.judge.wording import reason_for
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.samples import Floats

WAYS = {Direction.UP: (1,), Direction.DOWN: (-1,), Direction.BOTH: (1, -1)}
VERDICTS = {State.NORMAL: Verdict.GO, State.TRANSIENT: Verdict.WARN, State.SUSTAINED: Verdict.NO_GO}
VOTES = 2
"""So many of the four tests must agree."""

REACH, USUAL = 1.5, 0.99
"""So many of the single samples of the baseline are no further away than they usually are."""

A_FEW = 5
"""Samples of which most must be beyond the limit for a change to have begun."""

EARLY_SECONDS = 960.0

LONG_STEP_SECONDS = 300.0

EFFECT_SHARES = (0.7, 0.7, 1.0, 1.0)
"""How much of the smallest change that matters each test must show: a quantile of 30 % shows less of it."""


@dataclass(frozen=True)
class Way:
    """The four tests of one direction, each as distance over limit."""

    sign: int
    tests: Floats
    limit: float
    score: float
    pseudo: Floats


def judged(
    before: pd.Series,
    after: pd.Series,
    grid: Grid,
    windows: Windows,
    spec: MetricSpec,
    policy: JudgePolicy,
    alpha: float,
) -> tuple[MetricJudgement, nulls.Null]:
    """Return the judgement, with ``alpha`` of false alarms, and what changes that never were score."""
    import numpy as np

    samples = turned(before, after, spec)[0]
    ways = [_way(sign, grid, windows, samples, spec, policy, alpha) for sign in WAYS[spec.direction]]
    best = max(ways, key=lambda way: way.score)
    pseudo = np.max([way.pseudo for way in ways], axis=0)
    return _told(best, samples, before, after, grid, windows, spec, alpha), nulls.Null(
        pseudo, windows.independent
    )


def _way(
    sign: int,
    grid: Grid,
    windows: Windows,
    samples: Samples,
    spec: MetricSpec,
    policy: JudgePolicy,
    alpha: float,
) -> Way:
    import numpy as np

    pseudo, actual = sign * windows.pseudo, sign * windows.actual[None, :]
    reach = REACH * float(np.quantile(np.abs(pseudo), USUAL))
    recent = nulls.recent_samples(windows.steps, grid.step_seconds)
    early = windows.steps * grid.step_seconds <= EARLY_SECONDS
    lasting = persistence(policy, grid.step_seconds)
    null = nulls.statistics_of(pseudo, recent, lasting, reach)
    seen = nulls.statistics_of(actual, recent, lasting, reach)[:, 0]
    middle, limit = nulls.limits(null, alpha, windows.independent)
    floor = _floor(sign, grid, windows, samples, spec, policy)
    limit = np.maximum(limit, np.maximum(middle, 0) + floor * np.array(EFFECT_SHARES))
    tests = np.array(
        [over(float(s - m), float(bound - m)) for s, m, bound in zip(seen, middle, limit, strict=True)]
    )
    room = np.maximum(limit - middle, 1e-300)[:, None]
    scores = vote(np.clip((null - middle[:, None]) / room, 0, HIGHEST_SCORE), early)
    if samples.zero_inflated:
        tests = np.minimum(tests, _events(sign, samples, windows.actual.shape[0], spec, alpha))
    return Way(sign, tests, float(limit[1]), float(vote(tests, early)), scores)


def persistence(policy: JudgePolicy, step_seconds: float) -> int:
    """Return how many samples in a row last: two where each stands for minutes by itself."""
    return min(policy.persistence, 2) if step_seconds >= LONG_STEP_SECONDS else policy.persistence


def vote(tests: Floats, early: bool) -> Floats:
    """Return the second strongest test; early on never without the newest samples.

    A deployment itself makes a blip of a minute or three, which fills an early window.
    """
    import numpy as np

    second = np.sort(tests, axis=0)[-VOTES]
    return np.minimum(second, tests[0]) if early else np.asarray(second)


def _events(sign: int, samples: Samples, n: int, spec: MetricSpec, alpha: float) -> float:
    """Return how far more rare events came than their rate explains, over the limit at ``alpha``.

    Neighbouring samples that share data show one event ``overlap`` times, so sums are divided by it.
    """
    if sign * samples.sign < 0:
        return 0.0
    size = statistics.event_size(samples.baseline, samples.current) * spec.overlap
    expected = float(samples.baseline.mean()) * n / size
    dispersed = statistics.dispersion(samples.baseline / size, n)
    excess = statistics.event_excess(float(samples.current.sum()) / size, expected, dispersed)
    return excess / NormalDist().inv_cdf(1 - alpha)


def _floor(
    sign: int, grid: Grid, windows: Windows, samples: Samples, spec: MetricSpec, policy: JudgePolicy
) -> float:
    """Return the smallest change that matters, on the grid's scale."""
    import numpy as np

    recent = nulls.recent_samples(windows.steps, grid.step_seconds)
    expected = float(np.median(windows.expected[-recent:]))
    level = grid.plain(expected)
    worse = level + sign * minimum_shift(level, samples, spec, policy)
    return abs(float(grid.on(np.array([worse]))[0]) - expected)


def _told(
    way: Way,
    samples: Samples,
    before: pd.Series,
    after: pd.Series,
    grid: Grid,
    windows: Windows,
    spec: MetricSpec,
    alpha: float,
) -> MetricJudgement:
    import numpy as np

    recent = nulls.recent_samples(windows.steps, grid.step_seconds)
    newest = np.sort(after.to_numpy(dtype=float)[-recent:])
    value = float(np.median(newest))
    middle = float(np.median(windows.expected[-recent:]))
    expected, bound = grid.plain(middle), grid.plain(middle + way.sign * way.limit)
    state = State.SUSTAINED if way.score >= 1 else State.NORMAL
    if state is State.NORMAL and way.tests[2] >= 1 > way.tests[0]:
        state = State.TRANSIENT
    start = _start(way, windows) if state is not State.NORMAL else None
    if state is State.TRANSIENT and start is not None:
        newest = np.sort(after.to_numpy(dtype=float)[start : start + _length(way, windows, start)])
        value = float(np.median(newest))
    absolute = spec.kind is Kind.RATIO or expected == 0
    reach = min(0.5, 0.98 / math.sqrt(max(1.0, len(newest) / spec.overlap)))
    effects = [
        (float(one) - expected) / (1.0 if absolute else abs(expected))
        for one in (value, *np.quantile(newest, [0.5 - reach, 0.5 + reach]))
    ]
    judgement = MetricJudgement(
        spec=spec,
        verdict=VERDICTS[state],
        state=state,
        score=round(way.score, 6),
        reason="-",
        value=value,
        baseline=expected,
        threshold=bound,
        effect=effects[0],
        effect_interval=(effects[1], effects[2]),
        started_at=None if start is None else samples.time(start),
        samples=len(after),
        baseline_samples=len(before),
        statistics={
            **{name: round(float(test), 6) for name, test in zip(nulls.TESTS, way.tests, strict=True)},
            "false_alarm_rate": alpha,
            "share_of_season": windows.share,
            "recentred_samples": float(windows.recentred),
            "calibrated_on_baseline": 1.0,
        },
    )
    return judgement.model_copy(update={"reason": reason_for(judgement)})


def _start(way: Way, windows: Windows) -> int:
    """Return the first sample beyond the limit of the mean from which on most of a few are."""
    import numpy as np

    beyond = way.sign * windows.actual > way.limit
    first = np.flatnonzero(beyond)
    lasting = (int(place) for place in first if beyond[place : place + A_FEW].mean() > 0.5)
    return next(lasting, int(first[0]) if len(first) else 0)


def _length(way: Way, windows: Windows, start: int) -> int:
    """Return how many samples in a row are beyond the limit of the mean from ``start`` on, at least one."""
    import numpy as np

    beyond = way.sign * windows.actual[start:] > way.limit
    return max(1, len(beyond) if beyond.all() else int(np.argmin(beyond)))
