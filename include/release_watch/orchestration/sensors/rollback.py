"""Waiting for a rollback to end, without holding a worker slot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps.rolling_back import ROLLBACK_RECORD, add_to_tickets, advance
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowFailException

    from release_watch.response.rollback_record import RollbackRecord

LOOK_EVERY = timedelta(seconds=5)


class RollbackSensor(BaseSensorOperator):
    """Follows the rollback that was decided on; however it ends, it ends the run.

    One that a guard held back, or that the orchestrator did not answer, is asked for again with the same key
    until ``response.rollback_within`` of the policies is over.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="poke", **kwargs)

    def execute(self, context: Context) -> None:
        """Take the rollback a step on, and look again until it has ended."""
        run = ProtocolRun.of(context)
        patience = run.config.policies.response.rollback_within
        deadline = run.moment_once("rollback-deadline", now() + patience)
        record = advance(run)
        if record.stage.final:
            raise self._ended(run, record)
        if now() >= deadline:
            raise self._given_up(run, record, patience)
        self.defer(trigger=DateTimeTrigger(moment=now() + LOOK_EVERY), method_name="look_again")

    def look_again(self, context: Context, event: Any = None) -> None:  # noqa: ARG002 - the trigger's moment
        """Resume after a pause."""
        self.execute(context)

    def _ended(self, run: ProtocolRun, record: RollbackRecord) -> AirflowFailException:
        from release_watch.response.rollback_record import Stage

        last = record.events[-1].what if record.events else "no detail given"
        if record.stage is Stage.SUCCEEDED and record.rollback is not None:
            ticket = record.rollback
            reason = f"rolled back from {ticket.from_version} to {ticket.to_version}: {record.reason}"
            exit_state = ExitState.ROLLED_BACK
            next_step = "Mend the release and deploy it again; monitoring is then established afresh."
        elif record.rollback is not None:
            detail = record.rollback.detail or "no detail given"
            reason = f"rollback {record.rollback.rollback_id} failed ({detail}): {record.reason}"
            exit_state = ExitState.ABORTED
            next_step = "Roll back by hand now and tell the Operations Lead."
        else:
            reason = f"the rollback was not asked for or refused ({last}): {record.reason}"
            exit_state = ExitState.ABORTED
            next_step = (
                "Look at the release orchestrator now, and roll back by hand if the release still runs."
            )
        return self._halt(run, record, exit_state, reason, next_step)

    def _given_up(
        self, run: ProtocolRun, record: RollbackRecord, patience: timedelta
    ) -> AirflowFailException:
        last = record.events[-1].what if record.events else "no answer"
        reason = f"the rollback is not over after {in_words(patience)} ({last})"
        if record.rollback is not None:
            reason = f"rollback {record.rollback.rollback_id} is not over after {in_words(patience)}"
        next_step = "Look at the release orchestrator and roll back by hand if it hangs."
        return self._halt(run, record, ExitState.ABORTED, reason, next_step)

    def _halt(
        self, run: ProtocolRun, record: RollbackRecord, exit_state: ExitState, reason: str, next_step: str
    ) -> AirflowFailException:
        evidence = run.store.digest(ROLLBACK_RECORD)
        run.record(
            "rollback ended",
            stage=record.stage,
            rollback_id=record.rollback.rollback_id if record.rollback else None,
            uri=evidence.uri,
            sha256=evidence.sha256,
        )
        add_to_tickets(run, f"{exit_state}: {reason}\n\nEvidence: {evidence.uri}\nNext: {next_step}")
        return run.halt(exit_state, reason, next_steps=(next_step, f"Evidence: {evidence.uri}"))
