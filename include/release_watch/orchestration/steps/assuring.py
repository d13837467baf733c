"""Phase 3: recurring checks registered, alerts held against incidents, backlog and scorecard."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import (
    RULES,
    dashboard_record,
)
from release_watch.orchestration.steps.alert_test import alert_test_results
from release_watch.orchestration.steps.instrumentation import coverage_audit, read_documents
from release_watch.orchestration.steps.watching import BASELINE_RULES, RESULTS, baseline_rule_set
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from release_watch.artifacts.models import MonitoringResults
    from release_watch.assurance.backlog import BacklogItem
    from release_watch.assurance.correlation import Correlation
    from release_watch.assurance.registry import ActiveDashboard

SCHEDULE = "observability-schedule.json"
TUNING = "alert-tuning-report.md"
SCORECARD = "observability-scorecard.md"
BACKLOG = "improvement-backlog.md"
CORRELATION_RECORD = "records/correlation.json"
HISTORY = timedelta(days=7)


def schedule_checks(run: ProtocolRun) -> str:
    """Schedule the recurring checks and register the release with the nightly run."""
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.assurance.schedule import observability_schedule

    log.info(texts.PHASE_START[3])
    if not run.release.shadow:  # nothing of a shadow run is active, and it supersedes nothing
        ActiveReleases(artifact_root()).register(
            run.release,
            artifacts_uri=run.store.uri,
            rules=activated_rules(run),
            dashboards=activated_dashboards(run),
            endpoints=read_documents(run).endpoints_by_service(),
            at=now(),
        )
    schedule = observability_schedule(run.release, run.config, now())
    written = run.store.write_json(SCHEDULE, schedule)
    for check in schedule.checks:
        log.info("%s, %s, by %s", check.check, check.cadence, check.responsible_role)
    run.record("checks scheduled", uri=written.uri, sha256=written.sha256)
    return written.uri


def activated_rules(run: ProtocolRun) -> dict[str, str]:
    """Return the text of each activated rule file, by the name it was activated under."""
    from release_watch.slo.rules import rule_set_name

    files = {rule_set_name(run.release): RULES, baseline_rule_set(run): BASELINE_RULES}
    return {name: run.store.read_text(file) for name, file in files.items() if run.store.exists(file)}


def activated_dashboards(run: ProtocolRun) -> list[ActiveDashboard]:
    """Return the dashboards that Grafana showed back; those that are only files are not activated."""
    from release_watch.assurance.registry import ActiveDashboard

    found = dashboard_record(run).activations
    return [ActiveDashboard(uid=board.uid, title=board.title) for board in found if board.activated]


def correlate_incidents(run: ProtocolRun) -> str:
    """Hold the alerts of the last days against the incident tickets and write the tuning report."""
    from release_watch.assurance.tuning import tuning_report

    log.info(texts.CORRELATING_ALERTS)
    correlation = correlated(run)
    rules = tuple(activated_rules(run).values())
    text = tuning_report(run.release, correlation, run.config, now(), rules=rules)
    written = run.store.write_text(TUNING, text)
    run.store.write_json(CORRELATION_RECORD, correlation.model_dump(mode="json"))
    log.info(texts.automation("aggregate_coverage.py", correlation.verdict))
    run.record("alerts correlated", uri=written.uri, sha256=written.sha256)
    return written.uri


def correlated(run: ProtocolRun) -> Correlation:
    """Return how the alerts of these services matched incidents over the last days."""
    from release_watch.assurance.correlation import alert_intervals, correlate
    from release_watch.orchestration.steps.escalation import tracker

    end = now()
    window: tuple[datetime, datetime] = (end - HISTORY, end)
    alerts = alert_intervals(
        run.backends.metrics(), window, run.release.services, environment=run.release.environment
    )
    try:
        incidents = tracker(run).incidents(window[0], run.release.services)
    except ReleaseWatchError as error:
        log.warning("No incident history: %s", error)
        return correlate(alerts, None, window=window, problem=str(error))
    return correlate(alerts, incidents, window=window)


def queue_improvements(run: ProtocolRun) -> str:
    """Put instrumentation gaps, findings and slow hops into the improvement backlog."""
    from release_watch.assurance.backlog import append_backlog

    existing = run.store.read_text(BACKLOG) if run.store.exists(BACKLOG) else None
    items = improvements(run)
    written = run.store.write_text(BACKLOG, append_backlog(existing, items, run.release, now()))
    log.info("%d items in the improvement backlog", len(items))
    run.record("backlog updated", f"{run.task_id}-{written.sha256[:12]}", uri=written.uri)
    return written.uri


def improvements(run: ProtocolRun) -> list[BacklogItem]:
    """Return what is to be improved as of now."""
    from release_watch.assurance.backlog import backlog_items

    return backlog_items(
        coverage_audit(run),
        alert_test_results(run),
        monitoring_results(run),
        last_correlation(run),
        run.config,
        audited=read_documents(run).findings,
        dashboards=dashboard_record(run).activations,
    )


def monitoring_results(run: ProtocolRun) -> MonitoringResults:
    """Return what the reviews found, as it was written last."""
    from release_watch.artifacts.models import MonitoringResults

    return run.store.read_model(RESULTS, MonitoringResults)


def last_correlation(run: ProtocolRun) -> Correlation:
    """Return the correlation as it was written last."""
    from release_watch.assurance.correlation import Correlation

    return run.store.read_model(CORRELATION_RECORD, Correlation)


def publish_scorecard(run: ProtocolRun) -> str:
    """Write the scorecard: SLO attainment, coverage, alert precision, drill times, open risks."""
    from release_watch.assurance.scorecard import scorecard_markdown

    text = scorecard_markdown(
        run.release,
        run.config,
        coverage_audit(run),
        alert_test_results(run),
        monitoring_results(run),
        last_correlation(run),
        run.backends,
        now(),
        backlog=improvements(run),
    )
    written = run.store.write_text(SCORECARD, text)
    log.info("\n%s", text)
    run.record("scorecard published", uri=written.uri, sha256=written.sha256)
    return written.uri
