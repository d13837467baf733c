"""Rollback through the release orchestrator: asked for once, and followed to its end."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from release_watch.clock import Timestamp
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.release import Release
from release_watch.transport import Answer, Transport

BACKEND = "Release orchestrator"
NOT_FOUND = 404
PASSING = frozenset({408, 425, 429})
"""Answers of a server that is busy; it may take the same request later."""


class RollbackRefusedError(ReleaseWatchError):
    """The orchestrator will not roll back; a person has to look."""


class RollbackStatus(StrEnum):
    """Where a rollback stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RollbackTicket(BaseModel):
    """A rollback as the orchestrator tells of it."""

    model_config = ConfigDict(frozen=True)

    rollback_id: str
    deployment_id: str
    status: RollbackStatus
    from_version: str | None = None
    to_version: str | None = None
    requested_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    detail: str = ""

    @property
    def finished(self) -> bool:
        """Whether it came to an end, good or bad."""
        return self.status is not RollbackStatus.RUNNING


def request_rollback(orchestrator: Transport, release: Release, reason: str) -> RollbackTicket:
    """Ask the orchestrator to roll the release back, and return its ticket.

    The release's id is the idempotency key: asked again, after an answer that was lost or a crash, the
    orchestrator answers with the same rollback.

    Raises:
        RollbackRefusedError: with the orchestrator's words; asking again will not help.
        BackendError: if it does not answer, or is too busy to.
    """
    answer = orchestrator.request(
        "POST",
        _path(release),
        json={"release_id": release.release_id, "version": release.version, "reason": reason},
        headers={"Idempotency-Key": idempotency_key(release)},
    )
    if answer.status in PASSING or answer.status >= 500:
        words = f"{orchestrator.base_url}{_path(release)} answered {answer.status}"
        raise BackendError(BACKEND, words, status=answer.status)
    if answer.status >= 400:
        raise RollbackRefusedError(
            f"The orchestrator refused to roll back deployment {release.deployment_id} "
            f"({answer.status}: {_words(answer)}); roll back by hand or ask its owner"
        )
    return _ticket(orchestrator, answer)


def idempotency_key(release: Release) -> str:
    """Return the key under which a release is rolled back: once, whoever asks and however often."""
    return release.release_id


def rollback_status(orchestrator: Transport, release: Release) -> RollbackTicket | None:
    """Return how the rollback of the release stands, or None where none was asked for.

    Raises:
        BackendError: if the orchestrator does not answer, or not with a rollback.
    """
    answer = orchestrator.request("GET", _path(release))
    if answer.status == NOT_FOUND:
        return None
    if answer.status >= 400:
        raise BackendError(
            BACKEND, f"{orchestrator.base_url}{_path(release)} answered {answer.status}", status=answer.status
        )
    return _ticket(orchestrator, answer)


def _path(release: Release) -> str:
    return f"/deployments/{quote(release.deployment_id, safe='')}/rollback"


def _ticket(orchestrator: Transport, answer: Answer) -> RollbackTicket:
    try:
        return RollbackTicket.model_validate(answer.body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise BackendError(
            BACKEND, f"{orchestrator.base_url} gave an answer that is no rollback: {where}: {first['msg']}"
        ) from error


def _words(answer: Answer) -> str:
    body: Any = answer.body
    words = body.get("error", body) if isinstance(body, dict) else body
    return str(words)[:300]
