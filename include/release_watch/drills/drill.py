"""A drill, from the rule in Prometheus to the resolve notice at the receiver.

``fire`` starts the drills of a release and follows them to their receivers; a person answers; ``conclude``
takes the answers, ends the drills and judges. ``sweep`` removes what a killed process left. While a drill
fires it has the labels of a real page, so an inhibition rule without ``drill!="true"`` mutes the service's
real tickets meanwhile. ``direct.fire_direct`` is the cheap kind, which :func:`conclude` ends too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import now
from release_watch.drills import alertmanager, rulefile
from release_watch.drills.escalation import escalation_of
from release_watch.drills.following import POLL_SECONDS, DrillRun, Hold, follow, planned
from release_watch.drills.judging import is_not_drilled, judged_drill, not_drilled_words, receivers_of
from release_watch.drills.plan import TICKET
from release_watch.drills.receipts import Acknowledgement, Receipt, Records
from release_watch.drills.sweep import clean_up, end_alerts, sweep
from release_watch.errors import ReleaseWatchError
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    from release_watch.catalog.oncall import Paging
    from release_watch.drills.plan import DrillRoute
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends

Clock = Callable[[], datetime]
Pause = Callable[[float], None]

LIFE = timedelta(hours=1)
"""A drill that nobody ends, ends by itself."""
RESOLVE_WITHIN = timedelta(minutes=6)
"""Alertmanager's default ``group_interval`` of 5 minutes may pass before it sends the resolve notice."""


log = logging.getLogger(__name__)


def fire(
    routes: Sequence[DrillRoute],
    release: Release,
    backends: Backends,
    receivers: Records,
    *,
    deliver_within: timedelta,
    clock: Clock = now,
    pause: Pause = time.sleep,
    life: timedelta = LIFE,
    hold: Hold | None = None,
    forced_by: str | None = None,
) -> list[DrillResult]:
    """Fire one drill per route with one reload, and follow each until it is delivered or known not to arrive.

    Returns one result per route, in their order. A drill that every receiver has is INCONCLUSIVE and keeps
    firing until :func:`conclude`, at most for ``life``; the others carry their verdict and diagnosis. A route
    that ``hold`` has a reason against is not fired, and INCONCLUSIVE with that reason. Latencies count from
    the moment at which the alert was due to fire, by this machine's clock.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if a server does not answer before the drills are followed. Nothing is left behind.
    """
    test_id = rulefile.new_test_id(clock())
    runs = planned(routes, test_id, clock(), kind="full", hold=hold, forced_by=forced_by)
    able = [run for run in runs if run.open]
    if able:
        sweep(backends, release_id=release.release_id, at=clock())
        drills = {run.drill_id: run.route for run in able}

        def launch() -> datetime:
            return rulefile.launch(drills, release, test_id, backends, life=life, clock=clock)

        run_drills(
            able,
            launch,
            backends,
            receivers,
            test_id=test_id,
            deliver_within=deliver_within,
            clock=clock,
            pause=pause,
        )
    return [run.result(deliver_within) for run in runs]


def run_drills(
    runs: Sequence[DrillRun],
    launch: Callable[[], datetime],
    backends: Backends,
    receivers: Records,
    *,
    test_id: str,
    deliver_within: timedelta,
    clock: Clock,
    pause: Pause,
) -> None:
    """Launch ``runs``, all of one kind, and follow them. However this ends, no failed drill keeps firing.

    ``launch`` returns when the drills are due to fire.
    """
    direct = any(run.kind == "direct" for run in runs)
    before = alertmanager.notifications(backends.alertmanager())
    try:
        due = launch()
        follow(
            runs,
            backends,
            receivers,
            before,
            due=due,
            deadline=due + deliver_within,
            clock=clock,
            pause=pause,
        )
    except BaseException:
        clean_up([test_id], backends, clock(), direct=direct)
        raise
    if not any(run.delivered for run in runs):
        clean_up([test_id], backends, clock(), direct=direct)


