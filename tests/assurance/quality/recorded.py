"""Recorded alerts, answered to range queries as Prometheus would: the newest sample of five minutes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import pandas as pd

from release_watch.telemetry.metrics import series_name

LOOK_BACK = 300.0


class Alert(NamedTuple):
    """One series of ALERTS: at which moments it fired, and since when its condition held at each."""

    labels: Mapping[str, str]
    fired: Sequence[float]
    active: Sequence[float] = ()


class RecordedMetrics:
    base_url = "http://prometheus"

    def __init__(self, alerts: Iterable[Alert] = (), heartbeat: Sequence[float] = ()) -> None:
        self.alerts, self.heartbeat = list(alerts), list(heartbeat)
        self.queries: list[str] = []
        self.points = 0

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.queries.append(query)
        grid, first = [], start.timestamp()
        while first <= end.timestamp():
            grid.append(first)
            first += step.total_seconds()
        self.points += len(grid)
        columns = {name: [value(at) for at in grid] for name, value in self._series(query, step)}
        frame = pd.DataFrame(columns, index=pd.to_datetime(grid, unit="s", utc=True), dtype=float)
        return frame.dropna(how="all").dropna(axis=1, how="all")

    def _series(self, query: str, step: timedelta):
        if query.startswith("count("):
            alerts = [self.heartbeat] if "Watchdog" in query else [alert.fired for alert in self.alerts]
            every = sorted(at for fired in alerts for at in fired)
            seconds = step.total_seconds()
            yield "{}", lambda at: None if _newest(every, at, seconds) is None else 1.0
        elif "Watchdog" in query:
            yield '{alertname="Watchdog"}', lambda at: _stamp(self.heartbeat, at)
        elif query.startswith("timestamp("):
            for one in self.alerts:
                name = series_name({**one.labels, "alertstate": "firing"})
                yield name, lambda at, one=one: _stamp(one.fired, at)
        else:
            for one in self.alerts:
                if one.active:
                    yield series_name(one.labels), lambda at, one=one: _held(one, at)


def _newest(times: Sequence[float], at: float, within: float = LOOK_BACK) -> int | None:
    position = bisect_right(times, at) - 1
    return position if position >= 0 and at - times[position] < within else None


def _stamp(times: Sequence[float], at: float) -> float | None:
    found = _newest(times, at)
    return None if found is None else times[found]


def _held(alert: Alert, at: float) -> float | None:
    found = _newest(alert.fired, at)
    return None if found is None else alert.active[found]
