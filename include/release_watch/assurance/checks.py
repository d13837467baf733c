"""The recurring checks of one release; each yields an objective for everything it looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus
from release_watch.assurance.drift import Drift
from release_watch.assurance.reading import NightReading
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning.advice import judge_tuning
from release_watch.assurance.tuning.applying import in_force
from release_watch.assurance.tuning.carrying import RUN_AGAIN
from release_watch.assurance.tuning.following import followed
from release_watch.assurance.tuning.kept import KeptTuning
from release_watch.assurance.tuning.standing import holds, namesakes
from release_watch.catalog.models import Service
from release_watch.clock import rfc3339
from release_watch.slo.rules import WATCHDOG
from release_watch.verdict import Objective, Verdict

SHORT = 60
"""Characters of what stands in the one line of a release."""


class Subject(NamedTuple):
    """What a check looks at: a registered release, the services it still owns, and what the night reads."""

    entry: ActiveRelease
    services: tuple[Service, ...]
    reading: NightReading
    alert_paths: Mapping[str, Objective] | None = None
    """What the night's drill said of each service; None where no drill was made."""


def _drift(subject: Subject) -> Iterator[Objective]:
    if not subject.entry.rules:
        reason = "no rule file is registered for this release; activate its rules again"
        yield Objective(name="drift", verdict=Verdict.INCONCLUSIVE, reason=reason)
    drifts = subject.reading.drifts(subject.entry)
    for drift in drifts:
        since = f", since {rfc3339(drift.since)}" if drift.since else ""
        yield Objective(
            name=f"drift, {drift.kind}",
            verdict=drift.verdict,
            reason=f"{drift.what}{_told(drift)}{since}; {drift.owner}: {drift.to_do}",
        )
    if not drifts:
        reason = "everything means what it did when it was activated"
        if left := subject.reading.dashboards_uncompared(subject.entry):
            count = f"{left} of {len(subject.entry.dashboards)} dashboards"
            reason += f", but {count} were not compared tonight: they are not there, or have their turn later"
        yield Objective(name="drift", verdict=Verdict.GO, reason=reason)


def _told(drift: Drift) -> str:
    """Return both sides of a drift where they are short; the report has them whole."""
    if drift.expected is None or drift.live is None:
        return ""
    sides = (drift.expected, drift.live)
    if any("\n" in side or len(side) > SHORT for side in sides):
        return ""
    return f" ({drift.live}; activated was {drift.expected})"


def _targets(subject: Subject) -> Iterator[Objective]:
    for service in subject.services:
        name = f"targets of {service.name}"
        if service.signals.metrics is None:
            reason = "the catalogue maps no metrics; give services.yaml a selector"
            yield Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=reason)
            continue
        query = f"up{{{service.signals.metrics.selector}}}"
        samples = subject.reading.targets(service)
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
        there = dashboard.uid in subject.reading.dashboards()
        yield Objective(
            name=f"dashboard {dashboard.title}",
            verdict=Verdict.GO if there else Verdict.NO_GO,
            reason="there" if there else f"Grafana has no dashboard {dashboard.uid}; activate it again",
            query=f"/api/dashboards/uid/{dashboard.uid}",
        )


def _coverage(subject: Subject) -> Iterator[Objective]:
    gaps = 0
    for service in subject.reading.coverage.of(subject.entry):
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
        reason = f"every signal of {len(subject.services)} services is live"
        yield Objective(name="coverage", verdict=Verdict.GO, reason=reason)
    if subject.reading.coverage.settled(subject.entry):
        yield from _versions(subject)


def _versions(subject: Subject) -> Iterator[Objective]:
    """Yield the services that send another version: it was deployed, or rolled back, without a run."""
    wanted = subject.entry.release.version
    for service in subject.services:
        if service.signals.metrics is None:
            continue
        seen = subject.reading.versions(service)
        if seen is None or wanted in seen:  # what sends nothing is not live, which is told already
            continue
        known = f"only version {', '.join(sorted(seen))}" if seen else "no version"
        status = CoverageStatus.FAIL if seen else CoverageStatus.INCONCLUSIVE
        yield Objective(
            name=f"version of {service.name}",
            verdict=_coverage_verdict(service.tier.value, status),
            reason=f"{known} is in its request metrics, not {wanted}; start a run for what was deployed",
        )


def _coverage_verdict(tier: str, status: CoverageStatus) -> Verdict:
    if tier != "critical":
        return Verdict.WARN
    return Verdict.NO_GO if status is CoverageStatus.FAIL else Verdict.INCONCLUSIVE


def _dead_mans_switch(subject: Subject) -> Iterator[Objective]:
    firing = subject.reading.watchdog()
    yield Objective(
        name="dead man's switch",
        verdict=Verdict.GO if firing else Verdict.NO_GO,
        reason="firing" if firing else f"{WATCHDOG} does not fire, so no other alert can be trusted to",
        query=subject.reading.watchdog_query,
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
    entries = subject.reading.budgets(subject.entry.services)
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
    subject.reading.history.incidents(subject.entry.services)  # without a tracker the check was not made
    yield from judge_tuning(subject.reading.history.correlation(subject.entry.services)).objectives


def _tunings(subject: Subject) -> Iterator[Objective]:
    kept = subject.reading.tunings
    yield from (
        Objective(name="tunings", verdict=Verdict.INCONCLUSIVE, reason=problem) for problem in kept.problems
    )
    ours = [one for one in kept.tunings if one.last and one.last.proposal.service in subject.entry.services]
    for tuning in ours:
        yield _tuning(subject, tuning)
    if not ours:
        reason = "no approved change of an alert is in force"
        yield Objective(name="tunings", verdict=Verdict.GO, reason=reason)


def _tuning(subject: Subject, tuning: KeptTuning) -> Objective:
    proposal = in_force(tuning).proposal
    name = f"tuning of {proposal.service} ({proposal.alert}, {proposal.proposal_id})"
    if not holds(subject.entry, tuning):
        reason = f"{proposal.change}: not in force, as the rule of this release is another one; {RUN_AGAIN}"
        return Objective(name=name, verdict=Verdict.WARN, reason=reason)
    firings, incidents = subject.reading.history.followed(proposal.service)
    alike = namesakes(subject.entry, proposal)
    found = followed(tuning, firings, incidents, subject.reading.at, alike)
    if found.refuted:
        reason = f"{proposal.change}: {found.words}; take it back with the DAG alert_tuning, action take_back"
        return Objective(name=name, verdict=Verdict.NO_GO, reason=reason)
    return Objective(name=name, verdict=Verdict.GO, reason=f"{proposal.change}: {found.words}")


RUNNERS: dict[str, Callable[[Subject], Iterator[Objective]]] = {
    "drift": _drift,
    "targets": _targets,
    "dashboards": _dashboards,
    "coverage": _coverage,
    "dead_mans_switch": _dead_mans_switch,
    "alert_paths": _alert_paths,
    "tunings": _tunings,
    "budgets": _budgets,
    "incidents": _incidents,
}
"""How each scheduled check is run, by its name."""
