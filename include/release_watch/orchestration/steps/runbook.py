"""Phase 2: the monitoring runbook: what each alert means, first checks, mitigation, contacts."""

from __future__ import annotations

from release_watch.clock import now
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps.activation import active_rules, runbook_of
from release_watch.orchestration.steps.dashboards import dashboard_record

RUNBOOK = "RUNBOOKS/monitoring-runbook.md"


def update_runbook(run: ProtocolRun) -> str:
    """Amend the monitoring runbook: what each alert means, first checks, mitigation, contacts."""
    from release_watch.handoff.runbook import amend_runbook

    living = runbook_of(run)
    copy = run.store.read_bytes(RUNBOOK) if run.store.exists(RUNBOOK) else None
    text = amend_runbook(
        living.existing(copy),
        run.release,
        run.services,
        run.config.slos,
        active_rules(run),
        dashboard_record(run).activations,
        run.config.oncall,
        now(),
    )
    if not run.release.shadow:
        living.write(text)
    written = run.store.write_text(RUNBOOK, text)
    run.record("runbook updated", f"{run.task_id}-{written.sha256[:12]}", uri=written.uri)
    return written.uri
