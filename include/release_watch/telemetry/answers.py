"""Reading the answers of HTTP servers: a refusal or an unexpected form is a BackendError, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from release_watch.errors import BackendError
from release_watch.transport import Transport

ResultT = TypeVar("ResultT")


def get(transport: Transport, backend: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """Return the body that GET ``path`` answers.

    Raises:
        BackendError: if the server does not answer, or answers with a 4xx status.
    """
    answer = transport.request("GET", path, params=params)
    if answer.status >= 400:
        words = f"{transport.base_url}{path} answered {answer.status}: {shortened(answer.body)}"
        raise BackendError(backend, words, status=answer.status)
    return answer.body


def understood(backend: str, what: str, read: Callable[[], ResultT]) -> ResultT:
    """Return what ``read`` makes of an answer.

    Raises:
        BackendError: if the answer has not the form that ``read`` expects.
    """
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BackendError(backend, f"the answer about {what} has an unexpected form") from error


def shortened(body: Any) -> str:
    """Return the words of an error body: its ``error`` or ``message`` where it has one, 300 characters."""
    if isinstance(body, dict):
        body = body.get("error") or body.get("message") or body
    return " ".join(str(body).split())[:300]


def from_nanoseconds(value: str | int) -> datetime:
    """Return the moment of a Unix time in nanoseconds, to the microsecond."""
    return datetime.fromtimestamp(int(value) // 1000 / 1_000_000, UTC)


def nanoseconds(moment: datetime) -> str:
    """Return ``moment`` as a Unix time in nanoseconds."""
    return str(int(moment.timestamp() * 1_000_000) * 1000)
