"""Phase 2: a drill through the real alert path, and what became of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps import drill_answers
from release_watch.orchestration.steps.activation import active_rules
from release_watch.orchestration.steps.answers import granted
from release_watch.orchestration.steps.drill_answers import receivers
from release_watch.orchestration.storage import artifact_root
from release_watch.verdict import ExitState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from release_watch.artifacts.models import AlertTestResults, DrillResult
    from release_watch.drills.following import Hold
    from release_watch.drills.plan import DrillRoute
    from release_watch.drills.receipts import Acknowledgement
    from release_watch.errors import ReleaseWatchError

FIRED_DRILLS = "records/drills.json"
REPEATED = "records/drill-repeated.json"
ALERT_TEST = "alert-test-results.json"
TIME_LINE = "drill-timeline.png"
QUIET = "quiet-hours"


def choose_alert_test(run: ProtocolRun) -> str:
    """Return which way the question about the alert test leads."""
    return "fire_drill" if granted(run, "approve_alert_test")[0] else "alert_test_declined"


def alert_test_declined(run: ProtocolRun) -> str:
    """End the run: without an alert test monitoring cannot be declared complete."""
    reason = granted(run, "approve_alert_test")[1]
    raise run.halt(
        ExitState.ABORTED,
        f"the alert test was not approved: {reason}",
        next_steps=("Agree on a time for the drill with the SRE, then trigger the run again.",),
    )


def offer_to_force(run: ProtocolRun) -> datetime | None:
    """Return until when it is quiet, None if it is not; a Yes to the question then forces the drill."""
    hours = run.config.policies.drill.quiet_hours
    until = hours.end(now()) if hours else None
    return None if until is None else run.moment_once(QUIET, until)


def fire_drill(run: ProtocolRun) -> str:
    """Fire a synthetic incident through Prometheus and Alertmanager and follow it to the receivers.

    A server that does not answer fails no task: Gate 2 says what was not proven, and the drill is repeated
    until it is.
    """
    from release_watch.drills.judging import is_not_drilled

    log.info(texts.TRIGGERING_ALERTS)
    for task in drill_answers.QUESTIONS:  # what was answered before was answered to other drills
        run.store.remove(f"records/approval-{task}.json")
    if run.release.shadow:
        log.info("Shadow mode: would have fired a drill; nobody is paged")
        run.store.write_json(FIRED_DRILLS, {"drills": []})
        return Verdict.INCONCLUSIVE.value
    try:
        results = _fired(run)
    except (BackendError, NotConfiguredError) as error:
        log.error("The drill could not be fired: %s", error)
        _write_not_run(run, error)
        return Verdict.INCONCLUSIVE.value
    run.store.write_json(FIRED_DRILLS, {"drills": [result.model_dump(mode="json") for result in results]})
    for result in results:
        log.info("DRILL %s (%s to %s): %s", result.drill_id, _what(result), result.receiver, _arrival(result))
    run.record("drill fired", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", drills=[r.drill_id for r in results])
    tried = [result for result in results if not is_not_drilled(result)]
    return Verdict.GO.value if tried and all(r.hops.delivered.at for r in tried) else Verdict.NO_GO.value


def _fired(run: ProtocolRun) -> list[DrillResult]:
    from release_watch.drills.drill import fire
    from release_watch.drills.plan import drill_routes

    routes = drill_routes(run.release, run.services, active_rules(run), run.backends)
    forced_by = _forced_by(run)
    return fire(
        routes,
        run.release,
        run.backends,
        receivers(run),
        deliver_within=run.config.policies.drill.deliver_within,
        hold=_hold(run, routes, forced=forced_by is not None),
        forced_by=forced_by,
    )


def _write_not_run(run: ProtocolRun, reason: ReleaseWatchError) -> None:
    from release_watch.drills.alert_test import not_run

    run.store.write_json(FIRED_DRILLS, {"drills": [], "not_run": str(reason)})
    run.store.write_json(ALERT_TEST, not_run(run.release, reason, now()))


def _what(drill: DrillResult) -> str:
    return f"{drill.service} {drill.severity}"


def _arrival(drill: DrillResult) -> str:
    delivered = drill.hops.delivered.latency
    return f"delivered after {delivered:.1f} s" if delivered is not None else drill.diagnosis or "not seen"


def fired_drills(run: ProtocolRun) -> list[DrillResult]:
    """Return the drills as they stood after firing."""
    from release_watch.artifacts.models import DrillResult

    stored = json.loads(run.store.read_bytes(FIRED_DRILLS))
    return [DrillResult.model_validate(drill) for drill in stored["drills"]]


def choose_acknowledgement(run: ProtocolRun) -> str:
    """Return who is asked: a person in Airflow, the receivers' own records, or nobody."""
    drills = fired_drills(run)
    pages = [drill for drill in drills if drill.severity == "page"]
    if not pages or not all(drill.hops.delivered.at for drill in pages):
        return "drill_undelivered"
    return "acknowledge_drill" if drill_answers.asked_here(run, drills) else "await_acknowledgement"


