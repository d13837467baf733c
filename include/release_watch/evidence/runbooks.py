"""A basic runbook for a service that has none, made from the catalogue and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.evidence.models import Evidence
from release_watch.markdown import render
from release_watch.release import Release
from release_watch.slo.red import red_of

FOLDER = "RUNBOOKS"
MARK = "Created from the template; to be completed by"
_ROLES = ("oncall", "sre", "operations-lead", "technical-lead")
_TAKEN = frozenset({"monitoring-runbook"})
"""Names of other documents in the folder."""


class Query(NamedTuple):
    """A look at a service, ready to be pasted."""

    signal: str
    question: str
    query: str


def without_runbook(services: Iterable[Service], evidence: Evidence) -> tuple[Service, ...]:
    """Return the services that have no runbook, neither in the evidence nor linked in the catalogue."""
    there = {runbook.service for runbook in evidence.runbooks}
    return tuple(service for service in services if service.name not in there and not service.runbook)


def runbook_name(service: str) -> str:
    """Return the name in the artifact store of the runbook made for ``service``."""
    return f"{FOLDER}/{service}-service.md" if service in _TAKEN else f"{FOLDER}/{service}.md"


def is_template(text: str) -> bool:
    """Return whether a runbook still says that its owner has to complete it."""
    return MARK in text


def runbook_markdown(
    service: Service, release: Release, config: Config, evidence: Evidence, at: datetime
) -> str:
    """Return a runbook: who owns it, what it calls and serves, its risks, queries, first checks, escalation.

    It is marked as made from the template. Queries assume OpenTelemetry's metric names.
    """
    name = service.name
    return render(
        "release_watch.evidence",
        "service-runbook.md.j2",
        service=service,
        release=release,
        mark=MARK,
        at=at,
        callers=[one.name for one in config.catalog.services if name in one.dependencies],
        calls=_calls(service, evidence),
        endpoints=_endpoints(service, evidence),
        risks=[risk for risk in evidence.risks if risk.service == name],
        baselines=[one for one in evidence.baselines if one.service == name],
        queries=queries(service),
        slos=config.slos_of((name,)),
        escalation=[(role, config.oncall.on_duty(role, at).name) for role in _ROLES],
    )


def queries(service: Service) -> tuple[Query, ...]:
    """Return a query or two for each signal that the catalogue maps."""
    found: list[Query] = []
    signals = service.signals
    if signals.metrics is not None:
        selector = signals.metrics.selector
        found.append(Query("metrics", "Which instances answer?", f"up{{{selector}}}"))
        if (red := red_of(service)) is not None:
            found.append(Query("metrics", "How many requests come?", red.per_second()))
            found.append(Query("metrics", "How many of them fail?", red.error_ratio()))
            if (p95 := red.latency("0.95")) is not None:
                found.append(Query("metrics", "How long do they take (p95, seconds)?", p95))
    if signals.synthetics is not None:
        probe = f"probe_success{{{signals.synthetics.selector}}}"
        found.append(Query("synthetics", "Does it answer from outside?", probe))
    if signals.logs is not None:
        words = f'{signals.logs.selector} |~ "(?i)error|exception"'
        found.append(Query("logs", "What do its logs say?", words))
    if signals.traces is not None:
        failing = f'{{ resource.service.name = "{signals.traces.service_name}" && status = error }}'
        found.append(Query("traces", "Where do requests fail?", failing))
    return tuple(found)


def _calls(service: Service, evidence: Evidence) -> list[str]:
    reported = [d.on for d in evidence.dependencies if d.service == service.name and d.change != "removed"]
    return list(dict.fromkeys((*service.dependencies, *reported)))


def _endpoints(service: Service, evidence: Evidence) -> list[tuple[str, str]]:
    new = {
        str(e): f"new in this release ({e.source})"
        for e in evidence.new_endpoints
        if e.service == service.name
    }
    old: Sequence[str] = [name for name in service.endpoints if name not in new]
    return [*new.items(), *((name, "as before") for name in old)]
