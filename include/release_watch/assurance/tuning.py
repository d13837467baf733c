"""Alert tuning: what alerts were worth, what to change, and what was changed. Nothing is tuned silently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.assurance.alerts import history_query
from release_watch.assurance.correlation import RULES, AlertQuality, Correlation
from release_watch.assurance.proportion import in_words
from release_watch.catalog.config import Config
from release_watch.catalog.slos import Slo
from release_watch.clock import in_words as duration_in_words
from release_watch.markdown import render
from release_watch.release import Release
from release_watch.slo.rulefile import from_yaml
from release_watch.verdict import Decision, Objective, Verdict


class Proposal(NamedTuple):
    """A change that a person may approve; activation and its checks apply it, never this module."""

    alert: str
    service: str
    cause: str
    change: str


def proposals(correlation: Correlation) -> tuple[Proposal, ...]:
    """Return a proposal for each noisy or flapping alert, and for each incident that no alert told of."""
    found = [p for alert in correlation.alerts for p in (_noisy(alert), _flapping(alert)) if p]
    found += [
        Proposal(
            "no alert",
            incident.service,
            f"incident {incident.ref} ({incident.title}) was seen by no alert",
            "add an SLO or a symptom alert that this incident would have fired",
        )
        for incident in correlation.missed
    ]
    return tuple(found)


def judge_tuning(correlation: Correlation) -> Decision:
    """Return GO if alerts and incidents agree, WARN for each proposal, INCONCLUSIVE without review."""
    if not correlation.reviewed:
        objective = Objective(
            name="alerts against incidents", verdict=Verdict.INCONCLUSIVE, reason=correlation.reason
        )
        return Decision.over([objective])
    found = [
        Objective(name=f"{p.service}: {p.alert}", verdict=Verdict.WARN, reason=f"{p.cause}; {p.change}")
        for p in proposals(correlation)
    ]
    agreed = Objective(
        name="alerts against incidents",
        verdict=Verdict.GO,
        reason=f"{correlation.firings} firings were held against {correlation.incidents} incidents",
        samples=correlation.firings + correlation.incidents,
    )
    return Decision.over([agreed, *found])


def tuning_report(
    release: Release,
    correlation: Correlation,
    config: Config,
    at: datetime,
    *,
    rules: Sequence[str] = (),
    adjustments: Sequence[str] = (),
) -> str:
    """Return ``alert-tuning-report.md`` of one release; see :func:`tuning_markdown`."""
    return tuning_markdown(
        correlation,
        release_id=release.release_id,
        environment=release.environment,
        services=release.services,
        config=config,
        rules=rules,
        adjustments=adjustments,
        at=at,
    )


def tuning_markdown(
    correlation: Correlation,
    *,
    release_id: str,
    environment: str,
    services: Sequence[str],
    config: Config,
    rules: Sequence[str] = (),
    adjustments: Sequence[str] = (),
    at: datetime,
) -> str:
    """Return the tuning report over ``services``: what alerts were worth, proposals, thresholds in force.

    ``rules`` are the texts of the active rule files, whose thresholds the report documents; ``adjustments``
    the changes that were made, in words, with who approved them.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    return render(
        "release_watch.assurance",
        "alert-tuning-report.md.j2",
        release_id=release_id,
        environment=environment,
        at=at,
        correlation=correlation,
        length=duration_in_words(correlation.window.end - correlation.window.start),
        verdict=correlation.verdict,
        precision=in_words(correlation.precision),
        recall=in_words(correlation.recall),
        detection=_detection(correlation.detection_seconds),
        quality=[_quality_row(alert) for alert in correlation.alerts],
        missed=[(i.ref, i.service, i.title, i.opened_at.isoformat()) for i in correlation.missed],
        proposals=proposals(correlation),
        adjustments=adjustments,
        objectives=[_slo_row(slo) for slo in config.slos_of(services)],
        thresholds=[row for text in rules for row in _threshold_rows(text)],
        matching=RULES,
        query=history_query(services, environment),
    )


def _noisy(alert: AlertQuality) -> Proposal | None:
    if not alert.noisy:
        return None
    change = "raise its minimum number of bad events or its `for`, or make it a ticket"
    if alert.severity == "page":
        change = (
            "raise its minimum number of bad events; show first that no incident of the past is lost by it"
        )
    cause = f"only {in_words(alert.precision)} of its firings belonged to an incident"
    return Proposal(alert.alert, alert.service, cause, change)


def _flapping(alert: AlertQuality) -> Proposal | None:
    if not alert.flapping:
        return None
    cause = f"came back within an hour {alert.flaps} times"
    return Proposal(alert.alert, alert.service, cause, "lengthen its short window or its `for`")


def _quality_row(alert: AlertQuality) -> tuple[object, ...]:
    true = "unknown" if alert.true_positives is None else alert.true_positives
    return (
        alert.alert,
        alert.service,
        alert.severity,
        alert.firings,
        true,
        in_words(alert.precision),
        alert.flaps,
    )


def _detection(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{abs(seconds):.0f} s {'before' if seconds >= 0 else 'after'} the ticket (median)"


def _slo_row(slo: Slo) -> tuple[str, ...]:
    latency = f"{slo.threshold_seconds} s" if slo.threshold_seconds is not None else ""
    return slo.service, slo.name, f"{slo.objective:%} over {slo.window_days} d", latency


def _threshold_rows(text: str) -> list[tuple[str, ...]]:
    return [
        (rule.name, rule.service or "", rule.labels.get("severity", ""), rule.hold or "0s", rule.expr)
        for group in from_yaml(text)
        for rule in group.alerts
    ]
