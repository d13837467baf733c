"""Firings and tickets at minutes of a day, to be held against each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.response.incidents import Incident

START = datetime(2026, 11, 2, tzinfo=UTC)
WINDOW = (START, START + timedelta(days=1))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def fired(
    start: float, end: float, alert: str = "Errors", service: str = "checkout", **more: Any
) -> AlertInterval:
    return AlertInterval(alert, service, more.pop("severity", "page"), at(start), at(end), **more)


def ticket(
    opened: float, closed: float | None, service: str | None = "checkout", ref: str = "1", **more: Any
) -> Incident:
    times = {name: at(more.pop(name)) for name in ("began_at", "ended_at", "acknowledged_at") if name in more}
    if "verdict" in more:
        more["labels"] = (more.pop("verdict"),)
    return Incident(
        ref, "", "orders fail", service, at(opened), None if closed is None else at(closed), **times, **more
    )
