"""The band of a picture: what was usual before a change."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.cases import Case, CaseMetric
    from release_watch.judge.judgement import MetricJudgement

DAY = timedelta(days=1)
AROUND = timedelta(minutes=15)
"""Samples of former days count that are this near to the same time of day."""
LEVEL_OF = timedelta(hours=1)
"""The band is moved to the level of so much time before the change."""
POINTS = 200
LOW, HIGH = 0.05, 0.95
FEWEST = 5


class Band(NamedTuple):
    """Between what values a metric usually is at each time, and what that rests on in words."""

    times: list[datetime]
    low: Any
    middle: Any
    high: Any
    words: str


def usual(
    case: Case,
    metric: CaseMetric,
    judgement: MetricJudgement,
    shown: tuple[datetime, datetime],
    policy: JudgePolicy,
) -> Band | None:
    """Return the band over the time shown; None where there is too little before the change.

    Where the samples before the change cover a day and more: of the same time of day, moved to the level
    just before the change. Else the normal range of single samples, as the judge has it.
    """
    before = metric.before.loc[: case.change_time]
    if len(before) < FEWEST:
        return None
    if (before.index[-1] - before.index[0]).to_pytimedelta() >= DAY:
        band = _of_the_day(before, case.change_time, shown)
        if band is not None:
            return band
    return _flat(before, judgement, shown, policy)


def _of_the_day(before: pd.Series, change: datetime, shown: tuple[datetime, datetime]) -> Band | None:
    import numpy as np

    step = (shown[1] - shown[0]) / POINTS
    times = [shown[0] + number * step for number in range(POINTS + 1)]
    near = [_same_time(before, moment) for moment in times]
    if sum(len(values) >= FEWEST for values in near) < POINTS / 2:
        return None
    low, middle, high = (
        np.array([np.quantile(values, q) if len(values) >= FEWEST else np.nan for values in near])
        for q in (LOW, 0.5, HIGH)
    )
    last = before.loc[change - LEVEL_OF :]
    past = _same_time(before, change - LEVEL_OF / 2, LEVEL_OF / 2)
    moved = float(np.median(last) - np.median(past)) if len(last) >= FEWEST <= len(past) else 0.0
    floor = 0.0 if float(before.min()) >= 0 else -np.inf
    low, middle, high = (np.maximum(line + moved, floor) for line in (low, middle, high))
    return Band(times, low, middle, high, "before, same time of day (5-95 %, at the level before the change)")


def _same_time(before: pd.Series, moment: datetime, around: timedelta = AROUND) -> Any:
    """Return the samples of former days at about the time of day of ``moment``."""
    import numpy as np

    days = range(1, (moment - before.index[0].to_pydatetime()) // DAY + 2)
    parts = [before.loc[moment - day * DAY - around : moment - day * DAY + around] for day in days]
    return np.concatenate([part.to_numpy() for part in parts]) if parts else np.array([])


def _flat(
    before: pd.Series, judgement: MetricJudgement, shown: tuple[datetime, datetime], policy: JudgePolicy
) -> Band | None:
    from release_watch.judge.limits import normal_range

    if (span := normal_range(before, judgement.spec, policy)) is None:
        return None
    low, high = span
    middle = float(before.median())
    return Band(list(shown), [low, low], [middle, middle], [high, high], "normal range before")
