"""The baseline window: one long deferrable wait that wakes for each review, and earlier for a sign."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now, rfc3339
from release_watch.orchestration.outlets import ISSUES_DETECTED, emit
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps import between_reviews, watching
from release_watch.orchestration.triggers.watch import ReviewTrigger
from release_watch.watch.attention import polls_to_wake
from release_watch.watch.schedule import first_look, next_review

if TYPE_CHECKING:
    from airflow.sdk import Context


class BaselineWindowSensor(BaseSensorOperator):
    """Watches the release for ``baseline_window`` and reviews it each ``review_interval``, denser at first.

    The window's end is written down when it opens: a retry or a restarted triggerer keeps it. Between
    two reviews no worker slot is held: a trigger asks a few light questions, and wakes a review early when
    an alert fires or a golden signal leaves its normal range. The window ends early when a finding calls for
    a response.

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
            "Baseline window from %s to %s, reviewed every %s, more often at first",
            rfc3339(start),
            rfc3339(end),
            in_words(run.release.review_interval),
        )
        return self._wait(run, start, end, watching.signs_known(run))

    def review(self, context: Context, event: Any = None) -> str:
        """Review the release once, then wait for the next review or return how the window ended."""
        run = ProtocolRun.of(context)
        start = run.moment_once("window-start", now())
        end = self._end(run, start)
        told = watching.Woken.of(event)
        outcome = watching.review_release(run, (start, end), told)
        if self.respond and outcome.calls_for_response:
            log.warning("The window ends early: %s", outcome.reason)
            return self._end_with(context, run, outcome)
        if now() < end:
            return self._wait(run, start, end, told.known, soon=bool(told.signs))
        if watching.extend_window(run, (start, end)):
            return self._wait(run, start, self._end(run, start), told.known)
        return self._end_with(context, run, outcome)

    def _end_with(self, context: Context, run: ProtocolRun, outcome: watching.Outcome) -> str:
        if outcome.open_findings:
            emit(context, ISSUES_DETECTED, run, findings=list(outcome.open_findings))
        return outcome.verdict.value

    def _end(self, run: ProtocolRun, start: datetime) -> datetime:
        length = run.release.baseline_window
        promised = run.moment_once("window-end", start + length)
        return promised + watching.extensions(run) * length / 2

    def _wait(
        self,
        run: ProtocolRun,
        start: datetime,
        end: datetime,
        known: tuple[str, ...],
        *,
        soon: bool = False,
    ) -> NoReturn:
        """Wait for the next review; ``soon`` after one that a sign woke, to see what becomes of it."""
        policies, interval = run.config.policies, run.release.review_interval
        step, poll = policies.baseline.step, policies.watch.poll_interval
        moment = next_review(start, end, interval, step, now())
        again = now() + first_look(interval, step)
        if soon:
            moment = min(moment, again)
        asked = between_reviews.questions(run)
        log.info("Next review at %s; %s", rfc3339(moment), _between(asked, in_words(poll)))
        trigger = ReviewTrigger(
            moment=rfc3339(moment),
            asked=asked,
            poll_seconds=poll.total_seconds(),
            quiet_until=rfc3339(again if soon else now()),
            known=known,
            waking=polls_to_wake(policies.judge, step, poll),
        )
        self.defer(trigger=trigger, method_name="review")


def _between(asked: list[tuple[str, str]], poll: str) -> str:
    if not asked:
        return "nothing is asked until then"
    return f"until then alerts and golden signals are asked for every {poll}"
