"""One case judged at each look: the rows it has in VERDICTS, and the pictures of what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.command.plots import Plots
from release_watch.judge.looks import Look, judge_case
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from release_watch.judge.cases import Case, CaseMetric


class Row(NamedTuple):
    """A row of VERDICTS."""

    case: str
    look_minutes: str
    verdict: Verdict
    score: str
    metrics_judged: int
    metrics_failed: int
    reason: str


class Judged(NamedTuple):
    """The rows of a case, how many pictures were drawn, and what went wrong, in words."""

    rows: tuple[Row, ...]
    drawn: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judging:
    """How cases are judged; called with one. ``plots`` is the folder for pictures, None for none."""

    looks: tuple[timedelta, ...]
    policy: JudgePolicy
    plots: Path | None = None

    def __call__(self, case: Case) -> Judged:
        """Return the rows of a case; of one that cannot be judged, INCONCLUSIVE with the reason."""
        try:
            standing = standing_at(case, self.looks, self.policy)
        except Exception as error:  # whatever one case runs into, the others are judged
            words = f"not judged: {type(error).__name__}: {error}"
            return Judged(unjudged(case.name, self.looks, words), problems=(f"case {case.name!r}: {words}",))
        rows = tuple(_row(case.name, look) for look in standing)
        if self.plots is None:
            return Judged(rows)
        plots = Plots(self.plots)
        plots.draw(case, standing, self.policy)
        return Judged(rows, plots.drawn, tuple(plots.problems))


def unjudged(case: str, looks: Sequence[timedelta], reason: str) -> tuple[Row, ...]:
    """Return the rows of a case about which nothing can be said."""
    return tuple(
        Row(case, _minutes(look / timedelta(minutes=1)), Verdict.INCONCLUSIVE, "0", 0, 0, _one_line(reason))
        for look in sorted(looks)
    )


def standing_at(case: Case, looks: Sequence[timedelta], policy: JudgePolicy) -> list[Look]:
    """Return the standing decision at each look, in the order of time; of nothing that came after the look.

    Where samples from before the change, or whole metrics, only come after a look, each look is taken at
    what was there by then.
    """
    ordered = sorted(looks)
    if not _comes_later(case, case.change_time + ordered[0]):
        return judge_case(case, ordered, policy)
    return [
        judge_case(known_by(case, case.change_time + look), ordered, policy)[place]
        for place, look in enumerate(ordered)
    ]


def _comes_later(case: Case, moment: datetime) -> bool:
    return any(
        (metric.first is not None and metric.first > moment)
        or (len(metric.before) > 0 and metric.before.index[-1] > moment)
        for metric in case.metrics
    )


def known_by(case: Case, moment: datetime) -> Case:
    """Return the case as it was at ``moment``."""
    there = [metric for metric in case.metrics if metric.first is None or metric.first <= moment]
    return replace(case, metrics=tuple(_cut(metric, moment) for metric in there))


def _cut(metric: CaseMetric, moment: datetime) -> CaseMetric:
    def by_then(series: pd.Series) -> pd.Series:
        return series[series.index <= moment]

    control = None if metric.control is None else by_then(metric.control)
    control = control if control is not None and len(control) else None
    return replace(metric, before=by_then(metric.before), after=by_then(metric.after), control=control)


def _row(case: str, look: Look) -> Row:
    return Row(
        case=case,
        look_minutes=_minutes(look.look_minutes),
        verdict=look.verdict,
        score=f"{look.score:.6g}",
        metrics_judged=look.metrics_judged,
        metrics_failed=look.metrics_failed,
        reason=_one_line(look.reason),
    )


def _minutes(minutes: float) -> str:
    return f"{minutes:.10g}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
