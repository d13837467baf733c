"""Findings: what is worse since the release, followed from review to review under stable ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.clock import rfc3339
from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement, State
from release_watch.verdict import Objective, Verdict
from release_watch.watch.sightings import Heard

if TYPE_CHECKING:
    from release_watch.telemetry.prometheus_api import ActiveAlert
    from release_watch.watch.sightings import Sighting

ALERT_PREFIX = "alert:"
LOG_PREFIX = "log:"
TOLD_ELSEWHERE = (ALERT_PREFIX, LOG_PREFIX, "budget:", "trace_error_ratio")
"""Metrics of findings that the judge says nothing about."""

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_GRAVITY = [Severity.MINOR, Severity.MAJOR, Severity.CRITICAL]


NOTHING_HEARD = Heard()


def update_findings(
    previous: Sequence[Finding],
    judgement: ReleaseJudgement,
    alerts: Iterable[ActiveAlert] | None,
    at: datetime,
    *,
    owners: Mapping[str, str] = MappingProxyType({}),
    since: datetime | None = None,
    heard: Heard = NOTHING_HEARD,
    called: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return the findings as of ``at``, oldest first; none is ever dropped, and each keeps its id.

    A critical judgement is a critical finding, unless a dependency explains it: then, and for any other
    metric that stays worse, or is silent though it is golden, it is major; a spike that went away is a minor
    finding of its own kind. A firing page counts critical where it burns an error budget (label ``slo``) or
    the judge found something critical in its service too, else major; a ticket is minor. Alerts that fired
    before ``since``, drills, and alerts of no service are not the release's. ``heard`` is what other sources
    tell. Nothing is critical where a dependency explains it, nor of the services ``called``, which are not
    part of the release. What is new in the logs of a service is told with what is critical of it.

    What is no longer seen is resolved. What could not be judged or asked this time stays as it was; without
    ``alerts`` that are all of theirs. Only findings of services in ``owners`` get an owner.
    """
    known = {finding.finding_id: finding for finding in previous}
    found = [*_of_alerts(judgement, alerts or (), at, since), *_of_sightings(heard.sightings, at)]
    seen = [
        _told_with_logs(_excused(finding, called), heard.sightings)
        for finding in (*_of_metrics(judgement, at), *(_blamed(finding, judgement) for finding in found))
    ]
    current = {finding.finding_id: finding for finding in seen}
    unheard = heard.unheard | ({("", ALERT_PREFIX)} if alerts is None else set())
    judged = {_id(*j.spec.key): j.state for j in judgement.judgements}
    merged = [_merged(known.get(finding.finding_id), finding, owners) for finding in current.values()]
    gone = [
        finding if _untold(finding, judged, unheard) else _gone(finding, at)
        for finding in known.values()
        if finding.finding_id not in current
    ]
    return tuple(sorted((*merged, *gone), key=lambda finding: (finding.first_seen, finding.finding_id)))


def _untold(finding: Finding, judged: Mapping[str, State], unheard: Collection[tuple[str, str]]) -> bool:
    """Whether nobody could tell this time how the finding stands."""
    mine = (kind for service, kind in unheard if service in ("", finding.service))
    if any(finding.metric.startswith(kind) for kind in mine):
        return True
    if any(finding.metric.startswith(kind) for kind in TOLD_ELSEWHERE):
        return False
    return judged.get(finding.finding_id, State.UNKNOWN) is State.UNKNOWN


def _of_sightings(sightings: Iterable[Sighting], at: datetime) -> Iterable[Finding]:
    for one in sightings:
        yield Finding(
            finding_id=_id(one.service, one.metric),
            service=one.service,
            metric=one.metric,
            severity=one.severity,
            first_seen=one.first_seen,
            last_seen=at,
            state=FindingState.OPEN,
            reason=one.reason,
            evidence=(one.objective,),
        )


def _blamed(finding: Finding, judgement: ReleaseJudgement) -> Finding:
    """Return a critical finding as a major one where a dependency explains what is worse in its service."""
    cause = judgement.explained.get(finding.service)
    if cause is None or finding.severity is not Severity.CRITICAL:
        return finding
    reason = f"{finding.reason}; its dependency {cause} is worse too"
    return finding.model_copy(update={"severity": Severity.MAJOR, "reason": reason})


def _told_with_logs(finding: Finding, sightings: Iterable[Sighting]) -> Finding:
    """Return a critical finding with the most frequent new error of its service: often it is the cause."""
    told = (one for one in sightings if one.service == finding.service and one.metric.startswith(LOG_PREFIX))
    log = next(told, None) if finding.severity is Severity.CRITICAL else None
    if log is None:
        return finding
    reason = f"{finding.reason}; {log.reason}"
    return finding.model_copy(update={"reason": reason, "evidence": (*finding.evidence, log.objective)})


def _excused(finding: Finding, called: Collection[str]) -> Finding:
    if finding.service not in called:
        return finding
    severity = min(finding.severity, Severity.MAJOR, key=_GRAVITY.index)
    reason = f"{finding.reason}; {finding.service} is called by this release and not part of it"
    return finding.model_copy(update={"severity": severity, "reason": reason})


