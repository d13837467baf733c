"""What counts alone say should change; whether a change is any good shows only a back-test."""

from __future__ import annotations

from typing import NamedTuple

from release_watch.assurance.correlation import AlertQuality, Correlation
from release_watch.assurance.proportion import in_words
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
    """Return GO if alerts and incidents agree, WARN for each proposal, INCONCLUSIVE without review.

    What of the history is not known is a WARN, too: nothing was found there because nobody could look.
    """
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
    paging = correlation.report.paging
    if paging.heavy_shifts:
        reason = f"{paging.heavy_shifts} shifts had too many pages, {paging.busiest} in the busiest"
        found.append(Objective(name="pages per shift", verdict=Verdict.WARN, reason=reason))
    found += [
        Objective(name="history of alerts", verdict=Verdict.WARN, reason=note)
        for note in correlation.report.notes
    ]
    return Decision.over([agreed, *found])


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
