"""``monitoring-plan.md``: what will be done, before any of it is, for a person to review."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.artifacts.models import Signal
from release_watch.catalog.config import Config
from release_watch.catalog.models import Service
from release_watch.clock import format_duration, in_words, rfc3339
from release_watch.markdown import render
from release_watch.release import Release, RollbackPolicy


class Step(NamedTuple):
    """A step of the plan, what proves it, and what stops it."""

    title: str
    action: str
    evidence: str
    gate: str


STEPS = (
    Step(
        "Establish monitoring infrastructure",
        "wait for the deploy signals, read the deployment evidence, prove that metrics, logs, traces and "
        "synthetic checks of every service are live and of this release",
        "monitoring-requirements.md, instrumentation-audit.json",
        "Gate 1: instrumentation coverage",
    ),
    Step(
        "Configure key metrics monitoring",
        "take the snapshot and the reference baseline from before the release",
        "baseline-metrics.json",
        "Gate 1: instrumentation coverage",
    ),
    Step(
        "Configure alerting",
        "generate, check, activate and read back dashboards and alert rules; drill the alert paths",
        "dashboard-config.md, alert-rules.yaml, alert-test-results.json, RUNBOOKS/monitoring-runbook.md",
        "Gate 2: alert validation",
    ),
    Step(
        "Establish monitoring baseline",
        "watch the release for the whole baseline window, then establish its normal ranges and alerts",
        "baseline-metrics.json",
        "the baseline must convince, else the window is extended",
    ),
    Step(
        "Monitor and respond to issues",
        "review periodically during the window; escalate, and follow the rollback policy if critical",
        "monitoring-results.json",
        "no critical finding",
    ),
    Step(
        "Document monitoring setup",
        "schedule the recurring checks, tune thresholds, publish the scorecard, hand the package over",
        "observability-schedule.json, alert-tuning-report.md, observability-scorecard.md, "
        "improvement-backlog.md, monitoring-package-manifest.json, monitoring-approval-record.json",
        "Gate 3: assurance, Gate 4: handoff",
    ),
)
"""The six ordered steps of the procedure, with the artifacts and gates of the protocol."""

_ROLLBACK = {
    RollbackPolicy.AUTO: "a critical finding rolls the release back without asking",
    RollbackPolicy.ASK: "a critical finding asks the person on call whether to roll back",
    RollbackPolicy.FREEZE: "a critical finding freezes further deployments; nothing is rolled back",
    RollbackPolicy.FORWARD_ONLY: "a critical finding is mended forward; nothing is rolled back",
}


def plan_markdown(release: Release, config: Config, generated_at: datetime) -> str:
    """Return the plan: steps, scope, approach, alerting strategy, duration, risks and unknowns."""
    services = config.catalog.select(release.services)
    return render(
        "release_watch.evidence",
        "monitoring-plan.md.j2",
        release=release,
        deployed_at=rfc3339(release.deployed_at),
        generated_at=generated_at,
        steps=STEPS,
        services=services,
        approach=[(s.name, *(_selector(s, signal) for signal in Signal)) for s in services],
        business=[(s.name, m.name, m.unit, m.query) for s in services for m in s.business_metrics],
        slos=config.slos_of(release.services),
        policies=config.policies,
        window=in_words(release.baseline_window),
        review=in_words(release.review_interval),
        durations=_durations(config),
        rollback=_rollback(release, services),
        unknowns=_unknowns(release, services, config),
        people=[
            (role, config.oncall.on_duty(role, generated_at).name, in_words(rotation.shift_length))
            for role, rotation in sorted(config.oncall.roles.items())
        ],
    )


def _selector(service: Service, signal: Signal) -> str:
    mapped = getattr(service.signals, signal)
    if mapped is None:
        return "not mapped"
    return str(getattr(mapped, "selector", None) or mapped.service_name)


def _durations(config: Config) -> list[tuple[str, str]]:
    policies = config.policies
    return [
        ("deploy signals are awaited for", in_words(policies.signals.deadline)),
        ("a signal counts as live when younger than", in_words(policies.coverage.live_within)),
        ("an unanswered approval is No after", in_words(policies.approvals.timeout)),
        ("a drill must be delivered within", in_words(policies.drill.deliver_within)),
        ("a drill must be acknowledged within", in_words(policies.drill.acknowledge_within)),
        ("a failed gate is checked again every", in_words(policies.remediation.interval)),
        ("a failed gate ends the run as BLOCKED after", in_words(policies.remediation.deadline)),
    ]


def _rollback(release: Release, services: Sequence[Service]) -> list[tuple[str, str, str]]:
    return [
        (s.name, policy.value, _ROLLBACK[policy])
        for s in services
        for policy in (s.rollback_policy or release.rollback_policy,)
    ]


def _unknowns(release: Release, services: Sequence[Service], config: Config) -> list[str]:
    """Return what the configuration itself says is not known or not covered."""
    covered = {slo.service for slo in config.slos}
    found = []
    for service in services:
        if unmapped := [signal for signal in Signal if signal not in service.signals.mapped()]:
            found.append(f"{service.name}: {', '.join(unmapped)} not mapped in the service catalogue")
        if service.name not in covered:
            found.append(f"{service.name}: no SLO, so its alerts cannot follow an error budget")
        if not service.runbook:
            found.append(f"{service.name}: no runbook named in the service catalogue")
        if outside := [name for name in service.dependencies if name not in release.services]:
            found.append(f"{service.name}: calls {', '.join(outside)}, which this release does not change")
    steps = release.baseline_window // config.policies.baseline.step
    if steps < config.policies.baseline.min_samples:
        need = config.policies.baseline.min_samples
        window = format_duration(release.baseline_window)
        found.append(
            f"the baseline window {window} holds {steps} samples where {need} are needed: it will be extended"
        )
    return found
