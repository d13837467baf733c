"""Alerts against incidents, as the run, the night and tuning read it: all out of one alert report."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Window
from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality.models import AlertMeasures, AlertReport
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class AlertQuality(_Part):
    """How one alert of one service did; ``firings`` are those that were not excluded."""

    alert: str
    service: str
    severity: str
    firings: int
    true_positives: int | None
    precision: Proportion | None
    flaps: int
    noisy: bool
    flapping: bool


class MissedIncident(_Part):
    """An incident that no alert told of."""

    ref: str
    service: str
    title: str
    opened_at: Timestamp


class Correlation(_Part):
    """What follows from an alert report for tuning, backlog and scorecard; nothing is counted anew.

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
    report: AlertReport

    @property
    def firings(self) -> int:
        """How often alerts fired in all."""
        return sum(alert.firings for alert in self.alerts)

    @property
    def verdict(self) -> Verdict:
        """GO if alerts and incidents agree, WARN where something is to be tuned, INCONCLUSIVE unreviewed."""
        return self.report.verdict


def correlation_of(report: AlertReport) -> Correlation:
    """Return what follows from ``report``."""
    return Correlation(
        window=report.window,
        reviewed=report.reviewed,
        reason=report.reason,
        alerts=tuple(_quality(one, reviewed=report.reviewed) for one in report.alerts if _counts(one)),
        missed=tuple(
            MissedIncident(ref=one.ref, service=one.service, title=one.title, opened_at=one.opened_at)
            for one in report.missed
        ),
        incidents=len(report.incidents),
        precision=report.tally.precision if report.reviewed else None,
        recall=report.caught.recall if report.caught else None,
        detection_seconds=report.times.lead.median if report.times.lead else None,
        report=report,
    )


def _counts(alert: AlertMeasures) -> bool:
    return alert.tally.firings > alert.tally.excluded


def _quality(alert: AlertMeasures, *, reviewed: bool) -> AlertQuality:
    return AlertQuality(
        alert=alert.alert,
        service=alert.service,
        severity=alert.severity,
        firings=alert.tally.firings - alert.tally.excluded,
        true_positives=alert.tally.true_positives if reviewed else None,
        precision=alert.tally.precision if reviewed else None,
        flaps=alert.flaps,
        noisy=alert.noisy,
        flapping=alert.flapping,
    )
