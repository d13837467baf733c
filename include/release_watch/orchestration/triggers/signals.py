"""Triggers that wait for what upstream has to say, until an absolute deadline."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.evidence.signals import SIGNALS, SignalState, SignalStatus
from release_watch.orchestration.storage import open_path

if TYPE_CHECKING:
    from release_watch.orchestration.hooks.async_transport import AsyncServerHook


def event_payload(state: SignalState, moment: datetime, deadline: datetime) -> dict[str, str] | None:
    """Return the event for ``state`` at ``moment``, or None to go on waiting."""
    if state.status is not SignalStatus.WAITING:
        return {"status": state.status.value, "message": state.message}
    if moment >= deadline:
        return {"status": "timeout", "message": state.message}
    return None


class _SignalTrigger(BaseTrigger):
    def __init__(self, *, poll_seconds: float, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_seconds = poll_seconds
        self.deadline = deadline

    @abstractmethod
    async def look(self) -> SignalState:
        """Return how the signal stands now."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the signal is ready or refused, or the deadline has passed; a failed look waits on."""
        deadline = datetime.fromisoformat(self.deadline)
        while True:
            try:
                state = await self.look()
            except Exception as error:  # a server that is down may come back before the deadline
                state = SignalState(SignalStatus.WAITING, f"{type(error).__name__}: {error}")
            payload = event_payload(state, now(), deadline)
            if payload is not None:
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                return
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
        return SIGNALS[self.signal](answer.status, answer.body)


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
