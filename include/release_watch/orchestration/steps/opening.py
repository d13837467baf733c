"""The plan: written, and reviewed by a person before anything else runs."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import get_current_context

from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.answers import granted
from release_watch.orchestration.storage import evidence_folder
from release_watch.verdict import ExitState

PLAN = "monitoring-plan.md"


def accept_request(run: ProtocolRun) -> str:
    """Refuse a request that names an unknown parameter, environment or service, or shows bad evidence."""
    from release_watch.catalog.config import check_release
    from release_watch.release import Release

    run.begin()
    conf = dict(getattr(get_current_context()["dag_run"], "conf", None) or {})
    unknown = sorted(set(conf) - set(Release.model_fields))
    if unknown:
        known = ", ".join(Release.model_fields)
        raise InvalidInputError([f"{name}: unknown parameter; known are {known}" for name in unknown])
    check_release(run.release, run.config)
    _inspect_evidence(run)
    release = run.release
    run.record("run started", release=release.model_dump(mode="json"), at_utc=rfc3339(now()))
    log.info(
        "Release %s, version %s, of %s, deployed to %s at %s; artifacts in %s",
        release.release_id,
        release.version,
        ", ".join(release.services),
        release.environment,
        rfc3339(release.deployed_at),
        run.store.uri,
    )
    return run.store.uri


def _inspect_evidence(run: ProtocolRun) -> None:
    from release_watch.evidence.documents import missing_documents, read_evidence

    folder = evidence_folder(run.release)
    if isinstance(folder, Path) and not folder.is_dir():
        raise InvalidInputError(
            [f"evidence_uri: {run.release.evidence_uri!r}: no such folder; give where the documents lie"]
        )
    if not missing_documents(folder):  # what is not there yet is awaited
        read_evidence(folder, run.release, run.config.policies)


def write_plan(run: ProtocolRun) -> str:
    """Write the monitoring plan: steps, scope, approach, alerting strategy, duration, risks."""
    from release_watch.evidence.plan import plan_markdown

    plan = run.store.write_text(PLAN, plan_markdown(run.release, run.config, now()))
    run.record("plan written", uri=plan.uri, sha256=plan.sha256)
    return plan.uri


def choose_after_review(run: ProtocolRun) -> str:
    """Return which way the review of the plan leads."""
    return "plan_approved" if granted(run, "review_plan")[0] else "plan_rejected"


def plan_rejected(run: ProtocolRun) -> str:
    """End the run: nothing may happen without a reviewed plan."""
    reason = granted(run, "review_plan")[1]
    raise run.halt(
        ExitState.ABORTED,
        f"the monitoring plan was not approved: {reason}",
        next_steps=("Correct the plan's inputs with the reviewer, then trigger the run again.",),
    )
