"""The recurring checks of one release; each yields an objective for everything it looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus
from release_watch.assurance.alerts import alert_intervals
from release_watch.assurance.attainment import attainment
from release_watch.assurance.correlation import correlate
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning import judge_tuning
from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.coverage.audit import audit
from release_watch.response.tickets import tickets_of
from release_watch.slo.activation import read_back
from release_watch.slo.rulefile import from_yaml, to_yaml
from release_watch.slo.rules import WATCHDOG
from release_watch.telemetry.backends import Backends
from release_watch.verdict import Objective, Verdict

LOOK_BACK = timedelta(days=1)


class Subject(NamedTuple):
    """What a check looks at: a registered release, the services it still owns, and where to ask."""

    entry: ActiveRelease
    services: tuple[Service, ...]
    backends: Backends
    config: Config
    at: datetime
    alert_paths: Mapping[str, Objective] | None = None
    """What the night's drill said of each service; None where no drill was made."""


def _rules(subject: Subject) -> Iterator[Objective]:
    if not subject.entry.rules:
        reason = "no rule file is registered for this release; activate its rules again"
        yield Objective(name="rules", verdict=Verdict.INCONCLUSIVE, reason=reason)
    for name, text in subject.entry.rules.items():
        problems = read_back(_owned(text, subject.entry), subject.backends)
        for problem in problems:
            yield Objective(name=f"rules {name}", verdict=Verdict.NO_GO, reason=problem)
        if not problems:
            yield Objective(name=f"rules {name}", verdict=Verdict.GO, reason="all loaded and healthy")


def _owned(text: str, entry: ActiveRelease) -> str:
    """Return the rule file without what a newer release has taken over with the services it owns now."""
    if set(entry.services) == set(entry.release.services):
        return text
    owned = set(entry.services)
    return to_yaml([group for group in from_yaml(text) if group.services and group.services <= owned])


def _targets(subject: Subject) -> Iterator[Objective]:
    for service in subject.services:
        name = f"targets of {service.name}"
        if service.signals.metrics is None:
            reason = "the catalogue maps no metrics; give services.yaml a selector"
            yield Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=reason)
            continue
        query = f"up{{{service.signals.metrics.selector}}}"
        samples = subject.backends.metrics(service).instant(query, subject.at)
        down = sorted(s.labels.get("instance", "an instance") for s in samples if s.value != 1)
        if not samples:
            verdict, reason = Verdict.NO_GO, "no scrape target at all; see the scrape configuration"
        elif down:
            verdict, reason = Verdict.NO_GO, f"down: {', '.join(down)}"
        else:
            verdict, reason = Verdict.GO, f"{len(samples)} up"
        yield Objective(name=name, verdict=verdict, reason=reason, query=query, samples=len(samples))


def _dashboards(subject: Subject) -> Iterator[Objective]:
    if not subject.entry.dashboards:
        reason = "no dashboard was activated; add the connection grafana_default and activate them"
        yield Objective(name="dashboards", verdict=Verdict.WARN, reason=reason)
    for dashboard in subject.entry.dashboards:
        path = f"/api/dashboards/uid/{dashboard.uid}"
        answer = subject.backends.grafana().request("GET", path)
        there = answer.status == 200
        yield Objective(
            name=f"dashboard {dashboard.title}",
            verdict=Verdict.GO if there else Verdict.NO_GO,
            reason="there" if there else f"Grafana answers {answer.status}; activate it again",
            query=path,
        )


def _coverage(subject: Subject) -> Iterator[Objective]:
    found = audit(
        subject.entry.release,
        subject.services,
        subject.backends,
        endpoints=subject.entry.endpoints,
        policy=subject.config.policies.coverage,
        at=subject.at,
    )
    gaps = 0
    for service in found.services:
        for signal, checked in service.signals.items():
            if checked.status is CoverageStatus.PASS:
                continue
            gaps += 1
            wrong = [check for check in checked.checks if check.status is not CoverageStatus.PASS]
            yield Objective(
                name=f"coverage of {service.service}: {signal.value}",
                verdict=_coverage_verdict(service.tier, checked.status),
                reason="; ".join(f"{c.name}: {c.observed}. {c.remedy or ''}".strip() for c in wrong)
                or "not proven",
                query=wrong[0].query if wrong else None,
            )
    if not gaps:
        reason = f"every signal of {len(found.services)} services is live"
        yield Objective(name="coverage", verdict=Verdict.GO, reason=reason)


def _coverage_verdict(tier: str, status: CoverageStatus) -> Verdict:
    if tier != "critical":
        return Verdict.WARN
    return Verdict.NO_GO if status is CoverageStatus.FAIL else Verdict.INCONCLUSIVE


def _dead_mans_switch(subject: Subject) -> Iterator[Objective]:
    query = f'ALERTS{{alertname="{WATCHDOG}",alertstate="firing"}}'
    firing = subject.backends.metrics().instant(query, subject.at)
    yield Objective(
        name="dead man's switch",
        verdict=Verdict.GO if firing else Verdict.NO_GO,
        reason="firing" if firing else f"{WATCHDOG} does not fire, so no other alert can be trusted to",
        query=query,
    )


def _alert_paths(subject: Subject) -> Iterator[Objective]:
    for service in subject.services:
        name = f"alert path of {service.name}"
        if subject.alert_paths is None:
            reason = "no drill was made tonight; the night's log says why"
            yield Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=reason)
        elif (found := subject.alert_paths.get(service.name)) is not None:
            yield found
        elif service.critical:
            reason = "no alert of it reaches anybody, so nothing could be drilled; activate its rules again"
            yield Objective(name=name, verdict=Verdict.NO_GO, reason=reason)


def _budgets(subject: Subject) -> Iterator[Objective]:
    slos = subject.config.slos
    entries = attainment(
        slos, subject.services, subject.backends, subject.at, environment=subject.entry.release.environment
    )
    for entry in entries:
        if entry.budget_left is None:
            verdict, reason = Verdict.INCONCLUSIVE, entry.reason
        elif entry.budget_left <= 0:
            verdict, reason = Verdict.WARN, f"error budget used up ({entry.budget_left:.0%} left)"
        else:
            verdict, reason = Verdict.GO, f"{entry.budget_left:.0%} of the error budget left"
        yield Objective(name=f"SLO {entry.slo}", verdict=verdict, reason=reason, query=entry.query)
    if not entries:
        yield Objective(name="budgets", verdict=Verdict.WARN, reason="no SLO for these services; add one")


def _incidents(subject: Subject) -> Iterator[Objective]:
    window = (subject.at - LOOK_BACK, subject.at)
    environment = subject.entry.release.environment
    services = subject.entry.services
    alerts = alert_intervals(subject.backends.metrics(), window, services, environment=environment)
    tickets = tickets_of(subject.backends.tickets(), subject.config.policies.response.tickets)
    incidents = tickets.incidents(window[0], services)
    yield from judge_tuning(correlate(alerts, incidents, window=window)).objectives


RUNNERS: dict[str, Callable[[Subject], Iterator[Objective]]] = {
    "rules": _rules,
    "targets": _targets,
    "dashboards": _dashboards,
    "coverage": _coverage,
    "dead_mans_switch": _dead_mans_switch,
    "alert_paths": _alert_paths,
    "budgets": _budgets,
    "incidents": _incidents,
}
"""How each scheduled check is run, by its name."""
