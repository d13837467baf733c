"""The baseline window: reviews, findings, the response to them, and the release baseline."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import (
    READ_BACK_WITHIN,
    tell_activation,
)
from release_watch.orchestration.steps.answers import granted
from release_watch.orchestration.steps.dashboards import compare_in_dashboards
from release_watch.orchestration.steps.escalation import escalate_findings
from release_watch.orchestration.steps.instrumentation import BASELINE, captured_baseline
from release_watch.orchestration.steps.rolling_back import planned_response
from release_watch.orchestration.steps.tuned_rules import carried_over, tuned_file
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    from release_watch.artifacts.models import Finding, MonitoringResults, Review
    from release_watch.orchestration.steps.reviewing import Seen

RESULTS = "monitoring-results.json"
SIGNS = "records/signs.json"
RELEASE_BASELINE = "records/release-baseline.json"
BASELINE_RULES = "records/baseline-rules.yaml"

Span = tuple[datetime, datetime]


class Outcome(NamedTuple):
    """What a review concluded."""

    verdict: Verdict
    calls_for_response: bool
    reason: str
    open_findings: tuple[str, ...] = ()


class Woken(NamedTuple):
    """What had a review made: signs that it could not wait for, or none where its time had come.

    ``known`` are all signs that this review sees, and ``unwatched`` says since when and why nothing could be
    asked before it.
    """

    signs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    unwatched: str | None = None

    @classmethod
    def of(cls, event: Any) -> Self:
        """Return what the event of the trigger says; an event of another kind says nothing."""
        if not isinstance(event, Mapping):
            return cls()
        away = event.get("away")
        unwatched = None
        if away:
            until = (
                f"from {away['since']} until {away['until']}" if "until" in away else f"since {away['since']}"
            )
            unwatched = f"nothing could be asked between reviews {until}: {away['reason']}"
        return cls(tuple(event.get("signs") or ()), tuple(event.get("known") or ()), unwatched)


UNASKED = Woken()


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


def review_release(run: ProtocolRun, window: Span, woken: Woken = UNASKED) -> Outcome:
    """Judge the release against its reference baseline and keep the findings."""
    from release_watch.artifacts.models import Window
    from release_watch.orchestration.steps.explaining import illustrated, readings
    from release_watch.orchestration.steps.reviewing import look
    from release_watch.response.findings import open_findings
    from release_watch.response.policy import Action

    so_far = results_so_far(run, window)
    moment = now()
    if woken.signs:
        log.warning("Reviewed early: %s", "; ".join(woken.signs))
    if woken.unwatched:
        log.warning("%s", woken.unwatched)
    seen = look(run, len(so_far.reviews) + 1, moment)
    looked = seen.review.model_copy(update={"woken_by": woken.signs, "unwatched": woken.unwatched})
    reviews = (*so_far.reviews, looked)
    findings = illustrated(run, seen, _findings(run, so_far, seen, moment), reviews)
    updated = so_far.model_copy(
        update={
            "generated_at": moment,
            "window": Window(start=window[0], end=window[1]),
            "reviews": reviews,
            "findings": findings,
            "metrics": readings(run, seen),
            "verdict": _verdict_over(looked, findings),
        }
    )
    run.store.write_json(RESULTS, updated)
    run.store.write_json(SIGNS, {"known": list(woken.known)})
    _log_review(looked, findings)
    run.record("review", f"review-{looked.number}", verdict=looked.verdict, reviewed_at=rfc3339(moment))
    response = planned_response(run, findings)
    if done := escalate_findings(run, findings, response):
        run.store.write_json(RESULTS, updated.model_copy(update={"findings": _with_actions(findings, done)}))
    return Outcome(
        looked.verdict,
        response.action in (Action.ASK, Action.ROLL_BACK),
        "; ".join(response.reasons),
        tuple(finding.finding_id for finding in open_findings(findings)),
    )


def _with_actions(findings: tuple[Finding, ...], done: Mapping[str, str]) -> tuple[Finding, ...]:
    return tuple(
        finding.model_copy(update={"actions": (*finding.actions, done[finding.finding_id])})
        if finding.finding_id in done
        else finding
        for finding in findings
    )


def signs_known(run: ProtocolRun) -> tuple[str, ...]:
    """Return the signs that the last review has seen."""
    return tuple(json.loads(run.store.read_bytes(SIGNS))["known"]) if run.store.exists(SIGNS) else ()


def _findings(
    run: ProtocolRun, so_far: MonitoringResults, seen: Seen, moment: datetime
) -> tuple[Finding, ...]:
    from release_watch.response.findings import update_findings

    return update_findings(
        so_far.findings,
        seen.judgement,
        seen.alerts,
        moment,
        owners={service.name: service.owner for service in (*run.services, *seen.called)},
        since=run.release.deployed_at,
        heard=seen.heard,
        called={service.name for service in seen.called},
    )


def _verdict_over(review: Review, findings: tuple[Finding, ...]) -> Verdict:
    from release_watch.artifacts.models import FindingState, Severity

    open_critical = [f for f in findings if f.severity is Severity.CRITICAL and f.state is FindingState.OPEN]
    return worst([review.verdict, Verdict.NO_GO]) if open_critical else review.verdict


def _log_review(review: Review, findings: tuple[Finding, ...]) -> None:
    """Log each finding that is new or open, and each objective that no finding tells already."""
    from release_watch.artifacts.models import FindingState, Severity

    log.info("Review %d: %s over %d objectives", review.number, review.verdict, len(review.objectives))
    told = {f"{finding.service} {finding.metric}" for finding in findings}
    for objective in review.objectives:
        if not objective.verdict.proceeds and objective.name not in told:
            log.warning("%s: %s", objective.name, objective.reason)
    for finding in findings:
        is_open = finding.state is FindingState.OPEN
        if is_open or finding.last_seen >= review.at:
            grave = is_open and finding.severity is not Severity.MINOR
            log.log(
                logging.WARNING if grave else logging.INFO,
                "%s %s: %s %s: %s",
                finding.severity.upper(),
                finding.state,
                finding.service,
                finding.metric,
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
        groups = baseline_rule_groups(baseline, run.services, run.release)
        text = to_yaml(carried_over(run, groups, baseline=True))
        name = baseline_rule_set(run)
        owner = RuleOwner.of(run.release)
        activation = activate(text, name, run.backends, timeout=READ_BACK_WITHIN, owner=owner)
        tell_activation(activation)
        compare_in_dashboards(run, baseline)
        run.store.write_text(BASELINE_RULES, text)
        run.store.remove(tuned_file(name))
        run.record("baseline established", uri=written.uri, sha256=written.sha256, rules=activation.rules)
    else:
        log.error("The release baseline is %s: %s", baseline.verdict, baseline.reason)
    return baseline.verdict.value
