"""Alerts against incidents: which alert told of one, which cried wolf, which incident nobody was told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Window
from release_watch.assurance.alerts import AlertInterval, alert_intervals
from release_watch.assurance.proportion import Proportion
from release_watch.clock import Timestamp
from release_watch.response.tickets import Incident
from release_watch.verdict import Verdict

__all__ = [
    "RULES",
    "AlertInterval",
    "AlertQuality",
    "Correlation",
    "Incident",
    "alert_intervals",
    "correlate",
]

LEAD = timedelta(minutes=30)
"""An alert that ended at most this long before the ticket was opened still counts as having told of it."""
FLAP_WITHIN = timedelta(hours=1)
FLAPPING_FROM = 3
FEWEST_FIRINGS = 3
"""An alert that fired less often than this is not called noisy: too little to judge it by."""
NOISY_BELOW = 0.5

RULES = (
    "an alert and an incident belong together if they name the same service",
    "and the alert fired at some time from 30 minutes before the ticket was opened until it was closed",
    "drills do not count; without a ticket tracker no alert was reviewed and nothing is counted as false",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class AlertQuality(_Part):
    """How one alert of one service did. ``flaps``: it came back within an hour of its end."""

    alert: str
    service: str
    severity: str
    firings: int
    true_positives: int | None
    precision: Proportion | None
    flaps: int

    @property
    def noisy(self) -> bool:
        """Whether most of its firings belonged to no incident."""
        enough = self.precision is not None and self.firings >= FEWEST_FIRINGS
        return enough and self.precision is not None and self.precision.share < NOISY_BELOW

    @property
    def flapping(self) -> bool:
        """Whether it keeps coming back."""
        return self.flaps >= FLAPPING_FROM


class MissedIncident(_Part):
    """An incident that no alert told of."""

    ref: str
    service: str
    title: str
    opened_at: Timestamp


class Correlation(_Part):
    """Alerts of a window against its incidents.

    ``reviewed`` is False where no ticket tracker could be asked, with the reason; then nothing is known
    of precision, recall and missed incidents. ``detection_seconds`` is the median time by which the first
    alert came before (negative: after) the ticket.
    """

    window: Window
    reviewed: bool
    reason: str
    alerts: tuple[AlertQuality, ...]
    incidents: int
    missed: tuple[MissedIncident, ...]
    precision: Proportion | None
    recall: Proportion | None
    detection_seconds: float | None

    @property
    def firings(self) -> int:
        """How often alerts fired in all."""
        return sum(alert.firings for alert in self.alerts)

    @property
    def verdict(self) -> Verdict:
        """GO if alerts and incidents agree, WARN where something is to be tuned, INCONCLUSIVE unreviewed."""
        if not self.reviewed:
            return Verdict.INCONCLUSIVE
        return Verdict.WARN if self.missed or any(a.noisy or a.flapping for a in self.alerts) else Verdict.GO


def correlate(
    alerts: Sequence[AlertInterval],
    incidents: Sequence[Incident] | None,
    *,
    window: tuple[datetime, datetime],
    problem: str | None = None,
) -> Correlation:
    """Return how ``alerts`` and ``incidents`` of ``window`` (start, end) agree, by :data:`RULES`.

    ``incidents`` None means that nobody could be asked, because of ``problem``; an empty list means that
    there were none.
    """
    span = Window(start=window[0], end=window[1])
    known = None if incidents is None else [i for i in incidents if _within(i, span)]
    missed = [i for i in known or () if not any(_together(a, i, span) for a in alerts)]
    told = [i for i in known or () if i not in missed]
    true = None if known is None else sum(1 for a in alerts if any(_together(a, i, span) for i in known))
    return Correlation(
        window=span,
        reviewed=known is not None,
        reason=problem or "every alert was held against the incidents of the ticket tracker",
        alerts=tuple(_quality(alerts, known, span)),
        incidents=len(known or ()),
        missed=tuple(
            MissedIncident(ref=i.url or i.id, service=i.service or "", title=i.title, opened_at=i.opened_at)
            for i in missed
        ),
        precision=None if true is None else Proportion.of(true, len(alerts)),
        recall=None if known is None else Proportion.of(len(told), len(known)),
        detection_seconds=_detection(alerts, told, span),
    )


def _quality(
    alerts: Sequence[AlertInterval], incidents: Sequence[Incident] | None, window: Window
) -> Iterator[AlertQuality]:
    kinds: dict[tuple[str, str, str], list[AlertInterval]] = {}
    for interval in alerts:
        kinds.setdefault((interval.alert, interval.service, interval.severity), []).append(interval)
    for (alert, service, severity), intervals in sorted(kinds.items()):
        true = None
        if incidents is not None:
            true = sum(1 for a in intervals if any(_together(a, i, window) for i in incidents))
        yield AlertQuality(
            alert=alert,
            service=service,
            severity=severity,
            firings=len(intervals),
            true_positives=true,
            precision=None if true is None else Proportion.of(true, len(intervals)),
            flaps=_flaps(intervals),
        )


def _flaps(intervals: Sequence[AlertInterval]) -> int:
    ordered = sorted(intervals, key=lambda interval: interval.start)
    pairs = pairwise(ordered)
    return sum(1 for before, after in pairs if after.start - before.end <= FLAP_WITHIN)


def _within(incident: Incident, window: Window) -> bool:
    return incident.opened_at <= window.end and (incident.closed_at or window.end) >= window.start


def _together(alert: AlertInterval, incident: Incident, window: Window) -> bool:
    if alert.service != incident.service:
        return False
    until = incident.closed_at or max(window.end, incident.opened_at)
    return alert.end >= incident.opened_at - LEAD and alert.start <= until


def _detection(alerts: Sequence[AlertInterval], told: Sequence[Incident], window: Window) -> float | None:
    leads = [
        (incident.opened_at - min(a.start for a in alerts if _together(a, incident, window))).total_seconds()
        for incident in told
    ]
    return median(leads) if leads else None
