"""What must be there before monitoring starts, and the way out where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.clock import now
from release_watch.evidence.models import Evidence, Prerequisite
from release_watch.release import Release

_OBSERVABILITY = ("observability-configuration.json", "observability-configuration.yaml")
_BASELINES = "performance-baselines.json"


def check_prerequisites(
    release: Release, evidence: Evidence, config: Config, *, at: datetime | None = None
) -> tuple[Prerequisite, ...]:
    """Return every prerequisite of the procedure: met, remediated by us, or missing and whom to notify."""
    services = config.catalog.select(release.services)
    return (
        _validated(evidence, _on_duty(config, at or now(), "operations-lead", "technical-lead")),
        _flags(evidence, _on_duty(config, at or now(), "operations-lead")),
        _observability(services, evidence),
        _runbooks(services, evidence),
        _baselines(services, evidence),
        _team(config, at or now()),
    )


def _validated(evidence: Evidence, notify: tuple[str, ...]) -> Prerequisite:
    name = "deployment validated"
    validation = evidence.validation
    if validation.passed:
        return Prerequisite(name=name, status="met", detail=f"status {validation.status}")
    failed = [service.service for service in validation.services if not service.passed]
    return Prerequisite(
        name=name,
        status="missing",
        detail=f"status {validation.status}; not passed: {', '.join(failed) or 'the deployment as a whole'}",
        remedy="mend or roll back the deployment, then validate it again",
        notify=notify,
    )


def _flags(evidence: Evidence, notify: tuple[str, ...]) -> Prerequisite:
    name = "feature flags activated"
    inactive = [f"{flag.name} ({flag.source})" for flag in evidence.flags if flag.active is False]
    if inactive:
        return Prerequisite(
            name=name,
            status="missing",
            detail=f"not active: {', '.join(inactive)}",
            remedy="activate them according to the rollout plan, then write the documents again",
            notify=notify,
        )
    count = len(evidence.flags)
    detail = f"{count} named, none inactive" if count else "the documents name no feature flag"
    return Prerequisite(name=name, status="met", detail=detail)


def _observability(services: Iterable[Service], evidence: Evidence) -> Prerequisite:
    name = "observability configuration"
    described: set[str] = set()
    for document in _OBSERVABILITY:
        described |= _services_in(evidence.optional.get(document))
    absent = [service for service in services if service.name not in described]
    if not absent:
        return Prerequisite(name=name, status="met", detail="every service is described")
    unmapped = [service for service in absent if not service.signals.mapped()]
    if not unmapped:
        names = ", ".join(service.name for service in absent)
        return Prerequisite(
            name=name,
            status="remediated",
            detail=f"not described by the deployment: {names}",
            remedy="the selectors of the service catalogue are taken instead",
        )
    return Prerequisite(
        name=name,
        status="missing",
        detail=f"neither described nor in the catalogue: {', '.join(s.name for s in unmapped)}",
        remedy="wait for the Observability Instrumentation procedure, or map the signals in services.yaml",
        notify=tuple(dict.fromkeys(service.owner for service in unmapped)),
    )


def _runbooks(services: Iterable[Service], evidence: Evidence) -> Prerequisite:
    name = "operational runbooks"
    absent = [s.name for s in services if f"runbooks/{s.name}.md" not in evidence.optional and not s.runbook]
    if not absent:
        return Prerequisite(name=name, status="met", detail="every service has one")
    return Prerequisite(
        name=name,
        status="remediated",
        detail=f"none for {', '.join(absent)}",
        remedy="a basic monitoring runbook is made from the template; its owner completes it",
    )


def _baselines(services: Iterable[Service], evidence: Evidence) -> Prerequisite:
    name = "performance baselines"
    known = _services_in(evidence.optional.get(_BASELINES))
    absent = [service.name for service in services if service.name not in known]
    if not absent:
        return Prerequisite(name=name, status="met", detail="every service has one")
    return Prerequisite(
        name=name,
        status="remediated",
        detail=f"none for {', '.join(absent)}",
        remedy="the reference baseline is measured from before the deployment",
    )


def _team(config: Config, at: datetime) -> Prerequisite:
    sre, oncall = _on_duty(config, at, "sre"), _on_duty(config, at, "oncall")
    detail = f"SRE on duty: {', '.join(sre)}; on call: {', '.join(oncall)}"
    return Prerequisite(name="monitoring team", status="met", detail=detail)


def _on_duty(config: Config, at: datetime, *roles: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(config.oncall.on_duty(role, at).user for role in roles))


def _services_in(document: Any) -> set[str]:
    """Return the services that a document describes, given as a list of entries or as a mapping."""
    services = document.get("services") if isinstance(document, dict) else None
    if isinstance(services, dict):
        return {str(name) for name in services}
    if not isinstance(services, list):
        return set()
    return {str(e.get("service") or e.get("name")) for e in services if isinstance(e, dict)}
