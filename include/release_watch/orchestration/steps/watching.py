"""The baseline window: reviews, findings, the response to them, and the release baseline."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import (
    READ_BACK_WITHIN,
    compare_in_dashboards,
    tell_activation,
)
from release_watch.orchestration.steps.answers import granted
from release_watch.orchestration.steps.escalation import escalate_findings
from release_watch.orchestration.steps.instrumentation import BASELINE, REFERENCE, captured_baseline
from release_watch.orchestration.steps.rolling_back import planned_response
from release_watch.verdict import Objective, Verdict, worst

if TYPE_CHECKING:
    from release_watch.artifacts.models import Finding, MonitoringResults, Review

RESULTS = "monitoring-results.json"
RELEASE_BASELINE = "records/release-baseline.json"
BASELINE_RULES = "records/baseline-rules.yaml"

Span = tuple[datetime, datetime]


class Outcome(NamedTuple):
    """What a review concluded."""

    verdict: Verdict
    calls_for_response: bool
    reason: str
    open_findings: tuple[str, ...] = ()


def results_so_far(run: ProtocolRun, window: Span) -> MonitoringResults:
    """Return the results written so far, or empty ones."""
    from release_watch.artifacts.models import MonitoringResults, Window

    if run.store.exists(RESULTS):
        return _current(run)
    return MonitoringResults(
        release_id=run.release.release_id,
        environment=run.release.environment,
        generated_at=now(),
        verdict=Verdict.INCONCLUSIVE,
        window=Window(start=window[0], end=window[1]),
        reviews=(),
        findings=(),
    )


def review_release(run: ProtocolRun, window: Span) -> Outcome:
    """Judge the release against its reference baseline and keep the findings."""
    from release_watch.artifacts.models import Window
    from release_watch.response.findings import open_findings
    from release_watch.response.policy import Action

    so_far = results_so_far(run, window)
    moment = now()
    looked, findings = _look(run, so_far, moment)
    updated = so_far.model_copy(
        update={
            "generated_at": moment,
            "window": Window(start=window[0], end=window[1]),
            "reviews": (*so_far.reviews, looked),
            "findings": findings,
            "verdict": _verdict_over(looked, findings),
        }
    )
    run.store.write_json(RESULTS, updated)
    _log_review(looked, findings)
    run.record("review", f"review-{looked.number}", verdict=looked.verdict, reviewed_at=rfc3339(moment))
    response = planned_response(run, findings)
    escalate_findings(run, findings, response)
    return Outcome(
        looked.verdict,
        response.action in (Action.ASK, Action.ROLL_BACK),
        "; ".join(response.reasons),
        tuple(finding.finding_id for finding in open_findings(findings)),
    )


def _look(
    run: ProtocolRun, so_far: MonitoringResults, moment: datetime
) -> tuple[Review, tuple[Finding, ...]]:
    from release_watch.baseline.frames import from_parquet
    from release_watch.baseline.review import review
    from release_watch.response.findings import update_findings
    from release_watch.telemetry.prometheus_api import alerts

    number = len(so_far.reviews) + 1
    reference = from_parquet(run.store.read_bytes(REFERENCE))
    try:
        looked, judgement = review(
            number, run.release, run.services, run.backends, reference, run.config.policies, moment
        )
        active = alerts(run.backends.prometheus())
    except ReleaseWatchError as error:
        return _unreviewed(number, moment, str(error)), so_far.findings
    owners = {service.name: service.owner for service in run.services}
    findings = update_findings(
        so_far.findings, judgement, active, moment, owners=owners, since=run.release.deployed_at
    )
    return looked, findings


def _unreviewed(number: int, moment: datetime, why: str) -> Review:
    from release_watch.artifacts.models import Review

    objective = Objective(name="review", verdict=Verdict.INCONCLUSIVE, reason=why)
    return Review(number=number, at=moment, verdict=Verdict.INCONCLUSIVE, objectives=(objective,))


def _verdict_over(review: Review, findings: tuple[Finding, ...]) -> Verdict:
    from release_watch.artifacts.models import FindingState, Severity

    open_critical = [f for f in findings if f.severity is Severity.CRITICAL and f.state is FindingState.OPEN]
    return worst([review.verdict, Verdict.NO_GO]) if open_critical else review.verdict


def _log_review(review: Review, findings: tuple[Finding, ...]) -> None:
    log.info("Review %d: %s over %d objectives", review.number, review.verdict, len(review.objectives))
    for objective in review.objectives:
        if not objective.verdict.proceeds:
            log.warning("%s: %s", objective.name, objective.reason)
    for finding in findings:
        log.warning(
            "%s %s %s on %s: %s",
            finding.severity.upper(),
            finding.state,
            finding.metric,
            finding.service,
            finding.reason,
        )


def extensions(run: ProtocolRun) -> int:
    """Return how often the window was extended."""
    return len(run.kept("extension-"))


def extend_window(run: ProtocolRun, window: Span) -> bool:
    """Capture the release baseline at the window's end; extend the window if it does not convince."""
    from release_watch.artifacts.models import BaselineKind

    policies = run.config.policies
    baseline = captured_baseline(run, BaselineKind.RELEASE, window, run.release.version)
    run.store.write_json(RELEASE_BASELINE, baseline)
    if baseline.verdict.proceeds:
        return False
    done = extensions(run)
    if done >= policies.baseline.extensions:
        log.error("The baseline does not convince after %d extensions: %s", done, baseline.reason)
        return False
    run.once(f"extension-{done + 1}", {"at": rfc3339(now()), "reason": baseline.reason})
    log.warning("The baseline does not convince yet, the window is extended: %s", baseline.reason)
    return True


