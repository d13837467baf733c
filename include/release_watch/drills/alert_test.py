"""A whole alert test in one call, where no task asks the person: fire, wait for the receipts, conclude."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import now
from release_watch.drills.drill import RESOLVE_WITHIN, Clock, Pause, conclude, fire
from release_watch.drills.following import POLL_SECONDS
from release_watch.drills.plan import drill_routes
from release_watch.drills.rulefile import alert_test_of
from release_watch.drills.sweep import clean_up
from release_watch.errors import NotConfiguredError, ReleaseWatchError
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.drills.receipts import Acknowledgement, Receipts
    from release_watch.release import Release
    from release_watch.slo.rulefile import RuleGroup
    from release_watch.telemetry.backends import Backends

Tell = Callable[[Sequence[DrillResult]], None]


def tell_nobody(results: Sequence[DrillResult]) -> None:
    """Say nothing about the drills that were fired."""


def run_alert_test(
    release: Release,
    services: Sequence[Service],
    rules: Sequence[RuleGroup],
    backends: Backends,
    receipts: Receipts,
    *,
    deliver_within: timedelta,
    acknowledge_within: timedelta,
    resolve_within: timedelta = RESOLVE_WITHIN,
    clock: Clock = now,
    pause: Pause = time.sleep,
    tell: Tell = tell_nobody,
) -> AlertTestResults:
    """Fire the drills of a release, wait for their acknowledgements in the receipts, and return the results.

    ``tell`` is called with the fired drills before the wait. However this ends, no drill keeps firing.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if a server does not answer; :func:`not_run` gives the artifact that says so.
    """
    routes = drill_routes(release, services, rules, backends)
    life = deliver_within + acknowledge_within + resolve_within
    fired = fire(
        routes,
        release,
        backends,
        receipts,
        deliver_within=deliver_within,
        clock=clock,
        pause=pause,
        life=life,
    )
    try:
        tell(fired)
        answers = await_acknowledgements(fired, receipts, acknowledge_within, clock=clock, pause=pause)
    except BaseException:
        clean_up(sorted({alert_test_of(drill.drill_id) for drill in fired}), backends, clock())
        raise
    return conclude(
        fired,
        answers,
        release,
        backends,
        receipts,
        acknowledge_within=acknowledge_within,
        clock=clock,
        pause=pause,
        resolve_within=resolve_within,
    )


def await_acknowledgements(
    fired: Sequence[DrillResult],
    receipts: Receipts,
    within: timedelta,
    *,
    clock: Clock = now,
    pause: Pause = time.sleep,
) -> dict[str, Acknowledgement]:
    """Wait until every delivered drill is acknowledged in the receipts, or the target has passed.

    Returns the acknowledgements by drill id. The target counts from the moment a drill was due to fire.
    """
    answers: dict[str, Acknowledgement] = {}
    deadlines = {drill.drill_id: due + within for drill in fired if (due := due_of(drill)) is not None}
    while True:
        moment = clock()
        for drill_id in deadlines.keys() - answers.keys():
            if (given := receipts.acknowledgement(drill_id)) is not None:
                answers[drill_id] = given
        if all(moment > deadlines[drill_id] for drill_id in deadlines.keys() - answers.keys()):
            return answers
        pause(POLL_SECONDS)


def due_of(drill: DrillResult) -> datetime | None:
    """Return when a delivered drill was due to fire; None for one that did not arrive."""
    fired = drill.hops.fired
    if fired.at is None or drill.hops.delivered.at is None:
        return None
    return fired.at - timedelta(seconds=fired.latency or 0)


def not_run(release: Release, reason: ReleaseWatchError, at: datetime) -> AlertTestResults:
    """Return the results of an alert test that could not be run: INCONCLUSIVE or ERROR, and why."""
    missing = isinstance(reason, NotConfiguredError)
    return AlertTestResults(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        verdict=Verdict.INCONCLUSIVE if missing else Verdict.ERROR,
        drills=(),
        not_drilled=(str(reason),),
    )
