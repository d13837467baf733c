"""Phase 2: a drill through the real alert path, and what became of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import active_rules
from release_watch.orchestration.steps.answers import answer_on_record, granted
from release_watch.orchestration.storage import artifact_root
from release_watch.verdict import ExitState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from release_watch.artifacts.models import AlertTestResults, DrillResult
    from release_watch.drills.receipts import Acknowledgement, Receipts

FIRED_DRILLS = "records/drills.json"
REPEATED = "records/drill-repeated.json"
ALERT_TEST = "alert-test-results.json"


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


def receipts() -> Receipts:
    """Return the receipts that the receiver endpoint records."""
    from release_watch.drills.receipts import Receipts

    return Receipts.under(artifact_root())


def fire_drill(run: ProtocolRun) -> str:
    """Fire a synthetic incident through Prometheus and Alertmanager and follow it to the receiver."""
    from release_watch.drills.drill import fire
    from release_watch.drills.plan import drill_routes

    log.info(texts.TRIGGERING_ALERTS)
    if run.release.shadow:
        log.info("Shadow mode: would have fired a drill; nobody is paged")
        run.store.write_json(FIRED_DRILLS, {"drills": []})
        return Verdict.INCONCLUSIVE.value
    routes = drill_routes(run.release, run.services, active_rules(run), run.backends)
    results = fire(
        routes,
        run.release,
        run.backends,
        receipts(),
        deliver_within=run.config.policies.drill.deliver_within,
    )
    run.store.write_json(FIRED_DRILLS, {"drills": [result.model_dump(mode="json") for result in results]})
    for result in results:
        delivered = result.hops.delivered.latency
        seen = f"delivered after {delivered:.1f} s" if delivered is not None else result.diagnosis
        log.info("DRILL %s (%s, %s): %s", result.drill_id, result.service, result.receiver, seen)
    run.record("drill fired", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", drills=[r.drill_id for r in results])
    return Verdict.GO.value if results and all(r.hops.delivered.at for r in results) else Verdict.NO_GO.value


def fired_drills(run: ProtocolRun) -> list[DrillResult]:
    """Return the drills as they stood after firing."""
    from release_watch.artifacts.models import DrillResult

    stored = json.loads(run.store.read_bytes(FIRED_DRILLS))
    return [DrillResult.model_validate(drill) for drill in stored["drills"]]


def choose_acknowledgement(run: ProtocolRun) -> str:
    """Return whether there is a delivered drill that somebody can acknowledge."""
    drills = fired_drills(run)
    delivered = bool(drills) and all(drill.hops.delivered.at for drill in drills)
    return "acknowledge_drill" if delivered else "drill_undelivered"


def drill_undelivered(run: ProtocolRun) -> str:
    """Nobody is asked to acknowledge what did not arrive."""
    for drill in fired_drills(run):
        log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    return Verdict.NO_GO.value


def conclude_drill(run: ProtocolRun) -> str:
    """Resolve the drill, clean it up, and write what each hop took and who acknowledged it."""
    from release_watch.drills.receipts import Acknowledgement

    answers = {}
    if run.store.exists("records/approval-acknowledge_drill.json"):
        answer = answer_on_record(run, "acknowledge_drill")
        if answer.answer == "yes" and answer.responded_by and answer.responded_at:
            for drill in fired_drills(run):
                answers[drill.drill_id] = Acknowledgement(answer.responded_by, answer.responded_at)
    return write_results(run, fired_drills(run), answers)


def write_results(run: ProtocolRun, fired: list[DrillResult], answers: Mapping[str, Acknowledgement]) -> str:
    """Conclude the drills and write ``alert-test-results.json``."""
    from release_watch.drills.drill import conclude

    results = conclude(
        fired,
        answers,
        run.release,
        run.backends,
        receipts(),
        acknowledge_within=run.config.policies.drill.acknowledge_within,
    )
    written = run.store.write_json(ALERT_TEST, results)
    log.info(texts.automation("workflow_automation.py (alert-test)", results.verdict))
    if not results.verdict.proceeds and not run.release.shadow:
        log.error(texts.ALERT_NOT_DELIVERED)
        for drill in results.drills:
            log.error("DRILL %s: %s", drill.drill_id, drill.diagnosis)
    run.record(
        "drill concluded", f"{run.task_id}-{now():%Y%m%dT%H%M%S}", verdict=results.verdict, uri=written.uri
    )
    return written.uri


def drill_again(run: ProtocolRun) -> None:
    """Repeat a failed drill while Gate 2 waits for remediation.

    No task can ask for the acknowledgement then: the person on call gives it at the receiver
    (``POST /release-watch/drills/<drill id>/acknowledge``). Until it is given or its time is over, the
    drill that was fired is waited for, and on-call is not paged again.
    """
    if run.store.exists(ALERT_TEST) and alert_test_results(run).verdict.proceeds:
        return
    if not run.store.exists(REPEATED):
        fire_drill(run)
        run.store.write_json(REPEATED, {"fired_at": rfc3339(now())})
    drills = fired_drills(run)
    fired_at = datetime.fromisoformat(json.loads(run.store.read_bytes(REPEATED))["fired_at"])
    waiting = [
        d.drill_id for d in drills if d.hops.delivered.at and not receipts().acknowledgement(d.drill_id)
    ]
    if waiting and now() < fired_at + run.config.policies.drill.acknowledge_within:
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


def alert_test_results(run: ProtocolRun) -> AlertTestResults:
    """Return the alert test as it was written last."""
    from release_watch.artifacts.models import AlertTestResults

    return run.store.read_model(ALERT_TEST, AlertTestResults)
