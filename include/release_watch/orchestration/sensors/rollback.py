"""Waiting for a rollback to end, without holding a worker slot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now
from release_watch.errors import BackendError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.watching import ROLLBACK, rollback_reason
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowFailException

    from release_watch.response.rollback import RollbackTicket

LOOK_EVERY = timedelta(seconds=5)
PATIENCE = timedelta(minutes=30)


class RollbackSensor(BaseSensorOperator):
    """Follows the rollback that was asked for; however it ends, it ends the run."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="poke", **kwargs)

    def execute(self, context: Context) -> None:
        """Look at the rollback, and look again until it has ended."""
        run = ProtocolRun.of(context)
        deadline = run.moment_once("rollback-deadline", now() + PATIENCE)
        ticket = self._ticket(run)
        if ticket.finished:
            raise self._ended(run, ticket)
        if now() >= deadline:
            raise run.halt(
                ExitState.ABORTED,
                f"rollback {ticket.rollback_id} is not over after {in_words(PATIENCE)}",
                next_steps=("Look at the release orchestrator and roll back by hand if it hangs.",),
            )
        self.defer(trigger=DateTimeTrigger(moment=now() + LOOK_EVERY), method_name="look_again")

    def look_again(self, context: Context, event: Any = None) -> None:  # noqa: ARG002 - the trigger's moment
        """Resume after a pause."""
        self.execute(context)

    def _ticket(self, run: ProtocolRun) -> RollbackTicket:
        from release_watch.response.rollback import RollbackTicket, rollback_status

        known = run.store.read_model(ROLLBACK, RollbackTicket)
        try:
            ticket = rollback_status(run.backends.orchestrator(), run.release) or known
        except BackendError as error:
            log.warning("The rollback's status is not known: %s", error)
            return known
        run.store.write_json(ROLLBACK, ticket)
        return ticket

    def _ended(self, run: ProtocolRun, ticket: RollbackTicket) -> AirflowFailException:
        from release_watch.response.rollback import RollbackStatus

        reason = rollback_reason(run)
        run.record("rollback ended", status=ticket.status, rollback_id=ticket.rollback_id)
        if ticket.status is RollbackStatus.SUCCEEDED:
            return run.halt(
                ExitState.ROLLED_BACK,
                f"rolled back from {ticket.from_version} to {ticket.to_version}: {reason}",
                next_steps=("Mend the release and deploy it again; monitoring is then established afresh.",),
            )
        return run.halt(
            ExitState.ABORTED,
            f"rollback {ticket.rollback_id} failed ({ticket.detail or 'no detail given'}): {reason}",
            next_steps=("Roll back by hand now and tell the Operations Lead.",),
        )
