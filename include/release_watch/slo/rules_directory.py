"""The folder that Prometheus loads rules from: one file per rule set, written whole, one writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from release_watch.errors import NotConfiguredError
from release_watch.files import write_whole
from release_watch.identifiers import identifier
from release_watch.telemetry.backends import Backends

PREFIX = "release-watch-"
SUFFIX = ".yaml"
_LOCK = ".release-watch.lock"


class RulesDirectoryMissingError(NotConfiguredError):
    """Prometheus is known, but not the folder it loads rules from."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__("prometheus_default", "activating alert rules")
        where = f"{folder} is no folder" if folder else "the Prometheus connection names no rules_directory"
        self.args = (
            f"{where}. Set rules_directory in the connection's extra to the folder that rule_files of "
            "prometheus.yml matches, mounted where tasks run.",
        )


class RulesDirectory:
    """Rule files named ``release-watch-<name>.yaml`` in the folder of ``backends``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, backends: Backends) -> RulesDirectory:
        """Return the folder of the environment's Prometheus.

        Raises:
            NotConfiguredError: if there is no such connection, or it names no folder that exists.
        """
        folder = backends.rules_directory()
        if folder is None or not folder.is_dir():
            raise RulesDirectoryMissingError(folder)
        return cls(folder)

    def path(self, name: str) -> Path:
        """Return the file of a rule set.

        Raises:
            InvalidInputError: if ``name`` is no safe identifier.
        """
        return self.folder / f"{PREFIX}{identifier(name, 'rule set')}{SUFFIX}"

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the rule sets there are that begin with ``prefix``, sorted."""
        found = (path.name for path in self.folder.glob(f"{PREFIX}*{SUFFIX}"))
        names = (name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in found)
        return sorted(name for name in names if name.startswith(prefix))

    def read(self, name: str) -> str | None:
        """Return a rule set's text; None if it is not there."""
        try:
            return self.path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def put(self, contents: Mapping[str, str | None]) -> None:
        """Write each rule set whole; None removes it."""
        for name, text in contents.items():
            path = self.path(name)
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_whole(path, text.encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, so that one's broken file is not mistaken for the other's."""
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
