"""``monitoring-requirements.md``: what the release needs watched, each line traced to its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.clock import rfc3339
from release_watch.evidence.account import UNREAD, Passage, spans
from release_watch.evidence.components import risky_components, unplaced_risks
from release_watch.evidence.models import Evidence, Extracted, Prerequisite
from release_watch.markdown import render
from release_watch.release import Release

MOST_LINES = 300
"""Of one document that was not understood, shown with their words; the rest by their numbers."""
_RED = (
    ("error ratio", "share of requests answered with a server error"),
    ("latency p95", "seconds within which 95 % of requests are answered"),
    ("throughput", "requests per second"),
    ("availability", "share of successful synthetic checks"),
)


def requirements_markdown(
    release: Release,
    config: Config,
    evidence: Evidence,
    prerequisites: Sequence[Prerequisite],
    generated_at: datetime,
) -> str:
    """Return the document: KPIs, SLOs, risky components, endpoints, dependencies, baselines, prerequisites.

    Text from the evidence is escaped. At the end stands what was made of every part of every document.
    """
    services = config.catalog.select(release.services)
    return render(
        "release_watch.evidence",
        "monitoring-requirements.md.j2",
        release=release,
        generated_at=generated_at,
        deployed_at=rfc3339(release.deployed_at),
        kpis=_kpis(services, evidence),
        slos=[_slo_row(slo) for slo in config.slos_of(release.services)],
        without_slo=_without_slo(services, config.slos),
        evidence=evidence,
        endpoints=[e for e in evidence.new_endpoints if e.service in release.services],
        components=risky_components(services, evidence),
        unplaced=unplaced_risks(evidence, release.services),
        dependencies=_dependency_rows(services, evidence),
        libraries=[(one.service, one.text, one.source) for one in evidence.libraries],
        outside=_outside(release, evidence),
        prerequisites=prerequisites,
        accounts=[(account, account.merged(), _shown(account.unread())) for account in evidence.accounts],
    )


def _kpis(services: Iterable[Service], evidence: Evidence) -> list[tuple[str, str, str, str]]:
    rows = []
    for service in services:
        rows += [(service.name, name, meaning, "services.yaml") for name, meaning in _RED]
        rows += [
            (
                service.name,
                metric.name,
                f"{metric.unit}; worse when it goes {metric.direction}",
                "services.yaml",
            )
            for metric in service.business_metrics
        ]
        rows += [
            (
                service.name,
                f"requests to {endpoint}",
                "rate, errors and latency of the new endpoint",
                endpoint.source,
            )
            for endpoint in evidence.new_endpoints
            if endpoint.service == service.name
        ]
    return rows


def _slo_row(slo: Slo) -> tuple[str, ...]:
    threshold = f" within {slo.threshold_seconds} s" if slo.threshold_seconds is not None else ""
    objective = f"{(slo.objective * 100).normalize():f} %{threshold} over {slo.window_days} days"
    return (slo.service, slo.name, objective, slo.description)


def _without_slo(services: Iterable[Service], slos: Iterable[Slo]) -> list[str]:
    covered = {slo.service for slo in slos}
    return [service.name for service in services if service.name not in covered]


def _dependency_rows(services: Iterable[Service], evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """Return each dependency of the evidence or the catalogue, and whether the two agree."""
    known = {(s.name, called) for s in services for called in s.dependencies}
    reported = {(d.service, d.on): d for d in evidence.dependencies}
    rows = []
    for pair in sorted(known | set(reported)):
        found = reported.get(pair)
        source = found.source if found else "services.yaml"
        rows.append((*pair, _agreement(pair in known, found.change if found else None), source))
    return rows


def _agreement(known: bool, change: str | None) -> str:
    if change is None:
        return "in the service catalogue; the report does not name it"
    if change == "removed":
        return "REMOVED: take it out of the service catalogue" if known else "removed"
    if not known:
        return "NEW: not in the service catalogue, or no service of ours"
    return (
        "new in this release, and in the service catalogue"
        if change == "added"
        else "as in the service catalogue"
    )


def _outside(release: Release, evidence: Evidence) -> list[tuple[str, str, str]]:
    """Return what the documents say of services that are not of the release."""
    items: list[tuple[str | None, str, Extracted]] = [
        *((e.service, f"new endpoint {e}", e) for e in evidence.new_endpoints),
        *((r.service, f"risk: {r.text}", r) for r in evidence.risks),
        *((f.service, f"audit finding ({f.severity}): {f.title}", f) for f in evidence.findings),
        *((b.service, f"baseline {b.metric}: {b.value:g} {b.unit}", b) for b in evidence.baselines),
        *((o.service, f"observability configuration: {', '.join(o.signals)}", o) for o in evidence.observed),
    ]
    return [
        (service, words, item.source)
        for service, words, item in items
        if service is not None and service not in release.services
    ]


def _shown(unread: Sequence[Passage]) -> list[tuple[str, str, str]]:
    """Return the lines that were not understood with their words; those beyond the limit as ranges."""
    rows = [(passage.lines, passage.understood_as, passage.words) for passage in unread[:MOST_LINES]]
    for kind in sorted(UNREAD):
        rest = spans((p.first, p.last) for p in unread[MOST_LINES:] if p.understood_as == kind)
        rows += [(", ".join(rest), kind, "")] if rest else []
    return rows
