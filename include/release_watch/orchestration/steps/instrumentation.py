"""Phase 1: upstream signals, evidence, coverage and the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import evidence_folder

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from release_watch.artifacts.models import BaselineKind, BaselineMetrics, InstrumentationAudit
    from release_watch.evidence.models import Evidence

REQUIREMENTS = "monitoring-requirements.md"
AUDIT = "instrumentation-audit.json"
AUDIT_PICTURE = "instrumentation-audit.png"
BASELINE = "baseline-metrics.json"
REFERENCE = "records/reference.parquet"
MOST_PROBLEMS = 50
"""Lines that were not understood, of all documents, that stand in the log; the requirements have them all."""


def read_documents(run: ProtocolRun) -> Evidence:
    """Return the upstream evidence of this release."""
    from release_watch.evidence.documents import read_evidence

    known = [service.name for service in run.config.catalog.services]
    return read_evidence(evidence_folder(run.release), run.release, run.config.policies, known=known)


def check_prerequisites(run: ProtocolRun) -> str:
    """Check what must exist before monitoring starts: remedy what can be, or say whom to tell."""
    from release_watch.evidence.prerequisites import check_prerequisites as check
    from release_watch.orchestration.sensors.signals import blocked

    evidence = read_documents(run)
    found = check(run.release, evidence, run.config, runbooks=_made_runbooks(run, evidence))
    for item in found:
        log.info("%-10s %s: %s", item.status.upper(), item.name, item.detail)
        if item.remedy:
            log.info("           %s", item.remedy)
    record = run.store.write_json(
        "records/prerequisites.json", {"prerequisites": [p.model_dump(mode="json") for p in found]}
    )
    run.record("prerequisites checked", uri=record.uri)
    missing = [item for item in found if item.status == "missing"]
    if not missing:
        return record.uri
    reason = "prerequisites not met: " + "; ".join(f"{p.name}: {p.detail}" for p in missing)
    if run.release.shadow:
        log.warning("Shadow mode: would have ended BLOCKED: %s", reason)
        run.record("would have been blocked", f"{run.task_id}-shadow", message=reason)
        return record.uri
    raise blocked(run, reason, tuple(f"{p.remedy} (tell {', '.join(p.notify)})" for p in missing))


def _made_runbooks(run: ProtocolRun, evidence: Evidence) -> dict[str, str]:
    """Make sure that every service has a runbook; return the URIs of those made from the template.

    What is there is never written over: its owner may have begun to complete it.
    """
    from release_watch.evidence.runbooks import runbook_markdown, runbook_name, without_runbook

    made = {}
    for service in without_runbook(run.services, evidence):
        name = runbook_name(service.name)
        if not run.store.exists(name):
            text = runbook_markdown(service, run.release, run.config, evidence, now())
            written = run.store.write_text(name, text)
            log.warning("No runbook of %s: made one from the template, %s", service.name, written.uri)
            run.record("runbook created from the template", f"runbook-{service.name}", uri=written.uri)
        made[service.name] = run.store.uri_of(name)
    return made


def review_evidence(run: ProtocolRun) -> str:
    """Read the deployment evidence and write what has to be monitored, traced to the lines it came from."""
    from release_watch.evidence.prerequisites import check_prerequisites as check
    from release_watch.evidence.requirements import requirements_markdown

    log.info(texts.PHASE_START[1])
    evidence = read_documents(run)
    for account in evidence.accounts:
        log.info("%s", account.summary())
    for problem in evidence.problems[:MOST_PROBLEMS]:
        log.warning("Evidence not understood: %s", problem)
    if len(evidence.problems) > MOST_PROBLEMS:
        log.warning("%d lines were not understood: see %s", len(evidence.problems), REQUIREMENTS)
    prerequisites = check(run.release, evidence, run.config, runbooks=_made_runbooks(run, evidence))
    text = requirements_markdown(run.release, run.config, evidence, prerequisites, now())
    written = run.store.write_text(REQUIREMENTS, text)
    run.record("requirements written", uri=written.uri, sha256=written.sha256)
    return written.uri


def audit_coverage(run: ProtocolRun) -> str:
    """Prove, per service and signal, that live telemetry of this release arrives, and that it is read."""
    from release_watch.coverage.heatmap import heatmap_png
    from release_watch.coverage.table import coverage_table
    from release_watch.coverage.whole_audit import whole_audit

    log.info(texts.VALIDATING_COVERAGE)
    result = whole_audit(
        run.release,
        run.services,
        run.backends,
        run.config,
        endpoints=read_documents(run).endpoints_by_service(),
        at=now(),
    )
    written = run.store.write_json(AUDIT, result)
    picture = run.store.write_bytes(AUDIT_PICTURE, heatmap_png(result))
    log.info("\n%s", coverage_table(result))
    log.info("As a picture: %s", picture.uri)
    log.info(texts.automation("collect_perf.py", result.verdict))
    run.record(
        "coverage audited", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", verdict=result.verdict, uri=written.uri
    )
    return written.uri


def capture_snapshot(run: ProtocolRun) -> str:
    """Record how the services behave just after the deployment, for incident response."""
    from release_watch.artifacts.models import BaselineKind
    from release_watch.baseline.capture import reference_window
    from release_watch.baseline.frames import to_parquet

    policies, moment = run.config.policies, now()
    since = max(run.release.deployed_at, moment - policies.baseline.reference_window)
    snapshot = captured_baseline(run, BaselineKind.SNAPSHOT, (since, moment))
    written = run.store.write_json(BASELINE, snapshot)
    before = samples(run, reference_window(run.release, policies))
    run.store.write_bytes(REFERENCE, to_parquet(before))
    log.info("Snapshot of %d metrics: %s", len(snapshot.metrics), snapshot.reason)
    run.record("snapshot captured", uri=written.uri)
    return written.uri


def samples(
    run: ProtocolRun, window: tuple[datetime, datetime], version: str | None = None
) -> dict[tuple[str, str], pd.Series]:
    """Return the samples of every metric by (service, metric), each service asked where its metrics are."""
    from release_watch.baseline.frames import frames
    from release_watch.baseline.metrics import metric_specs

    step = run.config.policies.baseline.step
    found: dict[tuple[str, str], pd.Series] = {}
    for service in run.services:
        specs = metric_specs([service], step=step, version=version)
        found |= frames(specs, run.backends.metrics(service), window, step)
    return found


def captured_baseline(
    run: ProtocolRun, kind: BaselineKind, window: tuple[datetime, datetime], version: str | None = None
) -> BaselineMetrics:
    """Return the baseline of ``window``, over the series of ``version`` where one is given."""
    from release_watch.baseline.capture import document
    from release_watch.baseline.metrics import metric_specs

    policies = run.config.policies
    specs = metric_specs(run.services, step=policies.baseline.step, version=version)
    series = samples(run, window, version)
    return document(kind, specs, series, window, policies.baseline.step, run.release, policies)


def coverage_audit(run: ProtocolRun) -> InstrumentationAudit:
    """Return the audit as it was written last."""
    from release_watch.artifacts.models import InstrumentationAudit

    return run.store.read_model(AUDIT, InstrumentationAudit)
