"""Phase 4: the package, the signatures, delivery and downstream notices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.answers import granted
from release_watch.orchestration.steps.assuring import queue_improvements

if TYPE_CHECKING:
    from release_watch.artifacts.models import Approval, ApprovalRecord, Manifest

CHECKSUMS = "SHA256SUMS"
MANIFEST = "monitoring-package-manifest.json"
APPROVALS = "monitoring-approval-record.json"
NOTICES = "records/notices.json"
SIGNERS = {
    "sre_approval": ("sre", "Sign the monitoring configuration as SRE?"),
    "operations_lead_approval": ("operations-lead", "Approve the monitoring setup as Operations Lead?"),
    "technical_lead_approval": ("technical-lead", "Approve the monitoring configuration as Technical Lead?"),
}
"""Who signs the package, by task: role and question."""


def file_backlog(run: ProtocolRun) -> str:
    """Bring the improvement backlog up to date before it goes into the package."""
    log.info(texts.PHASE_START[4])
    return queue_improvements(run)


def compile_package(run: ProtocolRun) -> str:
    """Bundle dashboards, alert rules, runbook and evidence, with a checksum of each file to sign."""
    from release_watch.handoff.package import write_checksums

    sums = write_checksums(run.store)
    manifest_uri = write_manifest(run)
    log.info("Package %s, SHA-256 of its checksums %s", run.store.uri, sums.sha256)
    run.record("package compiled", f"{run.task_id}-{sums.sha256[:12]}", uri=sums.uri, sha256=sums.sha256)
    return manifest_uri


def write_manifest(run: ProtocolRun) -> str:
    """Write the manifest over the artifacts as they lie in the store now, and return its URI."""
    from release_watch.handoff.package import manifest

    content = manifest(
        run.store,
        run.release,
        approvals=signatures(run),
        notices=notices_given(run),
        links=package_links(run),
        times=package_times(run),
        at=now(),
    )
    return run.store.write_json(MANIFEST, content).uri


def package_links(run: ProtocolRun) -> dict[str, str]:
    """Return where a reader finds dashboards, alert log, results and ticket."""
    links = {
        "dashboards": run.store.uri_of("dashboard-config.md"),
        "alert_log": run.store.uri_of("alert-test-results.json"),
        "results": run.store.uri_of("monitoring-results.json"),
    }
    return links | {name: ticket["reference"] for name, ticket in run.kept("ticket-").items()}


MILESTONES = {
    "run started": "monitoring_setup",
    "dashboards activated": "metric_configuration",
    "alert rules activated": "alert_configuration",
    "baseline established": "baseline_established",
    "phase 3 complete": "assurance_completed",
}


def package_times(run: ProtocolRun) -> dict[str, Any]:
    """Return when monitoring was set up, configured and based, from the audit trail."""
    times = {MILESTONES[e["event"]]: e["at"] for e in run.trail.events() if e["event"] in MILESTONES}
    return {**times, "package_compiled": rfc3339(now())}


def signatures(run: ProtocolRun) -> tuple[Approval, ...]:
    """Return the answers that people gave so far in this run."""
    from release_watch.artifacts.models import Approval

    return tuple(run.store.read_model(name, Approval) for name in run.store.names("records/approval-"))


def notices_given(run: ProtocolRun) -> tuple[dict[str, Any], ...]:
    """Return which downstream owners were told, and how they answered."""
    if not run.store.exists(NOTICES):
        return ()
    return tuple(json.loads(run.store.read_bytes(NOTICES))["notices"])


def record_approvals(run: ProtocolRun) -> str:
    """Check the signatures against the evidence and write who approved what."""
    from release_watch.handoff.approvals import approval_record

    record = approval_record(
        run.release,
        [answer for answer in signatures(run) if answer.task in SIGNERS],
        run.store,
        on_call_owner=run.config.oncall.on_duty("oncall", now()).user,
        at=now(),
    )
    written = run.store.write_json(APPROVALS, record)
    if not record.verdict.proceeds and not run.release.shadow:
        log.error(texts.APPROVAL_MISSING)
    run.record(
        "approvals recorded", f"{run.task_id}-{written.sha256[:12]}", verdict=record.verdict, uri=written.uri
    )
    return written.uri


def notify_downstream(run: ProtocolRun) -> str:
    """Tell the downstream owners once delivery is confirmed, and complete the manifest."""
    from release_watch.handoff.notices import deliver, notices, undelivered

    confirmed, who = granted(run, "confirm_delivery")
    events = notices(run.release, run.store, now())
    if not confirmed:
        log.error("Delivery was not confirmed: %s", who)
        given = undelivered(events, f"delivery was not confirmed: {who}")
    elif run.release.shadow:
        log.info("Shadow mode: would have told the downstream owners")
        given = undelivered(events, "shadow mode")
    else:
        given = deliver(run.backends.orchestrator(), events)
    for notice in given:
        log.info("Notice to %s: %s", notice["owner"], notice["proof"])
    run.store.write_json(NOTICES, {"notices": given})
    run.record("downstream notified", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", notices=given)
    return write_manifest(run)


def update_status(run: ProtocolRun, status: str) -> None:
    """Write the monitoring status into the deployment; an orchestrator that is away is logged."""
    path = f"/deployments/{run.release.deployment_id}/monitoring-status"
    body = {"status": status, "package_uri": run.store.uri_of(MANIFEST), "release_id": run.release.release_id}
    try:
        answer = run.backends.orchestrator().request("PUT", path, json=body)
    except ReleaseWatchError as error:
        log.warning("The deployment's status was not updated: %s", error)
        return
    if answer.status >= 400:
        log.warning("The deployment's status was not updated: %s answered %d", path, answer.status)


def sign_again(run: ProtocolRun) -> None:
    """Look at the signatures again: a signer's cleared approval task may have brought another answer."""
    if not approvals_recorded(run).verdict.proceeds:
        record_approvals(run)
    if not all(notice["delivered"] for notice in notices_given(run)):
        notify_downstream(run)
    write_manifest(run)


def approvals_recorded(run: ProtocolRun) -> ApprovalRecord:
    """Return the approval record as it was written last."""
    from release_watch.artifacts.models import ApprovalRecord

    return run.store.read_model(APPROVALS, ApprovalRecord)


def package_manifest(run: ProtocolRun) -> Manifest:
    """Return the manifest as it was written last."""
    from release_watch.artifacts.models import Manifest

    return run.store.read_model(MANIFEST, Manifest)
