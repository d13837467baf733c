"""The releases that were rolled back, from the ledger of rollbacks and what their runs left behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from release_watch.artifacts.models import BaselineMetrics
from release_watch.artifacts.store import ArtifactStore
from release_watch.baseline.excluded import LEAD, RolledBack
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of
from release_watch.identifiers import identifier
from release_watch.response.ledger import ENTRY, FOLDER, EntryState, RollbackEntry
from release_watch.response.rollback_record import RollbackRecord

if TYPE_CHECKING:
    from release_watch.artifacts.store import PathLike

RECORD = "rollback-record.json"
REFERENCE = "records/reference-baseline.json"

log = logging.getLogger(__name__)


def rolled_back(artifact_root: PathLike, environment: str, since: datetime) -> Iterator[RolledBack]:
    """Yield the releases of ``environment`` whose rollback was asked for after ``since``, refused ones not.

    When one was deployed is known from its reference, which ends just before. Where its run has left none,
    it counts from half an hour before the rollback was asked for, with a line in the log.

    Raises:
        InvalidInputError: if an entry of the ledger was damaged.
    """
    folder: Any = artifact_root / FOLDER / "monitoring" / identifier(environment, "environment")
    if not folder.exists():
        return
    for path in sorted(folder.rglob(ENTRY), key=str):
        entry = _entry(path)
        if entry.requested_at < since or entry.state is EntryState.REFUSED:
            continue
        store = ArtifactStore(artifact_root, entry.environment, entry.release_id)
        yield RolledBack(
            release_id=entry.release_id,
            services=entry.services,
            deployed_at=_deployed_at(store, entry),
            requested_at=entry.requested_at,
            finished_at=_finished_at(store, entry),
        )


def _entry(path: Any) -> RollbackEntry:
    try:
        return RollbackEntry.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInputError([f"{uri_of(path)}: {error.errors()[0]['msg']}"]) from error


def _deployed_at(store: ArtifactStore, entry: RollbackEntry) -> datetime:
    if store.exists(REFERENCE):
        before = store.read_model(REFERENCE, BaselineMetrics).window.end
        if before <= entry.requested_at:  # else it is that of a later deployment of the same release
            return before
    log.warning("Nothing tells when %s was deployed before its rollback", entry.release_id)
    return entry.requested_at - LEAD


def _finished_at(store: ArtifactStore, entry: RollbackEntry) -> datetime | None:
    if not store.exists(RECORD):
        return None
    record = store.read_model(RECORD, RollbackRecord)
    same = record.deployment_id == entry.deployment_id
    return record.rollback.finished_at if same and record.rollback else None
