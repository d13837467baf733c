"""A whole alert test in one call, where no task asks the person: fire, wait for the receipts, conclude."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.clock import now
from release_watch.drills.direct import fire_direct
from release_watch.drills.drill import RESOLVE_WITHIN, Clock, Pause, conclude, fire
from release_watch.drills.escalation import due_of
from release_watch.drills.following import Hold, Kind
from release_watch.drills.plan import TICKET, drill_routes
from release_watch.drills.rulefile import alert_test_of
from release_watch.drills.sweep import clean_up
from release_watch.errors import NotConfiguredError, ReleaseWatchError
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.catalog.oncall import Paging
    from release_watch.drills.receipts import Acknowledgement, Records
    from release_watch.release import Release
    from release_watch.slo.rulefile import RuleGroup
    from release_watch.telemetry.backends import Backends

POLL_SECONDS = 1.0
"""An acknowledgement carries its own time, so that nothing is lost by asking rarely."""
Tell = Callable[[Sequence[DrillResult]], None]


log = logging.getLogger(__name__)


def tell_nobody(results: Sequence[DrillResult]) -> None:
    """Say nothing about the drills that were fired."""


def run_alert_test(
    release: Release,
    services: Sequence[Service],
    rules: Sequence[RuleGroup],
    backends: Backends,
    receivers: Records,
    *,
    deliver_within: timedelta,
    acknowledge_within: timedelta,
    resolve_within: timedelta = RESOLVE_WITHIN,
    kind: Kind = "full",
    paging: Sequence[Paging] = (),
    hold: Hold | None = None,
    forced_by: str | None = None,
    clock: Clock = now,
    pause: Pause = time.sleep,
    tell: Tell = tell_nobody,
) -> AlertTestResults:
    """Fire the drills of a release, wait for their acknowledgements at the receivers, return the results.

    ``tell`` is called with the fired drills before the wait. ``hold`` says why a route must not be drilled
    now. ``paging`` is who is on call, by level: nobody is paged here, the receivers escalate. However this
    ends, no drill keeps firing.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if a server does not answer; :func:`not_run` gives the artifact that says so.
    """
    routes = drill_routes(release, services, rules, backends)
    life = deliver_within + acknowledge_within + resolve_within
    launch = fire_direct if kind == "direct" else fire
    fired = launch(
        routes,
        release,
        backends,
        receivers,
        deliver_within=deliver_within,
        clock=clock,
        pause=pause,
        life=life,
        hold=hold,
        forced_by=forced_by,
    )
    try:
        tell(fired)
        answers = await_acknowledgements(fired, receivers, acknowledge_within, clock=clock, pause=pause)
    except BaseException:
        tests = sorted({alert_test_of(drill.drill_id) for drill in fired})
        clean_up(tests, backends, clock(), direct=kind == "direct")
        raise
    return conclude(
        fired,
        answers,
        release,
        backends,
        receivers,
        acknowledge_within=acknowledge_within,
        paging=paging,
        clock=clock,
        pause=pause,
        resolve_within=resolve_within,
    )


def await_acknowledgements(
    fired: Sequence[DrillResult],
    receivers: Records,
    within: timedelta,
    *,
    clock: Clock = now,
    pause: Pause = time.sleep,
) -> dict[str, Acknowledgement]:
    """Wait until every delivered page is acknowledged at the receivers, or the target has passed.

    Returns the acknowledgements by drill id. The target counts from the moment a drill was due to fire. A
    receiver that does not answer meanwhile is asked again. Tickets are not waited for.
    """
    answers: dict[str, Acknowledgement] = {}
    deadlines = {
        drill.drill_id: due + within
        for drill in fired
        if drill.severity != TICKET and (due := due_of(drill)) is not None
    }
    while True:
        moment = clock()
        for drill_id in deadlines.keys() - answers.keys():
            if (given := _acknowledgement(drill_id, receivers)) is not None:
                answers[drill_id] = given
        if all(moment > deadlines[drill_id] for drill_id in deadlines.keys() - answers.keys()):
            return answers
        pause(POLL_SECONDS)


def _acknowledgement(drill_id: str, receivers: Records) -> Acknowledgement | None:
    try:
        return receivers.acknowledgement(drill_id)
    except ReleaseWatchError as error:
        log.warning("Whether drill %s was acknowledged cannot be told now: %s", drill_id, error)
        return None


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
