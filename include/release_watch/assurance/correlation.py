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
from release_watch.assurance.quality.matching import MatchRules
from release_watch.assurance.quality.review import Judged, Review, judge_firings
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

FLAP_WITHIN = timedelta(hours=1)
FLAPPING_FROM = 3
FEWEST_FIRINGS = 3
"""An alert that fired less often than this is not called noisy: too little to judge it by."""
NOISY_BELOW = 0.5

RULES = (
    *MatchRules().in_words(),
    "drills and what was marked as such do not count; an alert that belongs to no incident was false, and "
    "without a ticket tracker no alert was reviewed and nothing is counted as false",
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
    known = [i for i in incidents or () if _within(i, span)]
    reviewed = incidents is not None
    review = judge_firings(alerts, known, until=span.end, review="tracker" if reviewed else "explicit")
    told = [bool(theirs) for theirs in review.matching.by_incident]
    return Correlation(
        window=span,
        reviewed=reviewed,
        reason=problem or "every alert was held against the incidents of the ticket tracker",
        alerts=tuple(_quality(alerts, review, reviewed=reviewed)),
        incidents=len(review.incidents),
        missed=tuple(
            MissedIncident(ref=i.url or i.id, service=i.service or "", title=i.title, opened_at=i.opened_at)
            for i, seen in zip(review.incidents, told, strict=True)
            if not seen
        ),
        precision=_precision(review.firings) if reviewed else None,
        recall=Proportion.of(sum(told), len(told)) if reviewed else None,
        detection_seconds=_detection(alerts, review),
    )


def _precision(judged: Sequence[Judged]) -> Proportion | None:
    true = judged.count(Judged.TRUE)
    return Proportion.of(true, true + judged.count(Judged.FALSE))


def _quality(alerts: Sequence[AlertInterval], review: Review, *, reviewed: bool) -> Iterator[AlertQuality]:
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for position, interval in enumerate(alerts):
        if review.firings[position] is not Judged.EXCLUDED:
            kinds.setdefault(interval[:3], []).append(position)
    for (alert, service, severity), positions in sorted(kinds.items()):
        judged = [review.firings[position] for position in positions]
        yield AlertQuality(
            alert=alert,
            service=service,
            severity=severity,
            firings=len(positions),
            true_positives=judged.count(Judged.TRUE) if reviewed else None,
            precision=_precision(judged) if reviewed else None,
            flaps=_flaps([alerts[position] for position in positions]),
        )


def _flaps(intervals: Sequence[AlertInterval]) -> int:
    ordered = sorted(intervals, key=lambda interval: interval.start)
    pairs = pairwise(ordered)
    return sum(1 for before, after in pairs if after.start - before.end <= FLAP_WITHIN)


def _within(incident: Incident, window: Window) -> bool:
    return incident.opened_at <= window.end and (incident.closed_at or window.end) >= window.start


def _detection(alerts: Sequence[AlertInterval], review: Review) -> float | None:
    leads = [
        (incident.opened_at - min(alerts[position].start for position in theirs)).total_seconds()
        for incident, theirs in zip(review.incidents, review.matching.by_incident, strict=True)
        if theirs
    ]
    return median(leads) if leads else None
