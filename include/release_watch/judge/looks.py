"""Looks at a case: the standing decision at each, within one budget of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from release_watch.clock import rfc3339
from release_watch.judge import budget, calibrated, together
from release_watch.judge.control import adjusted, beyond_the_season
from release_watch.judge.judgement import MetricJudgement, State
from release_watch.judge.limits import FEWEST_BASELINE_SAMPLES
from release_watch.judge.metric import judge_metric
from release_watch.judge.season import Grid, gridded, windows
from release_watch.judge.silence import Habit, lost_since, newest
from release_watch.judge.spec import Kind, MetricSpec
from release_watch.judge.wording import all_within, silent_since
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.cases import Case, CaseMetric
    from release_watch.judge.nulls import Null

MANY = 6
"""From so many metrics on they are judged together, and none pays for the others."""

CORROBORATED = 2
"""Where a case says which metrics are golden, so many others must fail where none of those does."""

TOLD = 3
"""A reason names no more metrics."""

LOST_SCORE = 2.0
"""What a metric scores that is lost: twice as far as the limit."""

WARM_UP = timedelta(minutes=10)
"""What a new process takes of memory and processor so long after its start, is no regression."""

BELOW_THE_LIMIT = 0.99
"""The highest score of a release that is not bad: of what went away, of what nothing corroborates."""

DRIFTING_HOURS = 3.0
"""Many metrics with so long a baseline follow the day, of which one without pseudo-changes knows little."""

RATIO_FROM = 0.8

STILL = "still, without data since "


@dataclass(frozen=True)
class Look:
    """The standing decision at one look; ``score`` is 1 at the limit, higher for worse."""

    look_minutes: float
    verdict: Verdict
    score: float
    metrics_judged: int
    metrics_failed: int
    reason: str
    judgements: tuple[MetricJudgement, ...]


@dataclass(frozen=True)
class Prepared:
    """A metric of a case with what does not change from look to look."""

    metric: CaseMetric
    spec: MetricSpec
    grid: Grid | None
    of_control: Grid | None
    habit: Habit

    @property
    def hours(self) -> float:
        """How long the baseline is."""
        index = self.metric.before.index
        return float((index[-1] - index[0]).total_seconds() / 3600) if len(index) else 0.0


@dataclass(frozen=True)
class Judged:
    """A judgement, and what pseudo-changes score on the same metric; None where there are too few."""

    judgement: MetricJudgement
    pseudo: Null | None
    hours: float


def judge_case(case: Case, looks: Sequence[timedelta], policy: JudgePolicy) -> list[Look]:
    """Return the standing decision at each look, in the order of time, of samples up to the look only.

    A decision may be taken back where what was bad is over, and stands where no new sample came (what is lost
    and what merely ends, says ``silence``). The false-alarm budget is shared by the looks,
    and by the metrics: few ones pay for each other, many are judged together (see ``together``).
    """
    prepared = [_prepared(metric, case) for metric in case.metrics]
    alpha = budget.rate(len(looks))
    decided: list[Look] = []
    seen: datetime | None = None
    for look in sorted(looks):
        last, seen = seen, newest(case, case.change_time + look)
        if decided and seen is not None and seen == last and decided[-1].metrics_judged:
            decided.append(_standing(decided[-1], look, seen))
            continue
        judged = [_judged(one, case, look, _share(alpha, one, case), policy) for one in prepared]
        decided.append(_decision(look, judged, alpha))
    return decided


def _standing(earlier: Look, look: timedelta, seen: datetime) -> Look:
    """Return the decision of the last look that had new samples: nothing was seen that would change it."""
    reason = (
        earlier.reason if earlier.reason.startswith(STILL) else f"{STILL}{rfc3339(seen)}: {earlier.reason}"
    )
    return replace(earlier, look_minutes=_minutes(look), reason=reason)


def _prepared(metric: CaseMetric, case: Case) -> Prepared:
    before = metric.before
    spec = MetricSpec(
        service=case.name,
        metric=metric.name,
        direction=metric.direction,
        golden=metric.golden,
        kind=_kind(metric),
    )
    change, control = case.change_time, metric.control
    group = None if control is None else gridded(control[control.index < change], change)
    return Prepared(metric, spec, gridded(before, change), group, Habit.of(before, change))


def _kind(metric: CaseMetric) -> Kind:
    """Return the metric's kind; what nobody calls a ratio but lives just below 1 is one."""
    if metric.kind is not Kind.GAUGE or metric.before.empty:
        return metric.kind
    inside = float(metric.before.min()) >= 0 and float(metric.before.max()) <= 1
    return Kind.RATIO if inside and float(metric.before.median()) > RATIO_FROM else metric.kind


