"""Phase 1: upstream signals, evidence, coverage and the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import evidence_folder

if TYPE_CHECKING:
    from datetime import datetime

    from release_watch.artifacts.models import BaselineKind, BaselineMetrics, InstrumentationAudit
    from release_watch.evidence.models import Evidence

REQUIREMENTS = "monitoring-requirements.md"
AUDIT = "instrumentation-audit.json"
AUDIT_PICTURE = "instrumentation-audit.png"
BASELINE = "baseline-metrics.json"
REFERENCE_BASELINE = "records/reference-baseline.json"
SAMPLES = "records/{kind}.parquet"
REFERENCE = SAMPLES.format(kind="reference")
MOST_PROBLEMS = 50
"""Lines of one kind, such as those not understood, that stand in the log; the documents have them all."""


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
    """Record how the services behave just after the deployment, and before it: what reviews compare with."""
    from release_watch.artifacts.models import BaselineKind

    policies, moment = run.config.policies, now()
    captured_reference(run)
    since = max(run.release.deployed_at, moment - policies.baseline.reference_window)
    snapshot = captured_baseline(run, BaselineKind.SNAPSHOT, (since, moment))
    written = run.store.write_json(BASELINE, snapshot)
    run.record("snapshot captured", uri=written.uri)
    return written.uri


def captured_reference(run: ProtocolRun) -> BaselineMetrics:
    """Return the baseline from before the deployment, or of pins; it and its samples lie in the store."""
    from release_watch.artifacts.models import BaselineKind
    from release_watch.baseline.capture import reference_window
    from release_watch.baseline.excluded import LONGEST_REACH
    from release_watch.orchestration.steps.leaving_out import left_out, pinned_reference

    rules = run.config.policies.baseline
    end = run.release.deployed_at - rules.offset
    out = left_out(run, (end - LONGEST_REACH * rules.reference_window, end))
    pinned, outdated = pinned_reference(run)
    window = reference_window(run.release, run.config.policies, excluded=out.spans)
    baseline = _captured(
        run,
        BaselineKind.REFERENCE,
        window,
        excluded=out.spans,
        pinned=pinned,
        warnings=(*out.warnings, *outdated),
    )
    written = run.store.write_json(REFERENCE_BASELINE, baseline)
    run.record(
        "reference captured",
        f"reference-{baseline.generated_at:%Y%m%dT%H%M%S}",
        verdict=baseline.verdict,
        uri=written.uri,
        sha256=written.sha256,
    )
    return baseline


def captured_baseline(
    run: ProtocolRun, kind: BaselineKind, window: tuple[datetime, datetime], version: str | None = None
) -> BaselineMetrics:
    """Return the baseline of ``window``, over the series of ``version`` where one is given.

    Its samples lie in the store as Parquet. Incidents, drills and bad releases are no part of it, but for a
    snapshot, which tells what was there.
    """
    from release_watch.artifacts.models import BaselineKind
    from release_watch.orchestration.steps.leaving_out import left_out

    if kind is BaselineKind.SNAPSHOT:
        return _captured(run, kind, window, version)
    out = left_out(run, window)
    return _captured(run, kind, window, version, excluded=out.spans, warnings=out.warnings)


def _captured(
    run: ProtocolRun,
    kind: BaselineKind,
    window: tuple[datetime, datetime],
    version: str | None = None,
    **heeded: Any,
) -> BaselineMetrics:
    import io

    from release_watch.baseline.capture import capture_to, fitting_step, sources
    from release_watch.baseline.metrics import metric_specs

    policies = run.config.policies
    # A window that reaches back further keeps the step of the one that was asked for.
    length = policies.baseline.reference_window if kind.value == "reference" else window[1] - window[0]
    specs = metric_specs(run.services, step=policies.baseline.step, version=version)
    where = sources(run.services, specs, run.backends)
    file = io.BytesIO()
    baseline = capture_to(
        file, kind, where, window, fitting_step(length, policies), run.release, policies, **heeded
    )
    written = run.store.write_bytes(SAMPLES.format(kind=kind), file.getvalue())
    sampling = baseline.sampling and baseline.sampling.model_copy(update={"file": written.name})
    baseline = baseline.model_copy(update={"sampling": sampling})
    _tell(baseline)
    return baseline


def _tell(baseline: BaselineMetrics) -> None:
    """Log what a baseline was made of, and what of it does not convince."""
    from release_watch.baseline.doubt import doubts_in_words

    log.info(
        "Baseline %s of %d metrics, %s to %s: %s",
        baseline.kind,
        len(baseline.metrics),
        rfc3339(baseline.window.start),
        rfc3339(baseline.window.end),
        baseline.verdict,
    )
    for one in baseline.excluded:
        about = one.service or "all services"
        log.info("Left out %s to %s of %s: %s", rfc3339(one.start), rfc3339(one.end), about, one.reason)
    pins = {entry.service: entry.known_good for entry in baseline.metrics if entry.known_good}
    for service, pin in pins.items():
        log.info("Known-good baseline of %s: %s", service, pin)
    for warning in baseline.warnings:
        log.warning("%s", warning)
    for line in doubts_in_words(baseline.metrics)[:MOST_PROBLEMS]:
        log.warning("%s", line)


def coverage_audit(run: ProtocolRun) -> InstrumentationAudit:
    """Return the audit as it was written last."""
    from release_watch.artifacts.models import InstrumentationAudit

    return run.store.read_model(AUDIT, InstrumentationAudit)
