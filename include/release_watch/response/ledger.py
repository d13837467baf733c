"""The ledger of rollbacks: one entry per release, kept for ever, so that guards outlive a run."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import SCHEMA_VERSION
from release_watch.artifacts.store import ArtifactStore, PathLike
from release_watch.clock import Timestamp
from release_watch.release import Release

FOLDER = "rollbacks"
ENTRY = "rollback.json"


class EntryState(StrEnum):
    """What became of a rollback; one that was refused does not count as made."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"


class RollbackEntry(BaseModel):
    """A rollback that a run asked for."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    environment: str
    release_id: str
    deployment_id: str
    services: tuple[str, ...]
    run_id: str
    requested_at: Timestamp
    state: EntryState = EntryState.REQUESTED


class RollbackLedger:
    """The rollbacks below ``<root>/rollbacks``. A run writes only its own release's entry."""

    def __init__(self, root: PathLike) -> None:
        self._root = root / FOLDER

    def note(self, release: Release, run_id: str, at: datetime, state: EntryState) -> RollbackEntry:
        """Write how the rollback of ``release`` stands; the time it was first asked for stays."""
        known = self.of(release)
        entry = RollbackEntry(
            environment=release.environment,
            release_id=release.release_id,
            deployment_id=release.deployment_id,
            services=release.services,
            run_id=run_id,
            requested_at=known.requested_at if known and known.run_id == run_id else at,
            state=state,
        )
        self._store(release.environment, release.release_id).write_json(ENTRY, entry)
        return entry

    def of(self, release: Release) -> RollbackEntry | None:
        """Return the rollback of this release, or None if none was asked for.

        Raises:
            InvalidInputError: if the entry was damaged.
        """
        return self._read(release.environment, release.release_id)

    def asked_for(self, release: Release, run_id: str) -> bool:
        """Return whether another run than ``run_id`` asked for a rollback of this release."""
        entry = self.of(release)
        return entry is not None and entry.run_id != run_id and entry.state is not EntryState.REFUSED

    def latest(self, release: Release) -> RollbackEntry | None:
        """Return the newest rollback of another release that shares environment and a service with this one.

        Raises:
            InvalidInputError: if an entry was damaged.
        """
        near = (
            entry
            for entry in self._of_environment(release.environment)
            if entry.release_id != release.release_id
            and entry.state is not EntryState.REFUSED
            and not set(entry.services).isdisjoint(release.services)
        )
        return max(near, key=lambda entry: entry.requested_at, default=None)

    def _of_environment(self, environment: str) -> list[RollbackEntry]:
        if not self._root.exists():
            return []
        found = []
        for path in self._root.rglob(ENTRY):
            where, release_id = str(path).rstrip("/").split("/")[-3:-1]
            entry = self._read(where, release_id) if where == environment else None
            found += [entry] if entry else []
        return found

    def _read(self, environment: str, release_id: str) -> RollbackEntry | None:
        store = self._store(environment, release_id)
        return store.read_model(ENTRY, RollbackEntry) if store.exists(ENTRY) else None

    def _store(self, environment: str, release_id: str) -> ArtifactStore:
        return ArtifactStore(self._root, environment, release_id)
