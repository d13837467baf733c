"""Sensors that wait for upstream: deployment validated, feature flags active, documents there."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import CONNECTION_VARIABLE
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowFailException
    from airflow.triggers.base import BaseTrigger

    from release_watch.evidence.signals import SignalState

NOTIFY = ("Tell the Operations Lead and the Technical Lead.",)


class UpstreamSignalSensor(BaseSensorOperator):
    """Looks once on the worker, then waits on the triggerer until the deadline promised first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="poke", **kwargs)

    @abstractmethod
    def look(self, run: ProtocolRun) -> SignalState:
        """Return how the signal stands now."""

    @abstractmethod
    def trigger(self, run: ProtocolRun, poll_seconds: float, deadline: str) -> BaseTrigger:
        """Return the trigger that goes on looking."""

    def execute(self, context: Context) -> str:
        """Return the signal's message if it is there, else defer."""
        from release_watch.orchestration.triggers.signals import event_payload

        run = ProtocolRun.of(context)
        waiting = run.config.policies.signals
        if run.withdraw_stop():  # somebody cleared this task
            run.forget(f"deadline-{self.task_id}")
        deadline = run.moment_once(f"deadline-{self.task_id}", now() + waiting.deadline)
        state = self._first_look(run)
        event = event_payload(state, now(), deadline)
        if event is None:
            log.info("%s; waiting until %s", state.message, rfc3339(deadline))
            self.defer(
                trigger=self.trigger(run, waiting.poll_interval.total_seconds(), rfc3339(deadline)),
                method_name="execute_complete",
            )
        return self.execute_complete(context, event)

    def execute_complete(self, context: Context, event: dict[str, str]) -> str:
        """Return when the signal is there; a refused or missing signal ends the run as BLOCKED."""
        from release_watch.evidence.signals import SignalStatus

        run = ProtocolRun.of(context)
        if event["status"] == SignalStatus.READY:
            log.info("%s", event["message"])
            run.record("upstream signal received", message=event["message"])
            return event["status"]
        raise self._blocked(run, event)

    def _first_look(self, run: ProtocolRun) -> SignalState:
        from release_watch.evidence.signals import SignalState, SignalStatus

        try:
            return self.look(run)
        except Exception as error:  # the trigger goes on looking until the deadline
            return SignalState(SignalStatus.WAITING, f"{type(error).__name__}: {error}")

    def _blocked(self, run: ProtocolRun, event: dict[str, str]) -> AirflowFailException:
        from release_watch.evidence.signals import SignalStatus

        if event["status"] == SignalStatus.REFUSED:
            return run.halt(
                ExitState.BLOCKED,
                event["message"],
                next_steps=("Mend the deployment and deploy again.", *NOTIFY),
            )
        waited = in_words(run.config.policies.signals.deadline)
        return run.halt(
            ExitState.BLOCKED,
            f"upstream signal did not come within {waited}: {event['message']}",
            next_steps=("Ask release orchestration why it is missing, then trigger the run again.", *NOTIFY),
        )


class HttpSignalSensor(UpstreamSignalSensor):
    """Waits for a signal that the release orchestrator serves over HTTP.

    :param signal: a key of :data:`release_watch.evidence.signals.SIGNALS`
    """

    def __init__(self, *, signal: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signal = signal

    def look(self, run: ProtocolRun) -> SignalState:
        """Ask the orchestrator once."""
        from release_watch.evidence.signals import SIGNALS

        path = f"/deployments/{run.release.deployment_id}/{self.signal}"
        answer = run.backends.orchestrator().request("GET", path)
        return SIGNALS[self.signal](answer.status, answer.body)

    def trigger(self, run: ProtocolRun, poll_seconds: float, deadline: str) -> BaseTrigger:
        """Return the trigger that goes on asking."""
        from release_watch.orchestration.triggers.signals import HttpSignalTrigger

        return HttpSignalTrigger(
            conn_id=run.backends.orchestrator_connection(),
            signal=self.signal,
            deployment_id=run.release.deployment_id,
            poll_seconds=poll_seconds,
            deadline=deadline,
        )


class DocumentsSensor(UpstreamSignalSensor):
    """Waits until the deployment documents lie in the evidence folder."""

    def look(self, run: ProtocolRun) -> SignalState:
        """List the folder once."""
        from release_watch.orchestration.triggers.signals import documents_state

        return documents_state(run.release.evidence_uri, _conn_id())

    def trigger(self, run: ProtocolRun, poll_seconds: float, deadline: str) -> BaseTrigger:
        """Return the trigger that goes on listing."""
        from release_watch.orchestration.triggers.signals import DocumentsTrigger

        return DocumentsTrigger(
            evidence_uri=run.release.evidence_uri,
            conn_id=_conn_id(),
            poll_seconds=poll_seconds,
            deadline=deadline,
        )


def _conn_id() -> str | None:
    return os.environ.get(CONNECTION_VARIABLE)
