"""``monitoring-requirements.md``: what the release needs watched, each line traced to its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.clock import rfc3339
from release_watch.evidence.models import Evidence, Prerequisite, Risk
from release_watch.markdown import render
from release_watch.release import Release

_RED = (
    ("error ratio", "share of requests answered with a server error"),
    ("latency p95", "seconds within which 95 % of requests are answered"),
    ("throughput", "requests per second"),
    ("availability", "share of successful synthetic checks"),
)


class Component(NamedTuple):
    """A service with everything that makes it risky, and where each reason stands."""

    service: str
    tier: str
    owner: str
    reasons: tuple[tuple[str, str], ...]


def requirements_markdown(
    release: Release,
    config: Config,
    evidence: Evidence,
    prerequisites: Sequence[Prerequisite],
    generated_at: datetime,
) -> str:
    """Return the document: KPIs, SLOs, new endpoints, risky components, dependencies, prerequisites.

    Text from the evidence is escaped; what was not understood of it is listed at the end.
    """
    services = config.catalog.select(release.services)
    return render(
        "release_watch.evidence",
        "monitoring-requirements.md.j2",
        release=release,
        generated_at=generated_at,
        deployed_at=rfc3339(release.deployed_at),
        services=services,
        kpis=_kpis(services),
        slos=[_slo_row(slo) for slo in config.slos_of(release.services)],
        without_slo=_without_slo(services, config.slos),
        evidence=evidence,
        components=risky_components(services, evidence),
        unplaced=unplaced_risks(evidence),
        dependencies=_dependency_rows(services, evidence),
        prerequisites=prerequisites,
    )


def risky_components(services: Iterable[Service], evidence: Evidence) -> tuple[Component, ...]:
    """Return the services that the evidence gives a reason to watch closely, with the most reasons first."""
    components = []
    for service in services:
        reasons = [(risk.text, risk.source) for risk in evidence.risks if risk.service == service.name]
        reasons += [
            (f"new endpoint {endpoint}", endpoint.source)
            for endpoint in evidence.new_endpoints
            if endpoint.service == service.name
        ]
        reasons += [
            (f"audit finding ({finding.severity}): {finding.title}", finding.source)
            for finding in evidence.findings
            if finding.service == service.name
        ]
        if reasons:
            components.append(Component(service.name, service.tier, service.owner, tuple(reasons)))
    return tuple(sorted(components, key=lambda component: -len(component.reasons)))


def unplaced_risks(evidence: Evidence) -> tuple[Risk, ...]:
    """Return the risks that name no service of the release."""
    return tuple(risk for risk in evidence.risks if risk.service is None)


def _kpis(services: Iterable[Service]) -> list[tuple[str, str, str]]:
    rows = []
    for service in services:
        rows += [(service.name, name, meaning) for name, meaning in _RED]
        rows += [
            (service.name, metric.name, f"{metric.unit}; worse when it goes {metric.direction}")
            for metric in service.business_metrics
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
    reported = {(d.service, d.on): d.source for d in evidence.dependencies}
    rows = []
    for pair in sorted(known | set(reported)):
        if pair not in known:
            words = "not in the service catalogue: new, or no service of ours"
        elif pair in reported:
            words = "as in the service catalogue"
        else:
            words = "in the service catalogue; the report does not name it"
        rows.append((*pair, words, reported.get(pair, "services.yaml")))
    return rows
