"""A drill, from the rule in Prometheus to the resolve notice at the receiver.

``fire`` starts the drills of a release and follows them to their receivers; a person answers; ``conclude``
takes the answers, ends the drills and judges. ``sweep`` removes what a killed process left. While a drill
fires it has the labels of a real page, so an inhibition rule without ``drill!="true"`` mutes the service's
real tickets meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import now
from release_watch.drills import alertmanager, rulefile
from release_watch.drills.following import POLL_SECONDS, DrillRun, follow
from release_watch.drills.judging import judged_drill
from release_watch.drills.receipts import Acknowledgement, Receipt, Receipts
from release_watch.drills.sweep import clean_up, sweep
from release_watch.verdict import worst

if TYPE_CHECKING:
    from release_watch.drills.plan import DrillRoute
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends

Clock = Callable[[], datetime]
Pause = Callable[[float], None]

LIFE = timedelta(hours=1)
"""A drill that nobody ends, ends by itself."""
RESOLVE_WITHIN = timedelta(minutes=6)
"""Alertmanager's default ``group_interval`` of 5 minutes may pass before it sends the resolve notice."""


def fire(
    routes: Sequence[DrillRoute],
    release: Release,
    backends: Backends,
    receipts: Receipts,
    *,
    deliver_within: timedelta,
    clock: Clock = now,
    pause: Pause = time.sleep,
    life: timedelta = LIFE,
) -> list[DrillResult]:
    """Fire one drill per route with one reload, and follow each until it is delivered or known not to arrive.

    Returns one result per route, in their order. A drill that was delivered is INCONCLUSIVE and keeps firing
    until :func:`conclude`, at most for ``life``; the others carry their verdict and diagnosis. Latencies
    count from the moment at which the alert was due to fire, by this machine's clock.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if a server does not answer before the drills are followed. Nothing is left behind.
    """
    test_id = rulefile.new_test_id(clock())
    runs = [DrillRun(f"{test_id}-{number}", route, clock()) for number, route in enumerate(routes, start=1)]
    able = [run for run in runs if run.open]
    if not able:
        return [run.result(deliver_within) for run in runs]
    sweep(backends, release_id=release.release_id, at=clock())
    before = alertmanager.notifications(backends.alertmanager())
    try:
        drills = {run.drill_id: run.route for run in able}
        due = rulefile.launch(drills, release, test_id, backends, life=life, clock=clock)
        follow(
            able, backends, receipts, before, due=due, deadline=due + deliver_within, clock=clock, pause=pause
        )
    except BaseException:
        clean_up([test_id], backends, clock())
        raise
    if not any(run.delivered for run in able):
        clean_up([test_id], backends, clock())
    return [run.result(deliver_within) for run in runs]


def conclude(
    results: Sequence[DrillResult],
    acknowledgements: Mapping[str, Acknowledgement],
    release: Release,
    backends: Backends,
    receipts: Receipts,
    *,
    acknowledge_within: timedelta,
    clock: Clock = now,
    pause: Pause = time.sleep,
    resolve_within: timedelta = RESOLVE_WITHIN,
) -> AlertTestResults:
    """End the drills, wait for the resolve notices, and return ``alert-test-results.json``.

    An acknowledgement is taken from ``acknowledgements`` (by drill id), else from the receipts. A drill is GO
    if it fired, was accepted and delivered, and was acknowledged within the target; WARN if it was, but the
    resolve notice did not arrive or the receiver failed for somebody else. No rule and no alert of the drills
    is left, also where this raises.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if Prometheus cannot be told to end the drills.
    """
    tests = sorted({rulefile.alert_test_of(result.drill_id) for result in results if result.hops.fired.at})
    delivered = [result for result in results if result.hops.delivered.at]
    notices: dict[str, Receipt] = {}
    try:
        if delivered:
            for test_id in tests:
                rulefile.close(test_id, backends)
            notices = _resolve_notices(delivered, receipts, clock, pause, clock() + resolve_within)
    finally:
        if tests:
            clean_up(tests, backends, clock())
    judged: list[DrillResult] = []
    for result in results:
        given = acknowledgements.get(result.drill_id) or receipts.acknowledgement(result.drill_id)
        judged.append(judged_drill(result, given, notices.get(result.drill_id), acknowledge_within))
    nothing = () if judged else ("No alert of this release can reach a person: there was no route to drill.",)
    return AlertTestResults(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=clock(),
        verdict=worst(result.verdict for result in judged),
        drills=tuple(judged),
        not_drilled=nothing,
    )


def _resolve_notices(
    delivered: Sequence[DrillResult], receipts: Receipts, clock: Clock, pause: Pause, deadline: datetime
) -> dict[str, Receipt]:
    found: dict[str, Receipt] = {}
    while True:
        for drill in delivered:
            notice = receipts.find(drill.drill_id, "resolved")
            if notice is not None:
                found[drill.drill_id] = notice
        if len(found) == len(delivered) or clock() >= deadline:
            return found
        pause(POLL_SECONDS)
