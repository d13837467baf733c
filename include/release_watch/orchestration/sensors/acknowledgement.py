"""Waiting for the person on call to acknowledge a drill in the system that pages them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator

from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps import alert_test, drill_answers
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

LOOK_EVERY = timedelta(seconds=15)


class AcknowledgementSensor(BaseSensorOperator):
    """Looks at the receivers' records until every page is acknowledged, or its time is over.

    Between two looks no worker slot is held. A level that is silent for its time is followed by the next,
    unless the receiver escalates by itself.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="poke", **kwargs)

    def execute(self, context: Context) -> str:
        """Look for the first time."""
        return self.look(context)

    def look(self, context: Context, event: Any = None) -> str:  # noqa: ARG002 - the trigger's moment
        """Return GO once all are acknowledged, NO_GO when the time is over; else look again later."""
        run = ProtocolRun.of(context)
        drills = alert_test.fired_drills(run)
        waiting = alert_test.unanswered(run, drills)
        if not waiting:
            return Verdict.GO.value
        if now() >= self._deadline(run):
            log.warning("DRILL: nobody acknowledged %s in time", ", ".join(waiting))
            return Verdict.NO_GO.value
        drill_answers.page_the_silent_level(run, drills)
        log.info("DRILL: %s not acknowledged yet", ", ".join(waiting))
        return self._wait(run)

    def _deadline(self, run: ProtocolRun) -> datetime:
        from release_watch.drills.escalation import due_of

        fired = [due for drill in alert_test.fired_drills(run) if (due := due_of(drill)) is not None]
        return min(fired, default=now()) + run.config.policies.drill.acknowledge_within

    def _wait(self, run: ProtocolRun) -> NoReturn:
        moment = min(now() + LOOK_EVERY, self._deadline(run))
        log.debug("Next look at %s", rfc3339(moment))
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="look")
