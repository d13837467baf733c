"""Alert history: when which alert of the services fired, from the ``ALERTS`` series of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from release_watch.assurance.quality.history import RESOLUTION, alert_history, firing_query
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.joining import JOINED_GAP
from release_watch.telemetry.metrics import Metrics

__all__ = ["JOINED_GAP", "AlertInterval", "alert_intervals", "history_query"]


def history_query(services: Sequence[str], environment: str | None = None) -> str:
    """Return the PromQL of the firing alerts of ``services``; drills carry ``drill="true"`` and stay out.

    With an environment, alerts that name another one stay out too.
    """
    return firing_query(services, environment)


def alert_intervals(
    metrics: Metrics,
    window: tuple[datetime, datetime],
    services: Sequence[str],
    *,
    environment: str | None = None,
    resolution: timedelta = RESOLUTION,
) -> list[AlertInterval]:
    """Return when alerts of ``services`` fired in ``window`` (start, end), oldest first; drills do not count.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    return alert_history(metrics, window, services, environment=environment, resolution=resolution)