def open_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return those that are still there, the gravest first."""
    still = (finding for finding in findings if finding.state is FindingState.OPEN)
    return tuple(sorted(still, key=lambda finding: -_GRAVITY.index(finding.severity)))


def _of_metrics(judgement: ReleaseJudgement, at: datetime) -> Iterable[Finding]:
    for metric in judgement.judgements:
        if metric.verdict is Verdict.GO or (metric.state is State.UNKNOWN and not _silent(metric)):
            continue
        cause = judgement.explained.get(metric.spec.service) if metric.failed else None
        yield Finding(
            finding_id=_id(metric.spec.service, metric.spec.metric),
            service=metric.spec.service,
            metric=metric.spec.metric,
            severity=_severity(metric, metric in judgement.critical, cause),
            first_seen=metric.started_at or at,
            last_seen=at,
            state=FindingState.TRANSIENT if metric.state is State.TRANSIENT else FindingState.OPEN,
            reason=metric.reason + (f"; its dependency {cause} is worse too" if cause else ""),
            evidence=(metric.objective(),),
        )


def _silent(metric: MetricJudgement) -> bool:
    """Whether a golden metric of the new version has no data at all, which is a finding by itself."""
    return metric.spec.golden and metric.verdict is Verdict.INCONCLUSIVE and metric.samples == 0


def _severity(metric: MetricJudgement, critical: bool, cause: str | None) -> Severity:
    if metric.state is State.TRANSIENT:
        return Severity.MINOR
    return Severity.CRITICAL if critical and cause is None else Severity.MAJOR


def _of_alerts(
    judgement: ReleaseJudgement, alerts: Iterable[ActiveAlert], at: datetime, since: datetime | None
) -> Iterable[Finding]:
    worse = {metric.spec.service for metric in judgement.critical}
    judged = {metric.spec.service for metric in judgement.judgements}
    for alert in alerts:
        service = alert.labels.get("service", "")
        drilled = "drill" in alert.labels or "drill_id" in alert.labels
        early = since is not None and alert.active_at < since
        if alert.state != "firing" or drilled or early or service not in judged:
            continue
        name = alert.labels.get("alertname", "unnamed")
        metric = ALERT_PREFIX + name + (f":{alert.labels['slo']}" if "slo" in alert.labels else "")
        words = alert.annotations.get("summary") or alert.annotations.get("description") or "no summary"
        yield Finding(
            finding_id=_id(service, metric),
            service=service,
            metric=metric,
            severity=_alert_severity(alert.labels, service in worse),
            first_seen=alert.active_at,
            last_seen=at,
            state=FindingState.OPEN,
            reason=f"alert {name} has been active since {rfc3339(alert.active_at)}: {words}",
            evidence=(
                Objective(
                    name=f"{service} {metric}",
                    verdict=Verdict.NO_GO,
                    reason=words,
                    value=f"{alert.value:.4g}",
                ),
            ),
        )


def _alert_severity(labels: Mapping[str, str], corroborated: bool) -> Severity:
    if labels.get("severity") not in ("page", "critical"):
        return Severity.MINOR
    return Severity.CRITICAL if "slo" in labels or corroborated else Severity.MAJOR


def _merged(known: Finding | None, seen: Finding, owners: Mapping[str, str]) -> Finding:
    """Return what is seen now with what is known of it: first sight, actions, gravest severity if open."""
    owner = owners.get(seen.service) or (known.owner if known else None)
    if known is None:
        return seen.model_copy(update={"owner": owner})
    update: dict[str, object] = {
        "owner": owner,
        "actions": known.actions,
        "plot": known.plot,
        "first_seen": min(known.first_seen, seen.first_seen),
    }
    if known.state is FindingState.OPEN and seen.state is FindingState.OPEN:
        update["severity"] = max(known.severity, seen.severity, key=_GRAVITY.index)
    elif known.state is FindingState.OPEN:
        # It was taken for lasting and was not: closed, but as grave as it was.
        update |= {"state": FindingState.RESOLVED, "severity": known.severity}
    elif known.state is FindingState.RESOLVED and seen.state is FindingState.TRANSIENT:
        update |= {
            "state": FindingState.RESOLVED,
            "severity": known.severity,
            "last_seen": known.last_seen,
            "reason": known.reason,
            "evidence": known.evidence,
        }
    return seen.model_copy(update=update)


def _gone(finding: Finding, at: datetime) -> Finding:
    if finding.state is not FindingState.OPEN:
        return finding
    return finding.model_copy(
        update={
            "state": FindingState.RESOLVED,
            "actions": (*finding.actions, f"{rfc3339(at)} resolved: back within its limits"),
        }
    )


def _id(service: str, metric: str) -> str:
    """Return the same id for the same thing at every review; unique within a release."""
    return f"{service}-{_NOT_IN_AN_ID.sub('-', metric)}"[:120]
