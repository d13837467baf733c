"""Alert history from Prometheus: the series ``ALERTS`` and ``ALERTS_FOR_STATE``, by range queries.

First a coarse query finds the stretches in which anything fired; a month of it is 8,640 points. These are
then read in full with ``timestamp()``, which gives the time of the sample itself: neither the step nor the
five minutes that Prometheus looks back move a start or an end, as long as rules are not evaluated more often
than ``resolution``. If they are, a start is late, and an end early, by less than ``resolution``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.assurance.quality.intervals import AlertInterval, merged
from release_watch.assurance.quality.joining import (
    JOINED_GAP,
    LONGEST_RESTART,
    Run,
    Seen,
    Span,
    join,
    silences_of,
)
from release_watch.catalog.selectors import one_of
from release_watch.identifiers import promql_string
from release_watch.slo.rules import WATCHDOG
from release_watch.telemetry.metrics import Metrics, series_name

if TYPE_CHECKING:
    import pandas as pd

RESOLUTION = timedelta(seconds=15)
LOOK_BACK = timedelta(minutes=5)
"""How old a sample may be that Prometheus gives for a moment; steps must not be longer."""
HEARTBEAT = f'timestamp(ALERTS{{alertname="{WATCHDOG}",alertstate="firing"}})'

_LABEL = re.compile(r'(.+?)="((?:[^"\\]|\\.)*)"(?:,|$)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def alive_query(environment: str | None = None) -> str:
    """Return the PromQL of whether a dead man's switch fired at some time of the last hour.

    With an environment, one that names another proves nothing.
    """
    where = f",{_of_environment(environment)}" if environment else ""
    return f'count(count_over_time(ALERTS{{alertname="{WATCHDOG}",alertstate="firing"{where}}}[1h]))'


def blind_hours(metrics: Metrics, window: Span, environment: str | None = None) -> tuple[int, int]:
    """Return in how many whole hours of ``window`` no rule was evaluated, and how many there are.

    It is seen by the dead man's switch, which fires always: where it did not, nobody knows what else would
    have. So it is after the server's retention, and before the rules were activated.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    hour = timedelta(hours=1)
    start, hours = _whole(window[0]), (window[1] - window[0]) // hour
    if not hours:
        return 0, 0
    found = metrics.range(alive_query(environment), start + hour, start + hours * hour, hour)
    return hours - len(found.dropna(how="all")), hours


def matchers(services: Sequence[str], environment: str | None = None) -> str:
    """Return the label matchers of the alerts of ``services``; drills carry ``drill="true"`` and stay out.

    With an environment, alerts that name another one stay out too.
    """
    found = ['drill=""', f"service=~{promql_string(one_of(services))}"]
    if environment:
        found.append(_of_environment(environment))
    return ",".join(found)


def _of_environment(environment: str) -> str:
    return f"environment=~{promql_string('|' + one_of([environment]))}"


def firing_query(services: Sequence[str], environment: str | None = None) -> str:
    """Return the PromQL of when alerts fired: per series, the time of its newest sample."""
    return f'timestamp(ALERTS{{alertstate="firing",{matchers(services, environment)}}})'


def active_query(services: Sequence[str], environment: str | None = None) -> str:
    """Return the PromQL of since when the conditions of alerts held, in seconds since 1970."""
    return f"ALERTS_FOR_STATE{{{matchers(services, environment)}}} + 0"


def busy_query(services: Sequence[str], bucket: timedelta, environment: str | None = None) -> str:
    """Return the PromQL of how many alerts fired at some time of the last ``bucket``."""
    seconds = int(bucket.total_seconds())
    return (
        f'count(count_over_time(ALERTS{{alertstate="firing",{matchers(services, environment)}}}[{seconds}s]))'
    )