def conclude(
    results: Sequence[DrillResult],
    acknowledgements: Mapping[str, Acknowledgement],
    release: Release,
    backends: Backends,
    receivers: Records,
    *,
    acknowledge_within: timedelta,
    paging: Sequence[Paging] = (),
    clock: Clock = now,
    pause: Pause = time.sleep,
    resolve_within: timedelta = RESOLVE_WITHIN,
) -> AlertTestResults:
    """End the drills, wait for the resolve notices, and return ``alert-test-results.json``.

    An acknowledgement is taken from ``acknowledgements`` (by drill id), else from the receivers. A page is GO
    if it fired, was accepted and delivered to every receiver, and was acknowledged within the target by the
    first level of ``paging`` (by anybody, if that is empty); WARN if a later level that was paged answered,
    if the resolve notice did not arrive, or if the receiver failed for somebody else. A ticket needs no
    acknowledgement. What was not fired is in ``not_drilled``. No rule and no alert of the drills is left,
    also where this raises.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if Prometheus or Alertmanager cannot be told to end the drills.
    """
    delivered = [result for result in results if result.hops.delivered.at]
    notices: dict[str, dict[str, Receipt]] = {}
    try:
        _end(delivered, backends, clock())
        notices = _resolve_notices(delivered, receivers, clock, pause, clock() + resolve_within)
    finally:
        for kind, tests in _tests(results).items():
            clean_up(tests, backends, clock(), direct=kind == "direct")
    judged: list[DrillResult] = []
    for result in results:
        notice = notices.get(result.drill_id, {})
        try:
            given = acknowledgements.get(result.drill_id) or receivers.acknowledgement(result.drill_id)
            pages = receivers.pages(result.drill_id) if paging else ()
            arrived = _first_arrival(result, receivers)
        except ReleaseWatchError as error:
            judged.append(_unknown(result, acknowledge_within, error))
            continue
        steps = escalation_of(result, paging, pages, given, target=acknowledge_within, at=clock())
        judged.append(judged_drill(result, given, notice, acknowledge_within, steps, arrived=arrived))
    drills = tuple(one for one in judged if not (is_not_drilled(one) and one.severity == TICKET))
    nothing = () if judged else ("No alert of this release can reach a person: there was no route to drill.",)
    return AlertTestResults(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=clock(),
        verdict=worst([*(one.verdict for one in judged), *(() if drills else (Verdict.INCONCLUSIVE,))]),
        drills=drills,
        not_drilled=nothing or tuple(not_drilled_words(one) for one in judged if is_not_drilled(one)),
    )


def _first_arrival(result: DrillResult, receivers: Records) -> datetime | None:
    """Return when the first of several receivers had it: from then on a person can answer."""
    if result.hops.delivered.at is None or len(receivers_of(result)) < 2:
        return None
    first = receivers.find(result.drill_id, "firing", receivers_of(result))
    return first.at if first else None


def _unknown(result: DrillResult, target: timedelta, error: ReleaseWatchError) -> DrillResult:
    told = f"Whether anybody acknowledged cannot be told: {error}. Repair that, and drill again."
    why = f"{result.diagnosis} {told}" if result.diagnosis else told
    verdict = worst([result.verdict, Verdict.ERROR])
    return result.model_copy(
        update={"target_seconds": target.total_seconds(), "verdict": verdict, "diagnosis": why}
    )


def _tests(results: Sequence[DrillResult]) -> dict[str, list[str]]:
    """Return the alert tests of the drills that were fired, by kind."""
    tests: dict[str, set[str]] = {}
    for result in results:
        if result.hops.fired.at:
            tests.setdefault(result.kind, set()).add(rulefile.alert_test_of(result.drill_id))
    return {kind: sorted(ids) for kind, ids in tests.items()}


def _end(delivered: Sequence[DrillResult], backends: Backends, at: datetime) -> None:
    tests = _tests(delivered)
    for test_id in tests.get("full", ()):
        rulefile.close(test_id, backends)
    if "direct" in tests:
        end_alerts(tests["direct"], backends, at)


def _resolve_notices(
    delivered: Sequence[DrillResult], receivers: Records, clock: Clock, pause: Pause, deadline: datetime
) -> dict[str, dict[str, Receipt]]:
    """Return the notices that a drill is over that came in time, by drill id and receiver."""
    found: dict[str, dict[str, Receipt]] = {drill.drill_id: {} for drill in delivered}
    while True:
        for drill in delivered:
            notices = found[drill.drill_id]
            for name in receivers_of(drill):
                if name not in notices and (notice := _resolved(drill, receivers, name)) is not None:
                    notices[name] = notice
        complete = all(len(found[drill.drill_id]) == len(receivers_of(drill)) for drill in delivered)
        if complete or clock() >= deadline:
            return found
        pause(POLL_SECONDS)


def _resolved(drill: DrillResult, receivers: Records, name: str) -> Receipt | None:
    try:
        return receivers.find(drill.drill_id, "resolved", [name])
    except ReleaseWatchError as error:
        log.warning(
            "Receiver %s does not tell whether drill %s was resolved: %s", name, drill.drill_id, error
        )
        return None
