"""Phase 3: recurring checks registered, alerts held against incidents, backlog and scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import RULES
from release_watch.orchestration.steps.alert_test import alert_test_results
from release_watch.orchestration.steps.dashboards import dashboard_record
from release_watch.orchestration.steps.drifting import count_drift
from release_watch.orchestration.steps.instrumentation import coverage_audit, read_documents
from release_watch.orchestration.steps.tuned_rules import rules_in_force, tuned_alerts
from release_watch.orchestration.steps.watching import BASELINE_RULES, RESULTS, baseline_rule_set
from release_watch.orchestration.storage import artifact_root, store_for

if TYPE_CHECKING:
    from release_watch.artifacts.models import MonitoringResults
    from release_watch.assurance.backlog import BacklogItem, LivingBacklog, Scope
    from release_watch.assurance.correlation import Correlation
    from release_watch.assurance.registry import ActiveDashboard
    from release_watch.assurance.scorecard import Earlier
    from release_watch.assurance.tuning.back_test import BackTest
    from release_watch.response.incidents import Incident

SCHEDULE = "observability-schedule.json"
TUNING = "alert-tuning-report.md"
TUNING_FILES = "tuning/"
SCORECARD = "observability-scorecard.md"
SCORECARD_PICTURE = "observability-scorecard.png"
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
    """Return the text of each activated rule file as tuned since, by the name it was activated under."""
    from release_watch.slo.rules import rule_set_name

    files = {rule_set_name(run.release): RULES, baseline_rule_set(run): BASELINE_RULES}
    there = {name: file for name, file in files.items() if run.store.exists(file)}
    return {name: rules_in_force(run.store, name, file) for name, file in there.items()}


def activated_dashboards(run: ProtocolRun) -> list[ActiveDashboard]:
    """Return the dashboards that Grafana showed back; those that are only files are not activated."""
    from release_watch.assurance.drift.kept_boards import digest_of
    from release_watch.assurance.registry import ActiveDashboard

    found = dashboard_record(run).activations
    return [
        ActiveDashboard(uid=board.uid, title=board.title, sha256=digest_of(run.store, board.uid))
        for board in found
        if board.activated
    ]


def correlate_incidents(run: ProtocolRun) -> str:
    """Hold the alerts of the last days against the incident tickets, try changes, write the tuning report."""
    from release_watch.assurance.tuning.kept import adjustments
    from release_watch.assurance.tuning.picture import pictures
    from release_watch.assurance.tuning.report import tuning_report

    log.info(texts.CORRELATING_ALERTS)
    correlation, incidents = correlated(run)
    rules = tuple(activated_rules(run).values())
    tests = _tried(run, correlation, incidents, rules)
    drawn = {key: f"{TUNING_FILES}{key}.png" for key in _written(run, pictures(tests))}
    text = tuning_report(
        run.release,
        correlation,
        run.config,
        now(),
        rules=rules,
        adjustments=adjustments(tuned_alerts(run), rules),
        back_tests=tests,
        pictures=drawn,
    )
    written = run.store.write_text(TUNING, text)
    run.store.write_json(CORRELATION_RECORD, correlation.model_dump(mode="json"))
    log.info(texts.automation("aggregate_coverage.py", correlation.verdict))
    run.record("alerts correlated", uri=written.uri, sha256=written.sha256)
    return written.uri


def _tried(
    run: ProtocolRun, correlation: Correlation, incidents: Sequence[Incident], rules: Sequence[str]
) -> tuple[BackTest, ...]:
    """Replay changes of noisy and blind alerts, and keep what may be proposed; none is applied here."""
    from release_watch.assurance.tuning.choosing import back_tests

    slos = run.config.slos_of(run.release.services)
    tested = back_tests(
        correlation,
        incidents,
        rules,
        run.backends.metrics(),
        slos,
        run.config.policies.alert_quality,
    )
    for problem in tested.problems:
        log.warning("Not replayed: %s", problem)
    for test in tested.tests:
        if test.proposal is None:
            log.info("No change of %s is better on the past", test.rule.alert)
            continue
        name = f"{TUNING_FILES}{test.proposal.proposal_id}.json"
        written = run.store.write_bytes(name, test.proposal.document())
        log.info("Proposed: %s, to be approved by a person: %s", test.proposal.proposal_id, written.uri)
    return tested.tests


def _written(run: ProtocolRun, images: Mapping[str, bytes]) -> list[str]:
    for key, image in images.items():
        run.store.write_bytes(f"{TUNING_FILES}{key}.png", image)
    return list(images)


def correlated(run: ProtocolRun) -> tuple[Correlation, Sequence[Incident]]:
    """Return how the alerts of these services matched incidents over the last days, and the incidents."""
    from release_watch.assurance.correlation import correlation_of
    from release_watch.assurance.quality.collecting import alert_quality, incidents_or_why

    end = now()
    window: tuple[datetime, datetime] = (end - HISTORY, end)
    services = run.release.services
    known = incidents_or_why(run.backends, run.config, window[0], services)
    if known.found is None:
        log.warning("No incident history: %s", known.problem)
    report = alert_quality(
        run.backends, run.config, window, services, environment=run.release.environment, tickets=known
    )
    return correlation_of(report), known.lasting_into(window)


def queue_improvements(run: ProtocolRun) -> str:
    """Put gaps, findings, noise and slow hops into the backlog of the environment; keep a copy as evidence.

    An item whose cause is gone is closed; each has one ticket where a tracker is connected. In shadow mode
    the copy is all that is written.
    """
    from release_watch.assurance.backlog import LivingBacklog, Origin, amended, copied

    living = LivingBacklog(artifact_root(), run.release.environment)
    origin = Origin(run.release.environment, run.release.release_id)
    copy = run.store.read_text(BACKLOG) if run.store.exists(BACKLOG) else None
    now_so = amended(living.read() or copy, improvements(run), origin, now(), scope=_looked_at(run))
    text = now_so.text
    if not run.release.shadow:
        living.write(text)
        text = _filed(run, living, text)
    written = run.store.write_text(BACKLOG, copied(text, origin, living.uri, now(), earlier=copy))
    log.info(
        "Improvement backlog: %d new, %d closed, %d back; %s",
        len(now_so.added),
        len(now_so.closed),
        len(now_so.reopened),
        living.uri,
    )
    run.record("backlog updated", f"{run.task_id}-{written.sha256[:12]}", uri=written.uri)
    return written.uri


def _filed(run: ProtocolRun, living: LivingBacklog, text: str) -> str:
    """Return the backlog with its tickets; a tracker that is away stops nothing."""
    from release_watch.orchestration.steps.escalation import tracker

    try:
        for reference in living.filed(tracker(run)):
            log.info("Ticket %s", reference)
    except ReleaseWatchError as error:
        log.warning("The tickets are not in line with the backlog: %s", error)
        run.record("no ticket was filed", "backlog-tickets", reason=str(error))
    return living.read() or text


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


def _looked_at(run: ProtocolRun) -> Scope:
    from release_watch.assurance.backlog import scope_of

    return scope_of(
        run.release.services,
        coverage_audit(run),
        alert_test_results(run),
        monitoring_results(run),
        last_correlation(run),
        dashboard_record(run).activations,
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
    """Write the scorecard as page, picture and data, beside that of the release before."""
    from release_watch.assurance import scorecard as cards
    from release_watch.assurance.scorecard.picture import draw

    sources = cards.Sources(
        audit=coverage_audit(run),
        results=alert_test_results(run),
        monitoring=monitoring_results(run),
        correlation=last_correlation(run),
        drift=count_drift(run),
        backlog=tuple(improvements(run)),
    )
    at, where = now(), run.release.environment
    slos = cards.slo_lines(run.config, run.services, run.backends, at, where)
    card = cards.scorecard(run.release, run.config, sources, slos, at)
    run.store.write_json(cards.NAME, card)
    run.store.write_bytes(SCORECARD_PICTURE, draw(card))
    text = cards.scorecard_markdown(card, scorecards_before(run), picture=SCORECARD_PICTURE)
    written = run.store.write_text(SCORECARD, text)
    log.info("\n%s", text)
    run.record("scorecard published", uri=written.uri, sha256=written.sha256)
    return written.uri


def scorecards_before(run: ProtocolRun) -> list[Earlier]:
    """Return the scorecard of the release before, if there was one and it can be read."""
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.assurance.scorecard import NAME, Earlier, Scorecard

    try:
        before = ActiveReleases(artifact_root()).predecessor(run.release)
    except ReleaseWatchError as error:
        log.warning("No comparison with the release before: %s", error)
        return []
    if before is None:
        return []
    try:
        card = store_for(before.release).read_model(NAME, Scorecard)
    except (ReleaseWatchError, ValueError) as error:
        log.warning("No comparison with release %s: %s", before.release.release_id, error)
        return []
    return [Earlier(f"release {before.release.release_id}", card)]
