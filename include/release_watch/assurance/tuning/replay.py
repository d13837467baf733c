"""What an alert rule would have done: its expression over history, by the server's own PromQL engine.

Range queries evaluate the expression at each evaluation time, a stretch at a time, and only when the
condition held is kept; ``for`` and ``keep_firing_for`` are then applied by
:mod:`release_watch.assurance.tuning.states`. No exported copy of the series is needed, the engine is the one
that will run the rule, and rules that differ in ``for`` only are one query. Against a live rule, evaluations
lie on a grid that begins with the window, so a firing's start and end may be off by up to one evaluation
interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.assurance.quality.intervals import AlertInterval, merged
from release_watch.assurance.tuning.states import Run, fired
from release_watch.catalog.selectors import parse_matchers
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import Rule, parse_prometheus_duration
from release_watch.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import pandas as pd

STRETCH = 2_000
"""Evaluations per query: of an alert over a thousand series that is 2 million samples at a time at most."""


class Activity(NamedTuple):
    """When an expression had a sample: per label set, the runs of evaluations; 0 is ``start``."""

    start: datetime
    step: timedelta
    evaluations: int
    runs: Mapping[str, tuple[Run, ...]]


def activity(
    metrics: Metrics, expr: str, window: tuple[datetime, datetime], step: timedelta, stretch: int = STRETCH
) -> Activity:
    """Return when ``expr`` had samples at the evaluations of ``window``, which are ``step`` apart.

    Raises:
        BackendError: if the server does not answer, or refuses the expression.
        InvalidInputError: if two series differ by their names only; the rule would fail on them.
    """
    start = window[0].replace(microsecond=0)
    evaluations = (window[1] - start) // step + 1
    found: dict[str, list[Run]] = {}
    for first in range(0, evaluations, stretch):
        last = min(first + stretch, evaluations) - 1
        frame = metrics.range(expr, start + first * step, start + last * step, step)
        for labels, runs in _runs(frame, start, step):
            _append(found.setdefault(labels, []), runs)
    return Activity(start, step, evaluations, {labels: tuple(runs) for labels, runs in found.items()})


def replay(seen: Activity, rule: Rule) -> list[AlertInterval]:
    """Return the firings of ``rule``, oldest first, given when its expression had samples."""
    hold, keep = hold_of(rule), keep_of(rule)
    return merged(
        _interval(seen, rule, labels, one.active, one.first, one.last)
        for labels, runs in seen.runs.items()
        for one in fired(runs, step=seen.step, hold=hold, keep=keep)
    )


def without_tail(firings: Sequence[AlertInterval], rule: Rule, step: timedelta) -> list[AlertInterval]:
    """Return ``firings`` until their condition ended, as ``keep_firing_for`` goes on without it.

    What such a tail reaches into, the alert did not see: an incident that comes later is not told of by it.
    """
    tail = -(-keep_of(rule) // step) * step
    return [one._replace(end=max(one.start, one.end - tail)) for one in firings]


def hold_of(rule: Rule) -> timedelta:
    """Return the rule's ``for``."""
    return _length(rule.hold)


def keep_of(rule: Rule) -> timedelta:
    """Return the rule's ``keep_firing_for``."""
    return _length(rule.keep_firing_for)


def _length(text: str | None) -> timedelta:
    return parse_prometheus_duration(text) if text else timedelta(0)


def _runs(frame: pd.DataFrame, start: datetime, step: timedelta) -> Iterator[tuple[str, list[Run]]]:
    import numpy as np
    import pandas as pd

    labels = [column[column.index("{") :] for column in frame.columns]
    if len(set(labels)) < len(labels):
        raise InvalidInputError(
            ["the expression gives several series with the same labels; a rule must aggregate them"]
        )
    seconds = np.array([moment.timestamp() for moment in pd.DatetimeIndex(frame.index).to_pydatetime()])
    numbers = np.rint((seconds - start.timestamp()) / step.total_seconds()).astype(int)
    for column, name in zip(frame.columns, labels, strict=True):
        held = numbers[frame[column].notna().to_numpy()]
        if held.size:
            breaks = np.flatnonzero(np.diff(held) > 1)
            firsts = held[np.concatenate(([0], breaks + 1))]
            lasts = held[np.concatenate((breaks, [held.size - 1]))]
            yield name, [Run(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True)]


def _append(runs: list[Run], more: list[Run]) -> None:
    """Append the runs of the next stretch; one that goes on across the border is one."""
    if runs and more[0].first == runs[-1].last + 1:
        runs[-1] = Run(runs[-1].first, more[0].last)
        more = more[1:]
    runs.extend(more)


def _interval(seen: Activity, rule: Rule, labels: str, active: int, first: int, last: int) -> AlertInterval:
    of_series = {one.label: one.value for one in parse_matchers(labels)} if labels != "{}" else {}

    def label(name: str) -> str:
        own = rule.labels.get(name, "")
        return of_series.get(name, "") if not own or "{{" in own else own

    end = min(last, seen.evaluations - 1)
    return AlertInterval(
        rule.name,
        label("service"),
        label("severity"),
        seen.start + first * seen.step,
        seen.start + end * seen.step,
        active_at=seen.start + active * seen.step,
        begun_before=first == 0,
        ongoing=last >= seen.evaluations - 1,
    )
