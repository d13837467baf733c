"""Sensors that wait for upstream: validation, feature flags, documents, observability configuration."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now, rfc3339
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import CONNECTION_VARIABLE
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowFailException
    from airflow.triggers.base import BaseTrigger

    from release_watch.evidence.signals import SignalState


class UpstreamSignalSensor(BaseSensorOperator):
    """Looks once on the worker, then waits on the triggerer until the deadline promised first.

    A signal that is refused or does not come ends the run as BLOCKED, and the leads are told at once; in
    shadow mode that is only recorded.
    """

    needed_in_shadow = False
    """Whether a shadow run has nothing to go on with where the signal does not come."""
    ask = "Ask release orchestration why it is missing, then trigger the run again."

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
        if run.release.shadow and not self.needed_in_shadow:
            log.warning("Shadow mode: would have ended BLOCKED: %s", event["message"])
            run.record("would have been blocked", message=event["message"])
            return "shadow"
        raise self._blocked(run, event)

    def _first_look(self, run: ProtocolRun) -> SignalState:
        from release_watch.orchestration.triggers.signals import failed_look

        try:
            return self.look(run)
        except Exception as error:  # the trigger goes on looking until the deadline
            return failed_look(error)

    def _blocked(self, run: ProtocolRun, event: dict[str, str]) -> AirflowFailException:
        from release_watch.evidence.signals import SignalStatus

        if event["status"] == SignalStatus.REFUSED:
            reason, remedy = event["message"], "Mend the deployment and deploy again."
        else:
            waited = in_words(run.config.policies.signals.deadline)
            reason, remedy = f"upstream signal did not come within {waited}: {event['message']}", self.ask
        return blocked(run, reason, (event.get("remedy") or remedy,))


def blocked(run: ProtocolRun, reason: str, next_steps: tuple[str, ...]) -> AirflowFailException:
    """End the run as BLOCKED, tell the leads at once, and return the error to raise.

    Other tasks of the run may wait for hours before it is closed.
    """
    from release_watch.evidence.prerequisites import LEADS, on_duty

    operations, technical = (on_duty(run.config, now(), role)[0] for role in LEADS)
    notify = f"Notify the Operations Lead ({operations}) and the Technical Lead ({technical})."
    error = run.halt(ExitState.BLOCKED, reason, next_steps=(*next_steps, notify))
    subject = f"BLOCKED: release {run.release.release_id} in {run.release.environment}"
    text = "\n".join((reason, *(f"Next: {step}" for step in next_steps), f"Artifacts: {run.store.uri}"))
    for role in LEADS:
        tell(run, role, subject, text)
    return error


class HttpSignalSensor(UpstreamSignalSensor):
    """Waits for a signal that the release orchestrator serves over HTTP.

    :param signal: a key of :data:`release_watch.evidence.signals.SIGNALS`
    """

    def __init__(self, *, signal: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signal = signal

    def look(self, run: ProtocolRun) -> SignalState:
        """Ask the orchestrator once."""
        from release_watch.evidence.signals import SIGNALS, Asked

        deployment_id = run.release.deployment_id
        answer = run.backends.orchestrator().request("GET", f"/deployments/{deployment_id}/{self.signal}")
        asked = Asked(deployment_id, run.backends.orchestrator_connection())
        return SIGNALS[self.signal](answer.status, answer.body, asked)

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

    needed_in_shadow = True

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


class ObservabilitySensor(UpstreamSignalSensor):
    """Waits until each service is described by the deployment, or mapped in the catalogue."""

    ask = "Ask the owners for the observability configuration, then clear this task."

    def look(self, run: ProtocolRun) -> SignalState:
        """Read catalogue and folder once."""
        from release_watch.orchestration.triggers.signals import observability_state

        return observability_state(run.release.model_dump(mode="json"), _conn_id(), {}, run.config)

    def trigger(self, run: ProtocolRun, poll_seconds: float, deadline: str) -> BaseTrigger:
        """Return the trigger that goes on reading."""
        from release_watch.evidence.prerequisites import undescribed
        from release_watch.orchestration.triggers.signals import ObservabilityTrigger

        return ObservabilityTrigger(
            release=run.release.model_dump(mode="json"),
            awaited={service.name: service.owner for service in undescribed(run.services, ())},
            conn_id=_conn_id(),
            poll_seconds=poll_seconds,
            deadline=deadline,
        )


def _conn_id() -> str | None:
    return os.environ.get(CONNECTION_VARIABLE)