def _share(alpha: float, one: Prepared, case: Case) -> float:
    """Return the share of the budget of a look that one direction of a metric has."""
    metrics = len(case.metrics) if len(case.metrics) < MANY else 1
    return alpha / metrics / len(calibrated.WAYS[one.spec.direction])


def _judged(one: Prepared, case: Case, look: timedelta, alpha: float, policy: JudgePolicy) -> Judged:
    metric, spec, change = one.metric, one.spec, case.change_time
    after = metric.after[metric.after.index <= change + look]
    since = lost_since(metric, one.habit, case, change + look, policy.persistence)
    if since is not None:
        return Judged(_lost(one, since, after), None, one.hours)
    if spec.kind is Kind.RESOURCE:
        after = after[after.index >= change + WARM_UP]
    after = _without_control(one, after, change, policy)
    if one.grid and len(after) >= policy.persistence and len(metric.before) >= FEWEST_BASELINE_SAMPLES:
        found = windows(one.grid, after)
        if found:
            return Judged(
                *calibrated.judged(metric.before, after, one.grid, found, spec, policy, alpha), one.hours
            )
    return Judged(judge_metric(metric.before, after, spec=spec, policy=policy), None, one.hours)


def _without_control(one: Prepared, after: pd.Series, change: datetime, policy: JudgePolicy) -> pd.Series:
    control = one.metric.control
    if control is not None and one.grid and one.of_control and len(after) >= policy.persistence:
        found = beyond_the_season(after, one.grid, control, one.of_control, change)
        if found is not None:
            return found
    return adjusted(one.metric.before, after, control, change)


def _lost(one: Prepared, since: datetime, after: pd.Series) -> MetricJudgement:
    return MetricJudgement(
        spec=one.spec,
        verdict=Verdict.NO_GO,
        state=State.SUSTAINED,
        score=LOST_SCORE,
        reason=silent_since(since),
        started_at=since,
        samples=len(after),
        baseline_samples=len(one.metric.before),
    )


def _decision(look: timedelta, judged: Sequence[Judged], alpha: float) -> Look:
    judgements = tuple(one.judgement for one in judged)
    known = [one for one in judgements if one.state is not State.UNKNOWN]
    failed = sorted((one for one in known if one.failed), key=lambda one: -one.score)
    score = _score(judged, alpha)
    verdict = _verdict(judgements, failed, score)
    if verdict is not Verdict.NO_GO:
        score = min(score, BELOW_THE_LIMIT)
    return Look(
        _minutes(look),
        verdict,
        score,
        len(known),
        len(failed),
        _reason(verdict, judgements, failed),
        judgements,
    )


def _minutes(look: timedelta) -> float:
    return look.total_seconds() / 60


def _score(judged: Sequence[Judged], alpha: float) -> float:
    """Return the score of the release: of its metrics together where they are many, else of the worst.

    A metric that is lost counts for itself: no pseudo-change can say how often that happens.
    """
    pseudo = [one.pseudo for one in judged if one.pseudo is not None]
    if len(pseudo) >= MANY and len({len(null.scores) for null in pseudo}) == 1:
        scores = [one.judgement.score for one in judged if one.pseudo is not None]
        lost = [
            one.judgement.score for one in judged if one.judgement.failed and not one.judgement.statistics
        ]
        return max(together.score(scores, pseudo, alpha), *lost, 0.0)
    scores = [one.judgement.score for one in judged]
    drifts = not pseudo and len(scores) >= MANY and all(one.hours >= DRIFTING_HOURS for one in judged)
    return together.unproven(scores) if drifts else max(scores, default=0.0)


def _verdict(
    judgements: Sequence[MetricJudgement], failed: Sequence[MetricJudgement], score: float
) -> Verdict:
    golden = [one for one in judgements if one.spec.golden]
    enough = not golden or len(failed) >= CORROBORATED or any(one.spec.golden for one in failed)
    if failed and enough and score >= 1:
        return Verdict.NO_GO
    unknown = [one for one in judgements if one.state is State.UNKNOWN]
    if len(unknown) == len(judgements) or any(one.spec.golden for one in unknown):
        return Verdict.INCONCLUSIVE
    return Verdict.GO if all(one.verdict is Verdict.GO for one in judgements) else Verdict.WARN


def _reason(
    verdict: Verdict, judgements: Sequence[MetricJudgement], failed: Sequence[MetricJudgement]
) -> str:
    if not judgements:
        return "no metric was judged"
    if verdict is Verdict.GO:
        return all_within(len(judgements))
    unusual = [one for one in judgements if one.verdict is not Verdict.GO]
    if verdict is Verdict.INCONCLUSIVE:
        unusual = [one for one in judgements if one.state is State.UNKNOWN]
    told = list(failed or unusual)[:TOLD]
    more = len(failed or unusual) - len(told)
    text = "; ".join(f"{one.spec.metric}: {one.reason}" for one in told)
    return f"{text}; and {more} more" if more else text