def _current(run: ProtocolRun) -> MonitoringResults:
    from release_watch.artifacts.models import MonitoringResults

    return run.store.read_model(RESULTS, MonitoringResults)


def look_again(run: ProtocolRun) -> None:
    """Review the release once more and capture its baseline afresh, while Gate 3 waits for remediation."""
    start = run.moment_once("window-start", now())
    review_release(run, (start, now()))
    extend_window(run, (start, now()))
    establish_baseline(run)


def choose_response(run: ProtocolRun) -> str:
    """Return what the findings of the window lead to."""
    from release_watch.response.policy import Action

    action = planned_response(run, _current(run).findings).action
    return {Action.ROLL_BACK: "roll_back", Action.ASK: "ask_rollback"}.get(action, "steady")


def choose_after_question(run: ProtocolRun) -> str:
    """Return which way the question about a rollback leads."""
    return "roll_back" if granted(run, "ask_rollback")[0] and not run.release.shadow else "keep_watching"


def baseline_rule_set(run: ProtocolRun) -> str:
    """Return the name under which the alerts against the release baseline are activated."""
    from release_watch.slo.rules import rule_set_name

    return f"{rule_set_name(run.release)}-baseline"


def establish_baseline(run: ProtocolRun) -> str:
    """Establish the release baseline and activate the alerts that compare against it."""
    from release_watch.artifacts.models import BaselineMetrics
    from release_watch.slo.activation import activate
    from release_watch.slo.baseline_rules import baseline_rule_groups
    from release_watch.slo.ownership import RuleOwner
    from release_watch.slo.rulefile import to_yaml

    baseline = run.store.read_model(RELEASE_BASELINE, BaselineMetrics)
    written = run.store.write_json(BASELINE, baseline)
    if run.release.shadow:
        log.info("Shadow mode: the baseline is %s; its alerts would have been activated", baseline.verdict)
    elif baseline.verdict.proceeds:
        text = to_yaml(baseline_rule_groups(baseline, run.services, run.release))
        name = baseline_rule_set(run)
        owner = RuleOwner.of(run.release)
        activation = activate(text, name, run.backends, timeout=READ_BACK_WITHIN, owner=owner)
        tell_activation(activation)
        compare_in_dashboards(run, baseline)
        run.store.write_text(BASELINE_RULES, text)
        run.record("baseline established", uri=written.uri, sha256=written.sha256, rules=activation.rules)
    else:
        log.error("The release baseline is %s: %s", baseline.verdict, baseline.reason)
    return baseline.verdict.value
