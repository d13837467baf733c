"""What is to be improved after a release: gaps, noise and slow hops, each with an owner and its evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from release_watch.artifacts.models import (
    AlertTestResults,
    CoverageStatus,
    DrillResult,
    Finding,
    FindingState,
    InstrumentationAudit,
    MonitoringResults,
    Severity,
)
from release_watch.assurance.correlation import Correlation
from release_watch.assurance.tuning.advice import proposals
from release_watch.catalog.config import Config
from release_watch.dashboards.models import DashboardActivation
from release_watch.drills.judging import is_not_drilled, not_drilled_words
from release_watch.evidence.models import AuditFinding
from release_watch.verdict import Verdict

Priority = Literal["high", "medium", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "medium", "low")
SLOW_SHARE = 0.8
"""A drill that needed more than this share of its target is worth an item although it passed."""
NOBODY = "nobody yet: name an owner in services.yaml"
RESPONSIBLE = "sre"
"""Who owns what concerns no single service."""


class BacklogItem(NamedTuple):
    """Something to improve. ``item_id`` depends on kind, service and subject alone, so it is stable.

    ``service`` is empty where all services are concerned.
    """

    item_id: str
    kind: str
    service: str
    title: str
    owner: str
    priority: Priority
    evidence: str


def backlog_items(
    audit: InstrumentationAudit | None,
    results: AlertTestResults | None,
    monitoring: MonitoringResults | None,
    correlation: Correlation | None,
    config: Config,
    *,
    audited: Sequence[AuditFinding] = (),
    dashboards: Sequence[DashboardActivation] = (),
) -> list[BacklogItem]:
    """Return what is to be improved, gravest first, each once, with the owners that the catalogue names.

    ``audited`` are the open findings of the quality audit, ``dashboards`` what became of the dashboards.
    """
    owners = {service.name: service.owner for service in config.catalog.services}
    found = [
        *_coverage(audit, owners),
        *_drills(results, owners),
        *_tuning(correlation, owners),
        *_findings(monitoring.findings if monitoring else (), owners),
        *_audited(audited, owners),
        *_dashboards(dashboards),
    ]
    return in_order(found)


def in_order(items: Sequence[BacklogItem]) -> list[BacklogItem]:
    """Return each item once, as it was given first, the gravest first."""
    unique = {item.item_id: item for item in reversed(items)}
    return sorted(unique.values(), key=lambda item: (PRIORITIES.index(item.priority), item.title))


def improvement(
    kind: str,
    service: str,
    subject: str,
    *,
    title: str,
    evidence: str,
    priority: Priority,
    owners: Mapping[str, str],
) -> BacklogItem:
    """Return an item with the id that follows from its kind, service and subject."""
    return BacklogItem(
        item_id=_item_id(kind, service, subject),
        kind=kind,
        service=service,
        title=title,
        owner=owners.get(service, NOBODY if service else RESPONSIBLE),
        priority=priority,
        evidence=evidence,
    )


def items_of_path(drill: DrillResult) -> tuple[str, ...]:
    """Return the ids of the items that there may be of the path of a drill; none if it was not made."""
    if is_not_drilled(drill):
        return ()
    return (
        _item_id("drill", drill.service, _path(drill)),
        _item_id("not_drilled", drill.service, not_drilled_words(drill).partition(": ")[0]),
    )


def _item_id(kind: str, service: str, subject: str) -> str:
    digest = hashlib.sha256("\0".join((kind, service, subject)).encode()).hexdigest()[:10]
    return f"RW-{digest}"


def _path(drill: DrillResult) -> str:
    return "/".join((drill.severity, *drill.route))


def _audited(findings: Sequence[AuditFinding], owners: Mapping[str, str]) -> Iterator[BacklogItem]:
    priorities: Mapping[str, Priority] = {"critical": "high", "high": "high", "medium": "medium"}
    for finding in findings:
        yield improvement(
            "quality-audit",
            finding.service or "",
            finding.title,
            title=f"{finding.service or 'all services'}: {finding.title}",
            evidence=f"{finding.source}: {finding.detail or finding.title}",
            priority=priorities.get(finding.severity.lower(), "low"),
            owners=owners,
        )


def _dashboards(activations: Sequence[DashboardActivation]) -> Iterator[BacklogItem]:
    missing = [activation for activation in activations if not activation.activated]
    if missing:
        yield improvement(
            "dashboards",
            "",
            "activation",
            title=f"Activate the release's {len(missing)} dashboards",
            evidence=f"dashboard-config.md: {missing[0].reason}",
            priority="medium",
            owners={},
        )


def _coverage(audit: InstrumentationAudit | None, owners: Mapping[str, str]) -> Iterator[BacklogItem]:
    for service in audit.services if audit else ():
        for signal, found in service.signals.items():
            failed = [c for c in found.checks if c.status is not CoverageStatus.PASS]
            if found.status is CoverageStatus.PASS and not failed:
                continue
            words = "; ".join(f"{c.name}: {c.observed}. {c.remedy or ''}".strip() for c in failed)
            yield improvement(
                "coverage",
                service.service,
                signal,
                title=f"Close the {signal.value} gap of {service.service}",
                evidence=f"instrumentation-audit.json: {words or found.status}",
                priority="high" if service.tier == "critical" else "medium",
                owners=owners,
            )


def _drills(results: AlertTestResults | None, owners: Mapping[str, str]) -> Iterator[BacklogItem]:
    for drill in results.drills if results else ():
        if is_not_drilled(drill) or not (problem := _drill_problem(drill)):
            continue  # what was not drilled is told by its route
        yield improvement(
            "drill",
            drill.service,
            _path(drill),
            title=f"Repair or speed up the {drill.severity} path of {drill.service}",
            evidence=f"alert-test-results.json, {drill.drill_id}: {problem}",
            priority="medium" if drill.verdict.proceeds else "high",
            owners=owners,
        )
    for route in results.not_drilled if results else ():
        subject, _, _ = route.partition(": ")  # the rest says why, with times that differ each night
        service = subject.partition(" ")[0]
        yield improvement(
            "not_drilled",
            service if service in owners else "",
            subject,
            title=f"Make this route drillable: {route}",
            evidence="alert-test-results.json: not_drilled",
            priority="medium",
            owners=owners,
        )


def _drill_problem(drill: DrillResult) -> str | None:
    if drill.verdict is not Verdict.GO:
        return drill.diagnosis or f"verdict {drill.verdict}"
    latency = drill.hops.acknowledged.latency
    if latency is not None and latency > SLOW_SHARE * drill.target_seconds:
        return f"acknowledged after {latency:.0f} s of {drill.target_seconds:.0f} s"
    return None


def _tuning(correlation: Correlation | None, owners: Mapping[str, str]) -> Iterator[BacklogItem]:
    if correlation is None:
        return
    if not correlation.reviewed:
        yield improvement(
            "incidents",
            "",
            "unreviewed",
            title="Connect the ticket tracker, so that alerts can be held against incidents",
            evidence=f"alert-tuning-report.md: {correlation.reason}",
            priority="medium",
            owners=owners,
        )
    for proposal in proposals(correlation):
        yield improvement(
            "tuning",
            proposal.service,
            f"{proposal.alert}/{proposal.cause if proposal.alert == 'no alert' else proposal.change}",
            title=f"{proposal.service}: {proposal.alert}: {proposal.change}",
            evidence=f"alert-tuning-report.md: {proposal.cause}",
            priority="high" if proposal.alert == "no alert" else "medium",
            owners=owners,
        )


def _findings(findings: Sequence[Finding], owners: Mapping[str, str]) -> Iterator[BacklogItem]:
    for finding in findings:
        if finding.state is FindingState.OPEN:
            yield improvement(
                "finding",
                finding.service,
                finding.metric,
                title=f"{finding.service}: {finding.metric} is worse since the release",
                evidence=f"monitoring-results.json, {finding.finding_id}: {finding.reason}",
                priority="medium" if finding.severity is Severity.MINOR else "high",
                owners=owners,
            )