def alert_history(
    metrics: Metrics,
    window: Span,
    services: Sequence[str],
    *,
    environment: str | None = None,
    resolution: timedelta = RESOLUTION,
    joined_gap: timedelta = JOINED_GAP,
) -> list[AlertInterval]:
    """Return when alerts of ``services`` fired in ``window`` (start, end), oldest first; drills do not count.

    Firings are joined by :func:`~release_watch.assurance.quality.joining.rules_of`; series of the same alert,
    service and severity that fired at the same time are one firing.

    Raises:
        BackendError: if Prometheus does not answer.
        ValueError: if ``resolution`` is not whole seconds, or longer than five minutes.
    """
    if resolution % timedelta(seconds=1) or not timedelta(0) < resolution <= LOOK_BACK:
        raise ValueError(f"resolution {resolution} is not whole seconds up to {LOOK_BACK}")
    if not services:
        return []
    start, end = _whole(window[0]), _whole(window[1])
    seen: dict[str, list[Seen]] = {}
    beats: list[datetime] = []
    for stretch in _busy(metrics, (start, end), services, environment, resolution):
        firing = metrics.range(firing_query(services, environment), *stretch, resolution)
        active = metrics.range(active_query(services, environment), *stretch, resolution)
        for name, samples in _samples(firing, active):
            seen.setdefault(name, []).extend(one for one in samples if one.at >= window[0])
        beats += _moments(metrics.range(HEARTBEAT, *stretch, resolution))
    silences = silences_of(beats)
    return merged(
        _firing(name, run, window, 2 * resolution)
        for name, samples in seen.items()
        for run in join(samples, joined_gap=joined_gap, silences=silences)
    )


def _busy(
    metrics: Metrics, window: Span, services: Sequence[str], environment: str | None, resolution: timedelta
) -> list[Span]:
    """Return the stretches in which anything fired; those less than the longest restart apart as one."""
    bucket = math.ceil(LOOK_BACK / resolution) * resolution
    last = window[0] + math.ceil((window[1] - window[0]) / bucket) * bucket
    found = metrics.range(busy_query(services, bucket, environment), window[0], last, bucket)
    stretches: list[Span] = []
    for moment in (at.to_pydatetime() for at in found.dropna(how="all").index):
        begin, end = max(moment - bucket, window[0]), min(moment, window[1])
        if stretches and begin - stretches[-1][1] <= LONGEST_RESTART:
            stretches[-1] = (stretches[-1][0], end)
        elif begin <= end:
            stretches.append((begin, end))
    return stretches


def _samples(firing: pd.DataFrame, active: pd.DataFrame) -> Iterator[tuple[str, list[Seen]]]:
    """Yield, per series, each sample once: the grid shows it until the next one."""
    for column in firing.columns:
        stamps = firing[column].dropna().drop_duplicates()
        name = series_name({k: v for k, v in _labels(column).items() if k != "alertstate"})
        since = (
            active[name].reindex(stamps.index) if name in active.columns else stamps.map(lambda _: math.nan)
        )
        yield (
            name,
            [
                Seen(_moment(at), None if math.isnan(held) else _moment(held))
                for at, held in zip(stamps, since, strict=True)
            ],
        )


def _moments(frame: pd.DataFrame) -> list[datetime]:
    return [_moment(at) for column in frame.columns for at in frame[column].dropna().unique()]


def _firing(name: str, run: Run, window: Span, near: timedelta) -> AlertInterval:
    labels = _labels(name)
    return AlertInterval(
        labels.get("alertname", ""),
        labels.get("service", ""),
        labels.get("severity", ""),
        run.start,
        run.end,
        active_at=run.active_at,
        begun_before=run.start - window[0] < near and (run.active_at or run.start) < window[0],
        ongoing=window[1] - run.end < near,
    )


def _labels(column: str) -> Mapping[str, str]:
    """Return the labels in a column's name; Prometheus 3 takes any text for the name of a label."""
    found = _LABEL.findall(column[column.index("{") + 1 : -1])
    return {name: _ESCAPED.sub(lambda one: "\n" if one[1] == "n" else one[1], value) for name, value in found}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def _whole(moment: datetime) -> datetime:
    """Return the moment without parts of a second, as range queries take them."""
    return moment.astimezone(UTC).replace(microsecond=0)
