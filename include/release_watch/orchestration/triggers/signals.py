"""Triggers that wait for what upstream has to say, until an absolute deadline."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.evidence.inert import visible
from release_watch.evidence.signals import SIGNALS, Asked, SignalState, SignalStatus, configuration_state
from release_watch.orchestration.storage import open_path

if TYPE_CHECKING:
    from release_watch.catalog.config import Config
    from release_watch.orchestration.hooks.async_transport import AsyncServerHook


log = logging.getLogger("release_watch")

PROGRESS = timedelta(minutes=10)
"""How often a wait says that it goes on."""


def event_payload(state: SignalState, moment: datetime, deadline: datetime) -> dict[str, str] | None:
    """Return the event for ``state`` at ``moment``, or None to go on waiting."""
    if state.status is SignalStatus.WAITING and moment < deadline:
        return None
    status = "timeout" if state.status is SignalStatus.WAITING else state.status.value
    remedy = {"remedy": state.remedy} if state.remedy else {}
    return {"status": status, "message": state.message, **remedy}


def failed_look(error: Exception) -> SignalState:
    """Return the state where looking failed: what is down may come back before the deadline."""
    return SignalState(SignalStatus.WAITING, visible(f"{type(error).__name__}: {error}", 500))


class _SignalTrigger(BaseTrigger):
    def __init__(self, *, poll_seconds: float, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_seconds = poll_seconds
        self.deadline = deadline

    @abstractmethod
    async def look(self) -> SignalState:
        """Return how the signal stands now."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the signal is ready or refused, or the deadline has passed; a failed look waits on.

        Each change of what is seen is logged once, and now and then that the wait goes on.
        """
        deadline = datetime.fromisoformat(self.deadline)
        told, told_at = "", now()
        while True:
            try:
                state = await self.look()
            except Exception as error:
                state = failed_look(error)
            moment = now()
            payload = event_payload(state, moment, deadline)
            if payload is not None:
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                return
            if state.message != told or moment - told_at >= PROGRESS:
                still = "Still waiting" if state.message == told else "Waiting"
                self.log.info("%s until %s: %s", still, rfc3339(deadline), state.message)
                told, told_at = state.message, moment
            await asyncio.sleep(self.poll_seconds)


class HttpSignalTrigger(_SignalTrigger):
    """Waits for an HTTP signal of the release orchestrator.

    :param conn_id: connection of the release orchestrator
    :param signal: a key of :data:`release_watch.evidence.signals.SIGNALS`
    :param deployment_id: whose signal
    :param poll_seconds: pause between looks
    :param deadline: ISO 8601 moment at which waiting ends
    """

    def __init__(
        self, *, conn_id: str, signal: str, deployment_id: str, poll_seconds: float, deadline: str
    ) -> None:
        super().__init__(poll_seconds=poll_seconds, deadline=deadline)
        self.conn_id = conn_id
        self.signal = signal
        self.deployment_id = deployment_id
        self._hook: AsyncServerHook | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conn_id": self.conn_id,
            "signal": self.signal,
            "deployment_id": self.deployment_id,
            "poll_seconds": self.poll_seconds,
            "deadline": self.deadline,
        }

    async def look(self) -> SignalState:
        """Ask the orchestrator once."""
        from release_watch.orchestration.hooks.async_transport import AsyncServerHook

        if self._hook is None:
            self._hook = AsyncServerHook("GET", self.conn_id, retry_limit=1)
        answer = await self._hook.get(f"/deployments/{self.deployment_id}/{self.signal}")
        return SIGNALS[self.signal](answer.status, answer.body, Asked(self.deployment_id, self.conn_id))


class DocumentsTrigger(_SignalTrigger):
    """Waits until the required deployment documents lie in the evidence folder.

    :param evidence_uri: fsspec URL of the folder
    :param conn_id: connection with the storage credentials, if it needs any
    :param poll_seconds: pause between looks
    :param deadline: ISO 8601 moment at which waiting ends
    """

    def __init__(self, *, evidence_uri: str, conn_id: str | None, poll_seconds: float, deadline: str) -> None:
        super().__init__(poll_seconds=poll_seconds, deadline=deadline)
        self.evidence_uri = evidence_uri
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "evidence_uri": self.evidence_uri,
            "conn_id": self.conn_id,
            "poll_seconds": self.poll_seconds,
            "deadline": self.deadline,
        }

    async def look(self) -> SignalState:
        """List the folder once, in a thread: storage clients block."""
        return await asyncio.to_thread(documents_state, self.evidence_uri, self.conn_id)


class ObservabilityTrigger(_SignalTrigger):
    """Waits until each service is described by the deployment or mapped in the catalogue.

    :param release: the params of the release
    :param awaited: the services that the catalogue did not map when the wait began, with their owners
    :param conn_id: connection with the storage credentials, if it needs any
    :param poll_seconds: pause between looks
    :param deadline: ISO 8601 moment at which waiting ends
    """

    def __init__(
        self,
        *,
        release: dict[str, Any],
        awaited: dict[str, str],
        conn_id: str | None,
        poll_seconds: float,
        deadline: str,
    ) -> None:
        super().__init__(poll_seconds=poll_seconds, deadline=deadline)
        self.release = release
        self.awaited = awaited
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "release": self.release,
            "awaited": self.awaited,
            "conn_id": self.conn_id,
            "poll_seconds": self.poll_seconds,
            "deadline": self.deadline,
        }

    async def look(self) -> SignalState:
        """Read catalogue and folder once, in a thread: both block."""
        return await asyncio.to_thread(observability_state, self.release, self.conn_id, self.awaited)


def observability_state(
    params: Mapping[str, Any],
    conn_id: str | None,
    awaited: Mapping[str, str],
    config: Config | None = None,
) -> SignalState:
    """Return whether each service is described or mapped, as of now.

    A catalogue that was mended meanwhile counts; where none can be read, ``awaited`` are waited for.
    """
    from release_watch.catalog.config import load_config
    from release_watch.catalog.policies import Policies
    from release_watch.evidence.documents import described_services
    from release_watch.evidence.prerequisites import undescribed
    from release_watch.release import Release

    release = Release.from_params(params)
    policies = Policies()
    try:
        config = config or load_config()
        services = config.catalog.select(release.services)
        awaited = {service.name: service.owner for service in undescribed(services, ())}
        policies = config.policies
    except ReleaseWatchError as error:
        log.debug("The catalogue cannot be read here: %s", error)
    if not awaited:
        return SignalState(SignalStatus.READY, "the catalogue maps every service")
    folder = open_path(release.evidence_uri, conn_id)
    described, problems = described_services(folder, release, policies)
    return configuration_state(awaited, described, problems)


def documents_state(evidence_uri: str, conn_id: str | None) -> SignalState:
    """Return whether all required documents are there."""
    from release_watch.evidence.documents import missing_documents

    try:
        missing = missing_documents(open_path(evidence_uri, conn_id))
    except ReleaseWatchError as error:
        return SignalState(SignalStatus.REFUSED, str(error))
    if missing:
        return SignalState(SignalStatus.WAITING, f"not yet in {evidence_uri}: {', '.join(missing)}")
    return SignalState(SignalStatus.READY, "all deployment documents are there")
