"""Silence: whether a metric that brings no samples any more is lost, or the data simply ends there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.judge.limits import FEWEST_BASELINE_SAMPLES

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.judge.cases import Case, CaseMetric

SILENT_STEPS, SILENT_SECONDS = 5, 300.0
"""A metric is silent after so many missing samples, but not sooner than a restart takes."""

DENSE = 0.8
"""A baseline of which less is filled, is no witness against silence: the metric comes when it likes."""


@dataclass(frozen=True)
class Habit:
    """How a metric used to come: it is silent after ``seconds`` without a sample; never where that is 0."""

    seconds: float

    @classmethod
    def of(cls, before: pd.Series, change: datetime) -> Habit:
        """Return the habit of a baseline: no silence where it is thin, or ended before the change.

        One hole counts for itself only; what a second one shows, is usual.
        """
        import numpy as np

        if len(before) < 2 * FEWEST_BASELINE_SAMPLES:
            return cls(0.0)
        gaps = np.sort(np.diff(before.index.as_unit("us").asi8)) / 1e6  # type: ignore[attr-defined]
        step = float(np.median(gaps))
        seconds = max(SILENT_STEPS * step, SILENT_SECONDS, 2 * float(gaps[-2]))
        ahead = (change - before.index[-1].to_pydatetime()).total_seconds()
        dense = step * len(gaps) >= DENSE * float(gaps.sum())
        return cls(seconds if dense and 0 < ahead <= seconds else 0.0)


def lost_since(metric: CaseMetric, habit: Habit, case: Case, until: datetime, fewest: int) -> datetime | None:
    """Return since when a metric is lost, None where it is not; nothing after ``until`` is read.

    It is lost where the rest of the case goes on without it: other metrics, or the control group. Where
    nothing goes on, the data may just end there, so that a metric is lost only if the release never brought
    the ``fewest`` samples that could be judged, although there was time for many.
    """
    after = _upto(metric.after, until)
    heard = max(case.change_time, after.index[-1].to_pydatetime()) if len(after) else case.change_time
    known = until if len(after) < fewest else newest(case, until)
    quiet = timedelta(seconds=habit.seconds)
    return heard if habit.seconds and known is not None and known - heard > quiet else None


def newest(case: Case, until: datetime) -> datetime | None:
    """Return when the newest sample since the change came, of whatever metric or group; None for none."""
    lines: Sequence[pd.Series] = [
        line for metric in case.metrics for line in (metric.after, metric.control) if line is not None
    ]
    ends = [line.index[-1].to_pydatetime() for line in (_upto(one, until) for one in lines) if len(line)]
    late = [end for end in ends if end >= case.change_time]
    return max(late, default=None)


def _upto(series: pd.Series, until: datetime) -> pd.Series:
    return series[series.index <= until]
