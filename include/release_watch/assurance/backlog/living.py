"""The backlog of an environment: every release and every night amends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from release_watch.artifacts.store import PathLike
from release_watch.assurance.backlog.document import TICKET, with_field
from release_watch.assurance.backlog.filing import references
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of, write_whole
from release_watch.identifiers import identifier
from release_watch.response.tickets import Tickets


class LivingBacklog:
    """``<root>/backlog/<environment>/improvement-backlog.md``, into which people write."""

    def __init__(self, root: PathLike, environment: str) -> None:
        self._environment = identifier(environment, "environment")
        folder = root / "backlog" / self._environment
        self._path: Any = folder / "improvement-backlog.md"

    @property
    def uri(self) -> str:
        """Where it is, whether or not it is there yet."""
        return uri_of(self._path)

    def read(self) -> str | None:
        """Return the backlog, with the line ends of this package; None if there is none yet.

        Raises:
            InvalidInputError: if what people saved is no UTF-8; it stays as it is.
        """
        if not self._path.exists():
            return None
        data: bytes = self._path.read_bytes()
        try:
            return data.decode().replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            where = f"improvement backlog: {self.uri}: byte {error.start}"
            raise InvalidInputError([f"{where} is no UTF-8; save it as UTF-8, then run again"]) from error

    def filed(self, tickets: Tickets) -> Iterator[str]:
        """Bring the tracker in line, and keep and yield the reference of each ticket that changed.

        Each is written into the backlog as it is then, as people may write into it meanwhile.

        Raises:
            BackendError: as :func:`~release_watch.assurance.backlog.filing.references` does.
            InvalidInputError: if what people saved is no UTF-8.
        """
        for item_id, reference in references(self.read() or "", tickets, self._environment):
            self.write(with_field(self.read() or "", item_id, TICKET, reference))
            yield reference

    def write(self, text: str) -> None:
        """Replace the backlog by ``text``; readers see the old or the new, never a part."""
        if text != self.read():
            write_whole(self._path, text.encode())
