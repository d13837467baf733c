"""What must be there before monitoring starts, and the way out where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.clock import now
from release_watch.evidence.models import Evidence, Prerequisite
from release_watch.evidence.runbooks import without_runbook
from release_watch.release import Release

LEADS = ("operations-lead", "technical-lead")
"""Who is notified when the run is blocked, as the procedure says (section 11, Blocked)."""


def check_prerequisites(
    release: Release,
    evidence: Evidence,
    config: Config,
    *,
    at: datetime | None = None,
    runbooks: Mapping[str, str] | None = None,
) -> tuple[Prerequisite, ...]:
    """Return every prerequisite of the procedure: met, remediated by us, or missing and whom to notify.

    ``runbooks`` are the URIs of the runbooks made from the template, by service.
    """
    services = config.catalog.select(release.services)
    leads = on_duty(config, at or now(), *LEADS)
    return (
        _validated(release, evidence, leads),
        _flags(evidence, leads),
        _observability(services, evidence),
        _runbooks(services, evidence, runbooks or {}),
        _baselines(services, evidence),
        _team(config, at or now()),
    )


def on_duty(config: Config, at: datetime, *roles: str) -> tuple[str, ...]:
    """Return the user ids of who is on duty in ``roles``, each once."""
    return tuple(dict.fromkeys(config.oncall.on_duty(role, at).user for role in roles))


def _validated(release: Release, evidence: Evidence, notify: tuple[str, ...]) -> Prerequisite:
    name = "deployment validated"
    validation = evidence.validation
    against = [f"{o.text} ({o.source})" for o in evidence.outcomes if not o.passed]
    listed = {service.service for service in validation.services}
    absent = [service for service in release.services if listed and service not in listed]
    if validation.passed and not against and not absent:
        return Prerequisite(name=name, status="met", detail=f"status {validation.status}")
    failed = [service.service for service in validation.services if not service.passed]
    found = []
    if not validation.passed:
        found.append(f"not passed: {', '.join(failed) or 'the deployment as a whole'}")
    if absent:
        found.append(f"not among the validated services: {', '.join(absent)}")
    if against:
        found.append(f"another document says otherwise: {'; '.join(against)}")
    return Prerequisite(
        name=name,
        status="missing",
        detail=f"status {validation.status}; {'; '.join(found)}",
        remedy="mend or roll back the deployment, then validate it again",
        notify=notify,
    )


def _flags(evidence: Evidence, notify: tuple[str, ...]) -> Prerequisite:
    name = "feature flags activated"
    inactive = [f for f in evidence.flags if f.active is False and not f.planned_off]
    if inactive:
        return Prerequisite(
            name=name,
            status="missing",
            detail=f"not active: {', '.join(f'{flag.name} ({flag.source})' for flag in inactive)}",
            remedy="activate them according to the rollout plan, then write the documents again",
            notify=notify,
        )
    planned = [flag.name for flag in evidence.flags if flag.planned_off]
    unclear = [f"{flag.name} ({flag.source})" for flag in evidence.flags if flag.active is None]
    count = len(evidence.flags)
    parts = [
        f"{count} named, none inactive against the plan" if count else "the documents name no feature flag"
    ]
    parts += [f"inactive by the rollout plan: {', '.join(planned)}"] if planned else []
    parts += [f"state not said: {', '.join(unclear)}; the flag service was asked"] if unclear else []
    return Prerequisite(name=name, status="met", detail="; ".join(parts))


def undescribed(services: Iterable[Service], described: Iterable[str]) -> tuple[Service, ...]:
    """Return the services that are neither described by the deployment nor mapped in the catalogue."""
    known = set(described)
    return tuple(s for s in services if s.name not in known and not s.signals.mapped())


def _observability(services: Sequence[Service], evidence: Evidence) -> Prerequisite:
    name = "observability configuration"
    described = {one.service for one in evidence.observed}
    absent = [service for service in services if service.name not in described]
    if not absent:
        return Prerequisite(name=name, status="met", detail="every service is described")
    unmapped = undescribed(services, described)
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


def _runbooks(services: Sequence[Service], evidence: Evidence, made: Mapping[str, str]) -> Prerequisite:
    name = "operational runbooks"
    absent = without_runbook(services, evidence)
    if not absent:
        return Prerequisite(name=name, status="met", detail="every service has one")
    where = ", ".join(made.get(service.name, service.name) for service in absent)
    owners = tuple(dict.fromkeys(service.owner for service in absent))
    return Prerequisite(
        name=name,
        status="remediated",
        detail=f"none came with the deployment for {', '.join(service.name for service in absent)}",
        remedy=f"created from the template; to be completed by {', '.join(owners)}: {where}",
        notify=owners,
    )


def _baselines(services: Sequence[Service], evidence: Evidence) -> Prerequisite:
    name = "performance baselines"
    known = {one.service for one in evidence.baselines}
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
    sre, oncall = on_duty(config, at, "sre"), on_duty(config, at, "oncall")
    detail = f"SRE on duty: {', '.join(sre)}; on call: {', '.join(oncall)}"
    return Prerequisite(name="monitoring team", status="met", detail=detail)