def drill_undelivered(run: ProtocolRun) -> str:
    """Nobody is asked to acknowledge what did not arrive."""
    for drill in fired_drills(run):
        if drill.diagnosis:
            log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    return Verdict.NO_GO.value


def conclude_drill(run: ProtocolRun) -> str:
    """Resolve the drill, clean it up, and write what each hop took and who acknowledged it."""
    drills = fired_drills(run)
    if no := drill_answers.refused_by(run):
        log.warning("DRILL: %s answered No: the page did not reach that person", no)
    return write_results(run, drills, drill_answers.answers(run, drills))


def write_results(run: ProtocolRun, fired: list[DrillResult], answers: Mapping[str, Acknowledgement]) -> str:
    """Conclude the drills; write ``alert-test-results.json`` and its picture, and keep them for later.

    What could not be fired at all keeps the results that say so.
    """
    from release_watch.drills.drill import conclude
    from release_watch.drills.history import DrillHistory

    if json.loads(run.store.read_bytes(FIRED_DRILLS)).get("not_run"):
        return _tell_results(run, alert_test_results(run))
    results = conclude(
        fired,
        answers,
        run.release,
        run.backends,
        receivers(run),
        acknowledge_within=run.config.policies.drill.acknowledge_within,
        paging=drill_answers.paging_order(run, fired),
    )
    history = DrillHistory.under(artifact_root(), run.release.environment)
    names = {name for drill in results.drills for name in drill.receivers}
    results = results.model_copy(update={"hop_history": history.statistics(receivers=names)})
    history.add(results)
    return _tell_results(run, results)


def _tell_results(run: ProtocolRun, results: AlertTestResults) -> str:
    from release_watch.drills.timeline import timeline_png, timeline_text

    written = run.store.write_json(ALERT_TEST, results)
    run.store.write_bytes(TIME_LINE, timeline_png(results, results.hop_history))
    for line in timeline_text(results, results.hop_history).splitlines():
        log.info("%s", line)
    log.info(texts.automation("workflow_automation.py (alert-test)", results.verdict))
    if not results.verdict.proceeds and not run.release.shadow:
        log.error(texts.ALERT_NOT_DELIVERED)
        for drill in results.drills:
            if drill.diagnosis:
                log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    run.record(
        "drill concluded", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", verdict=results.verdict, uri=written.uri
    )
    return written.uri


def drill_again(run: ProtocolRun) -> None:
    """Repeat a failed drill while Gate 2 waits for remediation.

    No task can ask for the acknowledgement then: the person on call gives it at the receiver
    (``POST /release-watch/drills/<drill id>/acknowledge``). Until it is given or its time is over, the
    drill that was fired is waited for; on-call is not paged again, but the next level of escalation is.
    """
    if run.store.exists(ALERT_TEST) and alert_test_results(run).verdict.proceeds:
        return
    if not run.store.exists(REPEATED):
        fire_drill(run)
        run.store.write_json(REPEATED, {"fired_at": rfc3339(now())})
    drills = fired_drills(run)
    fired_at = datetime.fromisoformat(json.loads(run.store.read_bytes(REPEATED))["fired_at"])
    waiting = unanswered(run, drills)
    if waiting and now() < fired_at + run.config.policies.drill.acknowledge_within:
        drill_answers.page_the_silent_level(run, drills)
        for drill_id in waiting:
            log.warning(
                "DRILL %s waits for the person on call: POST /release-watch/drills/%s/acknowledge on this "
                "Airflow, logged in as that person",
                drill_id,
                drill_id,
            )
        return
    write_results(run, drills, {})
    run.store.remove(REPEATED)


def unanswered(run: ProtocolRun, drills: Sequence[DrillResult]) -> list[str]:
    """Return the ids of the delivered pages that nobody has acknowledged yet."""
    known = receivers(run)
    pages = drill_answers.delivered_pages(drills)
    return [drill.drill_id for drill in pages if known.acknowledgement(drill.drill_id) is None]


def alert_test_results(run: ProtocolRun) -> AlertTestResults:
    """Return the alert test as it was written last."""
    from release_watch.artifacts.models import AlertTestResults

    return run.store.read_model(ALERT_TEST, AlertTestResults)


def _forced_by(run: ProtocolRun) -> str | None:
    """Return who said Yes although it is quiet hours; None where nobody was told of them."""
    from release_watch.orchestration.steps.answers import answer_on_record

    if not run.kept(QUIET):
        return None
    return answer_on_record(run, "approve_alert_test").responded_by


def _hold(run: ProtocolRun, routes: Sequence[DrillRoute], *, forced: bool) -> Hold:
    from release_watch.drills.history import DrillHistory
    from release_watch.drills.manners import active_drills, holding, past_times

    policy, at = run.config.policies.drill, now()
    history = DrillHistory.under(artifact_root(), run.release.environment)
    names = {name for route in routes for name in route.expected}
    under_way = active_drills(run.backends, at, own_release=run.release.release_id)
    return holding(at, policy, past_times(history, names, policy, at), under_way, forced=forced)
