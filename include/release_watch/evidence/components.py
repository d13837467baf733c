"""The risky components of a release: each service with the reasons to watch it, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from release_watch.catalog.models import Service
from release_watch.evidence.models import Evidence, Risk

WEIGHTS = {"critical": 10, "high": 6, "medium": 3, "low": 1, "unknown": 2}
"""Of a risk or an audit finding by its severity; our own scale: one critical outweighs three medium ones."""
NEW_ENDPOINT = 3
NEW_DEPENDENCY = 3
LIBRARY_CHANGE = 2
CRITICAL_FACTOR = 2
"""What goes wrong in a critical service concerns users twice as much."""


class Reason(NamedTuple):
    """Why a service is risky, how much that weighs, and where it stands."""

    text: str
    weight: int
    source: str


class Component(NamedTuple):
    """A service with everything that makes it risky."""

    service: str
    tier: str
    owner: str
    weight: int
    reasons: tuple[Reason, ...]


def risky_components(services: Iterable[Service], evidence: Evidence) -> tuple[Component, ...]:
    """Return the services that the evidence gives a reason to watch closely, the heaviest first.

    The weight of a service is the sum of its reasons', doubled for a critical one.
    """
    components = []
    for service in services:
        reasons = sorted(_reasons(service, evidence), key=lambda reason: -reason.weight)
        factor = CRITICAL_FACTOR if service.critical else 1
        weight = factor * sum(reason.weight for reason in reasons)
        if reasons:
            components.append(Component(service.name, service.tier, service.owner, weight, tuple(reasons)))
    return tuple(sorted(components, key=lambda component: (-component.weight, component.service)))


def unplaced_risks(evidence: Evidence, services: Sequence[str]) -> tuple[Risk, ...]:
    """Return the risks that name no service of the release."""
    return tuple(risk for risk in evidence.risks if risk.service not in services)


def _reasons(service: Service, evidence: Evidence) -> Iterator[Reason]:
    yield from (
        Reason(f"{_grave(r.severity)}{r.text}", WEIGHTS[r.severity], r.source)
        for r in evidence.risks
        if r.service == service.name
    )
    yield from (
        Reason(f"new endpoint {e}", NEW_ENDPOINT, e.source)
        for e in evidence.new_endpoints
        if e.service == service.name
    )
    yield from _changed_calls(service, evidence)
    yield from (
        Reason(f"library changed: {one.text}", LIBRARY_CHANGE, one.source)
        for one in evidence.libraries
        if one.service == service.name
    )
    yield from (
        Reason(
            f"audit finding ({finding.severity}): {finding.title}",
            WEIGHTS.get(finding.severity, WEIGHTS["unknown"]),
            finding.source,
        )
        for finding in evidence.findings
        if finding.service == service.name
    )


def _changed_calls(service: Service, evidence: Evidence) -> Iterator[Reason]:
    for call in evidence.dependencies:
        known = call.on in service.dependencies
        if call.service == service.name and (call.change != "calls" or not known):
            words = "no longer calls" if call.change == "removed" else "calls"
            unknown = "" if known else ", which the catalogue does not name"
            yield Reason(f"{words} {call.on}{unknown}", NEW_DEPENDENCY, call.source)


def _grave(severity: str) -> str:
    return "" if severity == "unknown" else f"({severity}) "
