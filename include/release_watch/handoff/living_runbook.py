"""The runbook of an environment: each release amends it, and keeps a copy of what it became as evidence."""

from __future__ import annotations

from typing import Any

from release_watch.artifacts.store import PathLike
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of, write_whole
from release_watch.handoff.runbook_joined import joined
from release_watch.identifiers import identifier


class LivingRunbook:
    """``<root>/runbooks/<environment>/monitoring-runbook.md``, into which people write."""

    def __init__(self, root: PathLike, environment: str) -> None:
        self._path: Any = root / "runbooks" / identifier(environment, "environment") / "monitoring-runbook.md"

    @property
    def uri(self) -> str:
        """Where it is, whether or not it is there yet."""
        return uri_of(self._path)

    def existing(self, copy: bytes | None = None) -> str | None:
        """Return the runbook, with what people wrote into a release's ``copy``; None if there is neither.

        Raises:
            InvalidInputError: if what people saved is no UTF-8; it stays as it is.
        """
        living = self._path.read_bytes() if self._path.exists() else None
        found = [(self.uri, living), ("the copy of the release", copy)]
        return joined([_text(where, data) for where, data in found if data is not None])

    def write(self, text: str) -> None:
        """Replace the runbook by ``text``; readers see the old or the new, never a part."""
        write_whole(self._path, text.encode())


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            [f"monitoring runbook: {where}: byte {error.start} is no UTF-8; save it as UTF-8, then run again"]
        ) from error
