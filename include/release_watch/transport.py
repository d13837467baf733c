"""What domain code needs of an HTTP server; ``orchestration.hooks`` answers it with Airflow connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Answer(NamedTuple):
    """An HTTP answer: the status, and the body as parsed JSON, or as text where it is not JSON."""

    status: int
    body: Any


class Transport(Protocol):
    """One server, its address and credentials already known.

    ``request`` returns answers with a status below 500, also 4xx ones. It retries what may be repeated
    (GET, HEAD, PUT, DELETE, or any method with ``Idempotency-Key``) with back-off, and then raises
    ``release_watch.errors.BackendError``.
    """

    @property
    def base_url(self) -> str:
        """The server's address without credentials, for proofs and messages."""
        ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer."""
        ...
