"""Spans that no baseline is made of: incidents, drills, and releases that were rolled back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import ExcludedWindow

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.drills.history import PastDrill
    from release_watch.response.incidents import Incident

LEAD = timedelta(minutes=30)
LEAD_STEPS = 30
"""By the time that a ticket is opened, telemetry has shown the incident for a while."""

SETTLE = timedelta(minutes=15)
SETTLE_STEPS = 15
"""After an incident or a rollback: caches fill, queues drain, rates still reach back."""

LONGEST_TOLD = timedelta(hours=24)
"""What does not say when it was over lasts no longer: tickets stay open long after their incident."""

LONGEST_REACH = 2
"""To make up for what is excluded, a window reaches back at most this many times its length."""

Span = tuple[datetime, datetime]


class RolledBack(NamedTuple):
    """A release that was rolled back; ``finished_at`` is None where nobody knows when that ended."""

    release_id: str
    services: tuple[str, ...]
    deployed_at: datetime
    requested_at: datetime
    finished_at: datetime | None


def of_incidents(incidents: Iterable[Incident], until: datetime, step: timedelta) -> Iterator[ExcludedWindow]:
    """Yield the spans of incidents; those still open last ``until``. A ticket that names no service: all.

    An incident of which only the ticket is known counts from half an hour before it was opened (30 steps,
    where these are shorter), and at most the ticket's first day.
    """
    for incident in incidents:
        told = min(incident.closed_at or until, incident.opened_at + LONGEST_TOLD)
        start = incident.began_at or incident.opened_at - min(LEAD, LEAD_STEPS * step)
        yield ExcludedWindow(
            start=start,
            end=max(start, incident.ended_at or told) + settling(step),
            reason=f"incident {incident.url or incident.id}: {incident.title}",
            service=incident.service,
        )


def of_drills(drills: Iterable[PastDrill]) -> Iterator[ExcludedWindow]:
    """Yield the spans of past drills, from when they were due to fire to the last that was seen of them.

    Alerts are all that a drill makes, so that nothing has to settle after it.
    """
    for drill in drills:
        seconds = max(drill.seconds.values(), default=0.0)
        yield ExcludedWindow(
            start=drill.at,
            end=drill.at + timedelta(seconds=seconds),
            reason=f"drill {drill.drill_id}",
            service=drill.service,
        )


def of_rollbacks(
    rollbacks: Iterable[RolledBack], until: datetime, step: timedelta
) -> Iterator[ExcludedWindow]:
    """Yield, per service, the spans of bad releases: from their deployment to the end of their rollback."""
    for bad in rollbacks:
        ended = bad.finished_at or min(until, bad.requested_at + LONGEST_TOLD)
        for service in bad.services:
            yield ExcludedWindow(
                start=bad.deployed_at,
                end=max(ended, bad.deployed_at) + settling(step),
                reason=f"release {bad.release_id} was rolled back",
                service=service,
            )


def settling(step: timedelta) -> timedelta:
    """Return how long telemetry takes to be itself again: 15 minutes, or 15 steps where that is less."""
    return min(SETTLE, SETTLE_STEPS * step)


def within(window: Span, excluded: Iterable[ExcludedWindow]) -> tuple[ExcludedWindow, ...]:
    """Return the spans that touch ``window``, in order of time."""
    return tuple(
        sorted(
            (one for one in excluded if one.start < window[1] and one.end > window[0]),
            key=lambda one: (one.start, one.end, one.service or "", one.reason),
        )
    )


def without(series: pd.Series, service: str, excluded: Sequence[ExcludedWindow]) -> pd.Series:
    """Return the samples of ``service`` that lie in no excluded span; its end no longer belongs to it."""
    import numpy as np

    kept = np.ones(len(series), dtype=bool)
    for start, end in _merged(service, excluded):
        kept &= ~np.asarray((series.index >= start) & (series.index < end))
    return series if kept.all() else series[kept]


def usable(window: Span, service: str, excluded: Sequence[ExcludedWindow]) -> timedelta:
    """Return how much of ``window`` is left for ``service``."""
    lost = timedelta(0)
    for start, end in _merged(service, excluded):
        lost += max(timedelta(0), min(end, window[1]) - max(start, window[0]))
    return window[1] - window[0] - lost


def reaching(
    end: datetime, length: timedelta, services: Iterable[str], excluded: Sequence[ExcludedWindow]
) -> Span:
    """Return the window that ends at ``end`` and leaves every service ``length`` of usable time.

    It never reaches back further than ``LONGEST_REACH`` times ``length``: with less the baseline may be too
    short, which is then said of it.
    """
    start, earliest = end - length, end - LONGEST_REACH * length
    for service in services:
        while (missing := length - usable((start, end), service, excluded)) > timedelta(0):
            if start == earliest:
                break
            start = max(earliest, start - missing)
    return start, end


def _merged(service: str, excluded: Iterable[ExcludedWindow]) -> list[Span]:
    """Return the spans that hold for a service, with those that overlap made one."""
    spans = sorted((one.start, one.end) for one in excluded if one.service in (None, service))
    merged: list[Span] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged
