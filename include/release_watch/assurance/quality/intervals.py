"""A firing of an alert: when it began and ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class AlertInterval(NamedTuple):
    """One firing of an alert of a service; ``start`` and ``end`` are the first and last moment it was seen.

    ``active_at`` is since when its condition held, before ``for`` was over; None where nothing tells.
    ``copies`` is how many series, of other labels, fired in it. ``begun_before`` and ``ongoing``: it fired
    already when the window began, and still when it ended.
    """

    alert: str
    service: str
    severity: str
    start: datetime
    end: datetime
    active_at: datetime | None = None
    copies: int = 1
    begun_before: bool = False
    ongoing: bool = False


def merged(firings: Iterable[AlertInterval]) -> list[AlertInterval]:
    """Return firings of the same alert, service and severity that overlap as one, oldest first."""
    found: dict[tuple[str, str, str], list[AlertInterval]] = {}
    for firing in sorted(firings, key=_order):
        same = found.setdefault(firing[:3], [])
        if same and firing.start <= same[-1].end:
            same[-1] = _together(same[-1], firing)
        else:
            same.append(firing)
    return sorted((one for same in found.values() for one in same), key=_order)


def _together(earlier: AlertInterval, later: AlertInterval) -> AlertInterval:
    since = [one.active_at for one in (earlier, later) if one.active_at is not None]
    return earlier._replace(
        end=max(earlier.end, later.end),
        active_at=min(since, default=None),
        copies=earlier.copies + later.copies,
        begun_before=earlier.begun_before or later.begun_before,
        ongoing=earlier.ongoing or later.ongoing,
    )


def _order(firing: AlertInterval) -> tuple[datetime, str, str, str]:
    return firing.start, firing.alert, firing.service, firing.severity
