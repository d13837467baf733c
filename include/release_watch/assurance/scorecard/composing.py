"""The observability scorecard: one page for a lead, each number with the query or artifact behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import (
    AlertTestResults,
    DrillResult,
    Finding,
    FindingState,
    InstrumentationAudit,
    MonitoringResults,
    ServiceAudit,
    Signal,
)
from release_watch.assurance.attainment import Attainment, attainment
from release_watch.assurance.backlog import BacklogItem
from release_watch.assurance.correlation import Correlation
from release_watch.assurance.proportion import in_words
from release_watch.catalog.config import Config
from release_watch.clock import Timestamp
from release_watch.drills.passage import needs_answer
from release_watch.markdown import code, render
from release_watch.release import Release
from release_watch.telemetry.backends import Backends

UNKNOWN = "unknown"


class Waiver(BaseModel):
    """A gap that a named person accepted until a day."""

    model_config = ConfigDict(frozen=True)

    subject: str
    granted_by: str
    reason: str
    expires_at: Timestamp


def scorecard_markdown(
    release: Release,
    config: Config,
    audit: InstrumentationAudit | None,
    results: AlertTestResults | None,
    monitoring: MonitoringResults | None,
    correlation: Correlation | None,
    backends: Backends,
    at: datetime,
    *,
    backlog: Sequence[BacklogItem] = (),
    waivers: Sequence[Waiver] = (),
) -> str:
    """Return ``observability-scorecard.md``; what is not known is called unknown, never left out.

    SLO attainment is asked from Prometheus as of ``at``; all else comes from the artifacts given.
    ``backlog`` are the open items of the improvement backlog.

    Raises:
        InvalidInputError: if the catalogue does not know a service of the release.
    """
    services = config.catalog.select(release.services)
    attainments = attainment(config.slos, services, backends, at, environment=release.environment)
    open_findings = _open(monitoring)
    risks = UNKNOWN if monitoring is None else len(open_findings)
    return render(
        "release_watch.assurance",
        "observability-scorecard.md.j2",
        release=release,
        at=at,
        headline=_headline(attainments, audit, results, correlation, risks, len(backlog)),
        attainments=[_attainment_row(a) for a in attainments],
        signals=[signal.value for signal in Signal],
        coverage=[_coverage_row(service) for service in (audit.services if audit else ())],
        drills=[_drill_row(drill) for drill in (results.drills if results else ())],
        precision=in_words(correlation.precision if correlation else None),
        recall=in_words(correlation.recall if correlation else None),
        reviewed=correlation.reason if correlation else "the correlation was not run",
        risks=[(f.severity.value, f.service, f.metric, f.reason, f.owner or "nobody") for f in open_findings],
        waivers=[(w.subject, w.granted_by, w.reason, w.expires_at.isoformat()) for w in waivers],
        backlog=[(item.item_id, item.priority, item.title, item.owner) for item in backlog],
    )


def _headline(
    attainments: Sequence[Attainment],
    audit: InstrumentationAudit | None,
    results: AlertTestResults | None,
    correlation: Correlation | None,
    risks: int | str,
    backlog: int,
) -> list[tuple[str, object, str]]:
    measured = [a for a in attainments if a.good_ratio is not None]
    met = sum(1 for a in measured if a.good_ratio is not None and a.good_ratio >= a.objective)
    slo = f"{met} of {len(measured)} met" if measured else UNKNOWN
    unknown = len(attainments) - len(measured)
    scores = [service.score for service in audit.services] if audit else []
    return [
        ("SLOs", slo + (f", {unknown} not measured" if unknown and measured else ""), "section SLOs"),
        ("coverage", f"{sum(scores) / len(scores):.0%}" if scores else UNKNOWN, "instrumentation-audit.json"),
        ("alert drills", results.verdict if results else UNKNOWN, "alert-test-results.json"),
        (
            "alert precision",
            in_words(correlation.precision if correlation else None),
            "alert-tuning-report.md",
        ),
        ("alert recall", in_words(correlation.recall if correlation else None), "alert-tuning-report.md"),
        ("open risks", risks, "monitoring-results.json"),
        ("backlog items", backlog, "improvement-backlog.md"),
    ]


def _attainment_row(entry: Attainment) -> tuple[Any, ...]:
    measured = entry.good_ratio is not None and entry.budget_left is not None
    return (
        entry.service,
        entry.slo,
        f"{entry.objective:.3%} over {entry.window_days} d",
        f"{entry.good_ratio:.3%}" if measured else f"{UNKNOWN}: {entry.reason}",
        f"{entry.budget_left:.1%}" if measured else UNKNOWN,
        code(entry.query),
    )


def _coverage_row(service: ServiceAudit) -> tuple[str, ...]:
    found = service.signals
    return (
        service.service,
        service.tier,
        f"{service.score:.0%}",
        *(found[signal].status.value if signal in found else "MISSING" for signal in Signal),
    )


def _drill_row(drill: DrillResult) -> tuple[str, ...]:
    def seconds(latency: float | None) -> str:
        return "never" if latency is None else f"{latency:.1f} s"

    return (
        drill.service,
        drill.severity,
        drill.receiver or "none",
        seconds(drill.hops.delivered.latency),
        seconds(drill.hops.acknowledged.latency) if needs_answer(drill) else "not needed",
        f"{drill.target_seconds:.0f} s",
        drill.verdict.value,
    )


def _open(monitoring: MonitoringResults | None) -> list[Finding]:
    return [f for f in monitoring.findings if f.state is FindingState.OPEN] if monitoring else []
