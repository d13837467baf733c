"""Puts the scorecard together from the artifacts of a release and from Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import (
    AlertTestResults,
    DrillResult,
    FindingState,
    InstrumentationAudit,
    MonitoringResults,
)
from release_watch.assurance.attainment import Attainment, attainment_over, moments_of
from release_watch.assurance.backlog import BacklogItem
from release_watch.assurance.correlation import Correlation
from release_watch.assurance.scorecard.headline import headline
from release_watch.assurance.scorecard.model import (
    BacklogLine,
    BudgetPoint,
    CoverageLine,
    DriftCount,
    DrillLine,
    PagingLine,
    Risk,
    Scorecard,
    SloLine,
)
from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.drills.passage import needs_answer
from release_watch.release import Release
from release_watch.telemetry.backends import Backends


class Sources(BaseModel):
    """What the scorecard is made of; None where it was not made."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    audit: InstrumentationAudit | None = None
    results: AlertTestResults | None = None
    monitoring: MonitoringResults | None = None
    correlation: Correlation | None = None
    drift: DriftCount | None = None
    backlog: tuple[BacklogItem, ...] = ()


def scorecard(
    release: Release, config: Config, sources: Sources, slos: Sequence[SloLine], at: datetime
) -> Scorecard:
    """Return the scorecard of ``release``, with those of ``slos`` that are of its services."""
    results, correlation = sources.results, sources.correlation
    card = Scorecard(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        version=release.version,
        services=release.services,
        numbers=(),
        slos=tuple(line for line in slos if line.service in release.services),
        coverage=_coverage(sources.audit),
        precision=correlation.precision if correlation else None,
        recall=correlation.recall if correlation else None,
        paging=_paging(correlation),
        times=correlation.report.times if correlation else None,
        not_acted_on=_not_acted_on(correlation),
        reviewed=correlation.reason if correlation else "the correlation was not run",
        drills=tuple(_drill(drill) for drill in (results.drills if results else ())),
        drift=sources.drift,
        risks=_risks(sources.monitoring),
        waivers=tuple(w for w in config.waivers if w.service is None or w.service in release.services),
        backlog=tuple(
            BacklogLine(item_id=item.item_id, priority=item.priority, title=item.title, owner=item.owner)
            for item in sources.backlog
        ),
    )
    known = {
        "audit": sources.audit is not None,
        "results": results is not None,
        "monitoring": sources.monitoring is not None,
    }
    return card.model_copy(update={"numbers": headline(card, known)})


def slo_lines(
    config: Config,
    services: Sequence[Service],
    backends: Backends,
    at: datetime,
    environment: str,
    measured: Sequence[Sequence[Attainment]] | None = None,
) -> tuple[SloLine, ...]:
    """Return the SLOs of ``services`` as of ``at`` and some days before, in a few queries for all of them.

    ``measured`` is what was asked already: the attainment of the SLOs at :func:`moments_of` ``at``. A server
    that does not answer makes what depends on it unknown and hides nothing else.
    """
    moments = moments_of(at)
    if measured is None:
        measured = attainment_over(config.slos, services, backends, moments, environment)
    return tuple(
        SloLine(
            **line[-1].model_dump(),
            trend=tuple(
                BudgetPoint(at=moment, budget_left=point.budget_left)
                for moment, point in zip(moments, line, strict=True)
            ),
        )
        for line in _lines(measured)
    )


def _lines(measured: Sequence[Sequence[Attainment]]) -> list[tuple[Attainment, ...]]:
    """Return the attainments of each SLO over time, from those of all SLOs at each moment."""
    return list(zip(*measured, strict=True))


def _coverage(audit: InstrumentationAudit | None) -> tuple[CoverageLine, ...]:
    return tuple(
        CoverageLine(
            service=service.service,
            tier=service.tier,
            score=service.score,
            signals={signal: found.status for signal, found in service.signals.items()},
        )
        for service in (audit.services if audit else ())
    )


def _paging(correlation: Correlation | None) -> PagingLine | None:
    if correlation is None:
        return None
    paging = correlation.report.paging
    return PagingLine(
        pages=paging.pages,
        night_pages=paging.night_pages,
        per_shift=paging.pages_per_shift,
        silences_known=correlation.report.silences_known,
    )


def _not_acted_on(correlation: Correlation | None) -> int | None:
    """Return the firings of which no ticket tells; None where no ticket could be asked for."""
    if correlation is None or not correlation.reviewed:
        return None
    return sum(alert.not_acted_on or 0 for alert in correlation.report.alerts)


def _drill(drill: DrillResult) -> DrillLine:
    return DrillLine(
        service=drill.service,
        severity=drill.severity,
        receiver=drill.receiver,
        delivered_seconds=drill.hops.delivered.latency,
        acknowledged_seconds=drill.hops.acknowledged.latency,
        answer_needed=needs_answer(drill),
        target_seconds=drill.target_seconds,
        verdict=drill.verdict,
    )


def _risks(monitoring: MonitoringResults | None) -> tuple[Risk, ...]:
    return tuple(
        Risk(
            finding_id=found.finding_id,
            severity=found.severity,
            service=found.service,
            metric=found.metric,
            reason=found.reason,
            owner=found.owner,
        )
        for found in (monitoring.findings if monitoring else ())
        if found.state is FindingState.OPEN
    )
