"""Asking the system behind a receiver: its refusals in words that say what to do, and never with a key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from release_watch.errors import BackendError
from release_watch.telemetry.answers import shortened
from release_watch.transport import Transport


class ReceiverRefusedError(BackendError):
    """The system behind a receiver does not accept our credentials, or not for this."""

    def __init__(self, access: Access, status: int | None, answered: str) -> None:
        self.receiver = access.receiver
        self.connection = access.connection
        what = (
            f"receiver {access.receiver!r} cannot be read: {answered}. Correct the credentials in the "
            f"Airflow connection {access.connection!r} ({access.needs}), and drill again. Whether its "
            "drills were delivered or acknowledged is not known until then."
        )
        super().__init__(access.system, what, status=status)


class Access(NamedTuple):
    """By what right a receiver is read.

    Attributes:
        receiver: its name in Alertmanager.
        system: what is behind it, as people call it.
        connection: the Airflow connection with the credentials.
        needs: what the credentials must be, in words.
    """

    receiver: str
    system: str
    connection: str
    needs: str


def ask(
    transport: Transport,
    access: Access,
    path: str,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Return the body that GET ``path`` answers.

    Raises:
        ReceiverRefusedError: for 401 and 403; the answer is left out, Alerta repeats the key in it.
        BackendError: if the system does not answer, or answers with another 4xx status.
    """
    answer = transport.request("GET", path, params=params, headers=headers)
    where = f"{transport.base_url}{path} answered {answer.status}"
    if answer.status in (401, 403):
        why = "the key is wrong or has expired" if answer.status == 401 else "the key may not read this"
        raise ReceiverRefusedError(access, answer.status, f"{where}, {why}")
    if answer.status >= 400:
        what = f"receiver {access.receiver!r} cannot be read: {where}: {shortened(answer.body)}"
        hint = f". Check the address in the Airflow connection {access.connection!r}"
        raise BackendError(access.system, what + hint, status=answer.status)
    return answer.body


def names(text: object, drill_id: str) -> bool:
    """Return whether a text names this very drill; ``...-1`` is not named by ``...-12``."""
    found = re.search(rf"(?<![\w-]){re.escape(drill_id)}(?![\w-])", str(text))
    return found is not None


def digest(record: Any) -> str:
    """Return the SHA-256 of a record as it was read."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
