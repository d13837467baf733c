"""The folder that Prometheus loads rules from: one file per rule set, written whole, one writer at a time.

Beside the rule files lie notes: which release owns which service, and what a change that is under way
replaces. Their names begin with a dot and have no suffix, so neither Prometheus nor Flux or Argo CD take them
for rules or manifests.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from release_watch.errors import NotConfiguredError
from release_watch.files import write_whole
from release_watch.identifiers import identifier
from release_watch.telemetry.backends import Backends

PREFIX = "release-watch-"
SUFFIX = ".yaml"
_LOCK = ".release-watch.lock"
_NOTE = ".release-watch-"


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
        """Write each rule set whole, and then remove those that are None.

        In that order nothing is unwatched in between, also if the writer is killed.
        """
        for name, text in contents.items():
            if text is not None:
                write_whole(self.path(name), text.encode())
        for name, text in contents.items():
            if text is None:
                self.path(name).unlink(missing_ok=True)

    def others(self, names: Collection[str]) -> list[Path]:
        """Return the rule files in the folder that are not those of the rule sets ``names``, sorted."""
        own = {self.path(name) for name in names}
        files = (path for pattern in ("*.yaml", "*.yml") for path in self.folder.glob(pattern))
        return sorted(path for path in files if path not in own and not path.name.startswith("."))

    def note(self, kind: str) -> str | None:
        """Return the note of that kind; None if there is none."""
        try:
            return self._note(kind).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep(self, kind: str, text: str | None) -> None:
        """Write the note of that kind whole; None removes it."""
        if text is None:
            self._note(kind).unlink(missing_ok=True)
        else:
            write_whole(self._note(kind), text.encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, so that one's broken file is not mistaken for the other's.

        Across machines, too, where the file system of the folder has locks (NFS has, most object stores that
        are mounted have not).
        """
        with lock_file(self.folder / _LOCK, mode=0o644):
            yield

    def _note(self, kind: str) -> Path:
        return self.folder / f"{_NOTE}{kind}"


@contextmanager
def lock_file(path: Path, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock of ``path``; whoever holds it and dies lets it go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
