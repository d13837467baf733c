"""The judgement of one metric: a vote of three tests that fail in different ways.

- *run*: more samples in a row beyond the sample limit than the baseline ever had, and at least
  ``persistence``;
- *level*: the newest samples together beyond what windows of the baseline do; for rare events, more of them
  than their rate explains;
- *rank*: the newest samples rank high among the baseline's.

Two of the three must agree; for rare events the level must be one of them. The score is the weaker of the
two deciding statistics over its limit, so that it is 1 exactly where the metric fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge import budget, calibrated, statistics
from release_watch.judge.control import adjusted
from release_watch.judge.judgement import MetricJudgement, State
from release_watch.judge.limits import FEWEST_BASELINE_SAMPLES, Limits, learn
from release_watch.judge.samples import Samples, finite, turned
from release_watch.judge.season import gridded, windows
from release_watch.judge.spec import Kind, MetricSpec
from release_watch.judge.wording import reason_for, too_little
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

EVENT_LIMIT = 2.5
"""Standard deviations beyond which a number of rare events is no chance: 0.6 % one-sided."""

DEFAULT_POLICY = JudgePolicy()
VERDICTS = {State.NORMAL: Verdict.GO, State.TRANSIENT: Verdict.WARN, State.SUSTAINED: Verdict.NO_GO}


@dataclass(frozen=True)
class Evidence:
    """The three tests of one direction, each as statistic over limit, and where the change shows."""

    samples: Samples
    limits: Limits
    run: float
    level: float
    rank: float
    value: float
    longest_run: int
    episode: tuple[int, int] | None
    state: State

    @property
    def score(self) -> float:
        """The weaker of the two deciding tests."""
        return vote(self.run, self.level, self.rank, rare=self.samples.zero_inflated)


def judge_metric(
    baseline: pd.Series,
    current: pd.Series,
    *,
    spec: MetricSpec,
    policy: JudgePolicy = DEFAULT_POLICY,
    control: pd.Series | None = None,
) -> MetricJudgement:
    """Return whether ``current`` is worse than ``baseline``; deterministic.

    Both are float series over UTC times in the metric's unit; missing values are left out. Too few samples
    of either are INCONCLUSIVE, never GO. A baseline of a day or more is also asked what it does at the same
    time of day, and what its own windows do after changes that never were (see ``calibrated``).
    ``control`` are samples of a concurrent control group, which did not get the release: what happened to it
    too, is not held against the release.

    Raises:
        InvalidInputError: if an index is not one of UTC times.
    """
    before, after = finite(baseline), finite(current)
    fewest = policy.persistence + spec.overlap - 1
    if len(after) < fewest or len(before) < max(fewest, FEWEST_BASELINE_SAMPLES):
        return MetricJudgement(
            spec=spec,
            verdict=Verdict.INCONCLUSIVE,
            state=State.UNKNOWN,
            score=0.0,
            reason=too_little(len(before), len(after), max(fewest, FEWEST_BASELINE_SAMPLES), fewest),
            samples=len(after),
            baseline_samples=len(before),
        )
    if control is not None:
        after = adjusted(before, after, finite(control), after.index[0].to_pydatetime())
    sides = turned(before, after, spec)
    if sides[0].whole_day:
        change = after.index[0].to_pydatetime()
        grid = gridded(before, change)
        found = windows(grid, after) if grid else None
        if grid and found:
            alpha = budget.SINGLE_RATE / len(calibrated.WAYS[spec.direction])
            return calibrated.judged(before, after, grid, found, spec, policy, alpha)[0]
    ways = [weigh(samples, spec, policy) for samples in sides]
    return concluded(max(ways, key=lambda way: (way.state is State.SUSTAINED, way.score)), spec)


def weigh(samples: Samples, spec: MetricSpec, policy: JudgePolicy) -> Evidence:
    """Return the three tests over one direction."""
    import numpy as np

    limits = learn(samples, spec, policy)
    current, recent = samples.current, samples.current[-limits.recent :]
    found = statistics.runs(current > limits.sample)
    longest = max((length for _, length in found), default=0)
    value = float(recent.mean() if samples.zero_inflated else np.median(recent))
    level = statistics.over(value - limits.level, limits.window - limits.level)
    if samples.zero_inflated:
        level = min(level, events_over_limit(samples, limits, spec))
    share = float(statistics.rank_shares(samples.baseline, recent).mean())
    run = longest / limits.run
    rank = max(0.0, share - 0.5) / (limits.rank - 0.5) if limits.rank > 0.5 else 0.0
    long_runs = [(start, length) for start, length in found if length >= limits.run]
    failed = vote(run, level, rank, rare=samples.zero_inflated) >= 1
    return Evidence(
        samples=samples,
        limits=limits,
        run=run,
        level=level,
        rank=rank,
        value=value,
        longest_run=longest,
        episode=long_runs[-1] if long_runs else (found[0] if failed and found else None),
        state=state_of(failed, level, long_runs, len(current), limits.run),
    )


def vote(run: float, level: float, rank: float, *, rare: bool) -> float:
    """Return the statistic that decides: the second strongest; for rare events never without the level."""
    return min(level, max(run, rank)) if rare else sorted((run, level, rank))[1]


def events_over_limit(samples: Samples, limits: Limits, spec: MetricSpec) -> float:
    """Return how far more events the recent window holds than the baseline's rate explains.

    Neighbouring samples that share data show one event ``overlap`` times, so sums are divided by it.
    """
    one = 1.0 if spec.kind is Kind.COUNT else statistics.event_size(samples.baseline, samples.current)
    size = one * spec.overlap
    recent = samples.current[-limits.recent :]
    expected = float(samples.baseline.mean()) * len(recent) / size
    dispersed = statistics.dispersion(samples.baseline / size, limits.recent)
    return statistics.event_excess(float(recent.sum()) / size, expected, dispersed) / EVENT_LIMIT


def state_of(
    failed: bool, level: float, long_runs: list[tuple[int, int]], samples: int, persistence: int
) -> State:
    """Return whether a change lasts: it is over once it was good for as long as it was bad."""
    if not long_runs:
        return State.SUSTAINED if failed else State.NORMAL
    start, length = long_runs[-1]
    quiet = samples - start - length
    if failed and (level >= 1 or quiet < max(length, persistence)):
        return State.SUSTAINED
    return State.TRANSIENT


def concluded(evidence: Evidence, spec: MetricSpec) -> MetricJudgement:
    """Return the judgement that the evidence leads to."""
    samples, limits = evidence.samples, evidence.limits
    start = evidence.episode[0] if evidence.episode and evidence.state is not State.NORMAL else None
    judgement = MetricJudgement(
        spec=spec,
        verdict=VERDICTS[evidence.state],
        state=evidence.state,
        score=round(min(evidence.score, statistics.HIGHEST_SCORE), 6),
        reason="-",
        value=samples.back(shown_value(evidence)),
        baseline=samples.back(limits.level),
        threshold=samples.back(limits.window if evidence.state is not State.TRANSIENT else limits.sample),
        effect=effect(evidence.value, evidence, spec),
        effect_interval=effect_interval(evidence, spec),
        started_at=None if start is None else samples.time(start),
        samples=len(samples.current),
        baseline_samples=len(samples.baseline),
        statistics={
            "run": round(evidence.run, 6),
            "level": round(evidence.level, 6),
            "rank": round(evidence.rank, 6),
            "longest_run": evidence.longest_run,
            "run_limit": limits.run,
            "recent_samples": limits.recent,
            "baseline_spread": limits.spread,
            "sample_limit": samples.back(limits.sample),
            "calibrated_on_baseline": float(limits.calibrated),
        },
    )
    return judgement.model_copy(update={"reason": reason_for(judgement)})


def shown_value(evidence: Evidence) -> float:
    """Return the value a person wants to see: of the recent samples, or of the spike that went away."""
    import numpy as np

    if evidence.state is State.TRANSIENT and evidence.episode:
        start, length = evidence.episode
        return float(np.median(evidence.samples.current[start : start + length]))
    return evidence.value


def effect(value: float, evidence: Evidence, spec: MetricSpec) -> float:
    """Return the change from the baseline's level, in the metric's own sense (see ``MetricJudgement``)."""
    samples = evidence.samples
    before, after = samples.back(evidence.limits.level), samples.back(value)
    return after - before if spec.kind is Kind.RATIO or before == 0 else (after - before) / abs(before)


def effect_interval(evidence: Evidence, spec: MetricSpec) -> tuple[float, float]:
    """Return a 95 % interval of the effect: order statistics around the median of the recent samples.

    Ranks n/2 +- 0.98 sqrt(n) (Conover 1999), with n divided by the overlap; of rare events the mean +- 1.96
    standard errors.
    """
    import numpy as np

    recent = np.sort(evidence.samples.current[-evidence.limits.recent :])
    independent = max(1.0, len(recent) / spec.overlap)
    if evidence.samples.zero_inflated:
        margin = 1.96 * float(recent.std()) / math.sqrt(independent)
        bounds = (evidence.value - margin, evidence.value + margin)
    else:
        reach = min(0.5, 0.98 / math.sqrt(independent))
        low, high = np.quantile(recent, [0.5 - reach, 0.5 + reach])
        bounds = (float(low), float(high))
    first, second = (effect(bound, evidence, spec) for bound in bounds)
    return (min(first, second), max(first, second))
