"""Rule files in a folder, and a reload of the Prometheus that reads it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from release_watch.clock import rfc3339
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.slo.ownership import Ownership, OwnershipError
from release_watch.slo.promtool import check_file
from release_watch.slo.rules_directory import PREFIX, SUFFIX, RulesDirectory, RulesDirectoryMissingError
from release_watch.slo.targets.target import Kind, RuleServer, Unfinished
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import Backends

OWNERS = "owners"
JOURNAL = "journal"


class DirectoryTarget:
    """Rule files in a folder that Prometheus reads; implements ``RuleTarget``."""

    kind: Kind = "directory"
    patience = timedelta(0)

    def __init__(self, folder: Path | None, server: RuleServer, backends: Backends) -> None:
        if folder is None or not folder.is_dir():
            raise RulesDirectoryMissingError(folder)
        self.directory = RulesDirectory(folder)
        self.server = server
        self._backends = backends

    def place(self, name: str) -> str:
        """Return the path of the file."""
        return str(self.directory.path(name))

    def listed_as(self, name: str) -> str | None:
        """Return the name of the file; the folder may be mounted elsewhere for Prometheus."""
        return self.directory.path(name).name

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the rule sets there are that begin with ``prefix``, sorted."""
        return self.directory.names(prefix)

    def read(self, name: str) -> str | None:
        """Return a rule set's text; None if it is not there."""
        return self.directory.read(name)

    def put(self, contents: Mapping[str, str | None]) -> None:
        """Write each file whole, and then remove those that are None."""
        self.directory.put(contents)

    def load(self) -> None:
        """Have Prometheus reload."""
        prometheus_api.reload(self.server.transport)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock of the folder."""
        return self.directory.locked()

    def ownership(self) -> Ownership:
        """Return what the note in the folder says."""
        return Ownership.read(self.directory.note(OWNERS), f"{self.directory.folder}/.release-watch-{OWNERS}")

    def own(self, ownership: Ownership) -> None:
        """Write the note in the folder."""
        self.directory.keep(OWNERS, ownership.written())

    def unfinished(self) -> Unfinished | None:
        """Return what the journal in the folder says."""
        text = self.directory.note(JOURNAL)
        if text is None:
            return None
        place = f"{self.directory.folder}/.release-watch-{JOURNAL}"
        try:
            noted = json.loads(text)
            return Unfinished(dict(noted["former"]), Ownership.model_validate(noted["ownership"]))
        except (ValueError, KeyError, TypeError) as error:
            raise OwnershipError(place, str(error)) from error

    def begin(self, former: Unfinished) -> None:
        """Write the journal in the folder."""
        noted = {"former": dict(former.former), "ownership": former.ownership.model_dump(mode="json")}
        self.directory.keep(JOURNAL, json.dumps(noted))

    def finish(self) -> None:
        """Remove the journal."""
        self.directory.keep(JOURNAL, None)

    def broken(self, names: Collection[str]) -> list[str]:
        """Return what promtool says of the other files in the folder, and whose they are."""
        found = []
        for path in self.directory.others(names):
            try:
                check_file(path, self._backends.promtool())
            except InvalidInputError as error:
                words = " ".join(problem for problem in error.problems[1:3])
                found.append(f"{path.name} in the same folder is broken ({self._whose(path)}): {words}")
            except ReleaseWatchError:
                return found  # no promtool: nothing can be said
        return found

    def _whose(self, path: Path) -> str:
        name = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
        if not path.name.startswith(PREFIX):
            return "it was not written by Release Watch; ask who writes it, repair or remove it"
        owner = self.ownership().owner(name)
        if owner is None:
            return f"rule set {name}; activate it again, or remove it"
        deployed = rfc3339(owner.deployed_at)
        return f"rule set {name} of release {owner.release_id}, deployed {deployed}; activate it again"
