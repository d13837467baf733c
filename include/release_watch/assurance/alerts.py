"""Alert history: when which alert of the services fired, from the ``ALERTS`` series of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.catalog.selectors import one_of, parse_selector
from release_watch.identifiers import promql_string
from release_watch.telemetry.metrics import MAX_POINTS, Metrics

JOINED_GAP = timedelta(minutes=5)
"""Gaps up to this long are one interval: a restart of Prometheus interrupts ALERTS, not the alert."""


class AlertInterval(NamedTuple):
    """A span in which an alert fired without a break; ``end`` is the last moment it was seen firing."""

    alert: str
    service: str
    severity: str
    start: datetime
    end: datetime


def history_query(services: Sequence[str], environment: str | None = None) -> str:
    """Return the PromQL of the firing alerts of ``services``; drills carry ``drill="true"`` and stay out.

    With an environment, alerts that name another one stay out too.
    """
    matchers = ['alertstate="firing"', 'drill=""', f"service=~{promql_string(one_of(services))}"]
    if environment:
        matchers.append(f"environment=~{promql_string('|' + one_of([environment]))}")
    return f"max by (alertname, service, severity) (ALERTS{{{','.join(matchers)}}})"


def history_step(start: datetime, end: datetime) -> timedelta:
    """Return the resolution at which history is read: whole seconds, one query's worth of points."""
    return timedelta(seconds=max(1, math.ceil((end - start).total_seconds() / MAX_POINTS)))


def alert_intervals(
    metrics: Metrics,
    window: tuple[datetime, datetime],
    services: Sequence[str],
    *,
    environment: str | None = None,
) -> list[AlertInterval]:
    """Return when alerts of ``services`` fired in ``window`` (start, end), oldest first; drills do not count.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    if not services:
        return []
    step = history_step(*window)
    frame = metrics.range(history_query(services, environment), *window, step)
    found = []
    for column in frame.columns:
        labels = {m.label: m.value for m in parse_selector(column[column.index("{") :])}
        times = [moment.to_pydatetime() for moment in frame[column].dropna().index]
        for start, end in _runs(times, max(JOINED_GAP, 2 * step)):
            name, severity = labels.get("alertname", ""), labels.get("severity", "")
            found.append(AlertInterval(name, labels.get("service", ""), severity, start, end))
    return sorted(found, key=lambda interval: (interval.start, interval.alert, interval.service))


def _runs(times: Sequence[datetime], gap: timedelta) -> Iterator[tuple[datetime, datetime]]:
    start = previous = None
    for moment in times:
        if start is None or previous is None:
            start = moment
        elif moment - previous > gap:
            yield start, previous
            start = moment
        previous = moment
    if start is not None and previous is not None:
        yield start, previous
