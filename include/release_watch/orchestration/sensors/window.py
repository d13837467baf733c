"""The baseline window: one long deferrable wait that wakes for each periodic review."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator

from release_watch.clock import now, rfc3339
from release_watch.orchestration.outlets import ISSUES_DETECTED, emit
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps import watching

if TYPE_CHECKING:
    from airflow.sdk import Context


class BaselineWindowSensor(BaseSensorOperator):
    """Watches the release for ``baseline_window`` and reviews it each ``review_interval``.

    The window's end is written down when it opens: a retry or a restarted triggerer keeps it. Between
    two reviews no worker slot is held. The window ends early when a finding calls for a response.

    :param respond: end early on a critical finding; without it the window runs to its end
    """

    def __init__(self, *, respond: bool = True, **kwargs: Any) -> None:
        super().__init__(mode="poke", outlets=[ISSUES_DETECTED], **kwargs)
        self.respond = respond

    def execute(self, context: Context) -> str:
        """Open the window and wait for the first review."""
        run = ProtocolRun.of(context)
        start = run.moment_once("window-start", now())
        end = self._end(run, start)
        log.info(
            "Baseline window from %s to %s, reviewed every %s",
            rfc3339(start),
            rfc3339(end),
            run.release.review_interval,
        )
        return self._wait(run, start, end)

    def review(self, context: Context, event: Any = None) -> str:  # noqa: ARG002 - the trigger's moment
        """Review the release once, then wait for the next review or return how the window ended."""
        run = ProtocolRun.of(context)
        start = run.moment_once("window-start", now())
        end = self._end(run, start)
        outcome = watching.review_release(run, (start, end))
        if self.respond and outcome.calls_for_response:
            log.warning("The window ends early: %s", outcome.reason)
            return self._end_with(context, run, outcome)
        if now() < end:
            return self._wait(run, start, end)
        if watching.extend_window(run, (start, end)):
            return self._wait(run, start, self._end(run, start))
        return self._end_with(context, run, outcome)

    def _end_with(self, context: Context, run: ProtocolRun, outcome: watching.Outcome) -> str:
        if outcome.open_findings:
            emit(context, ISSUES_DETECTED, run, findings=list(outcome.open_findings))
        return outcome.verdict.value

    def _end(self, run: ProtocolRun, start: datetime) -> datetime:
        length = run.release.baseline_window
        promised = run.moment_once("window-end", start + length)
        return promised + watching.extensions(run) * length / 2

    def _wait(self, run: ProtocolRun, start: datetime, end: datetime) -> NoReturn:
        moment = next_review(start, end, run.release.review_interval.total_seconds(), now())
        log.info("Next review at %s", rfc3339(moment))
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="review")


def next_review(start: datetime, end: datetime, interval_seconds: float, moment: datetime) -> datetime:
    """Return the first review after ``moment``: a whole number of intervals after ``start``, or ``end``."""
    elapsed = max((moment - start).total_seconds(), 0.0)
    due = start + timedelta(seconds=(int(elapsed // interval_seconds) + 1) * interval_seconds)
    return min(due, end)
