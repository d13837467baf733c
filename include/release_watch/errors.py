"""The errors of Release Watch: each says what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence


class ReleaseWatchError(Exception):
    """Base of every error this package raises on purpose."""


class InvalidInputError(ReleaseWatchError):
    """Input that a person or an upstream system has to correct.

    Holds every problem found, so that one round trip mends them all.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class NotConfiguredError(ReleaseWatchError):
    """A connection or setting that this step depends on is not there."""

    def __init__(self, conn_id: str, needed_for: str) -> None:
        self.conn_id = conn_id
        super().__init__(
            f"No Airflow connection {conn_id!r}; it is needed for {needed_for}. "
            f"Add it under Admin > Connections or as AIRFLOW_CONN_{conn_id.upper()}."
        )


class BackendError(ReleaseWatchError):
    """A server did not answer, or answered with an error."""

    def __init__(self, backend: str, what: str, *, status: int | None = None) -> None:
        self.backend = backend
        self.status = status
        super().__init__(f"{backend}: {what}")
