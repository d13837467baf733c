"""Receipts of events: a repeated one is known for good, also when its run was deleted."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from release_watch.artifacts.models import SCHEMA_VERSION
from release_watch.artifacts.store import PathLike
from release_watch.clock import Timestamp
from release_watch.files import write_whole

FOLDER = ("receipts", "events")


class Outcome(StrEnum):
    """What came of an event."""

    STARTED = "started"
    ALREADY_WATCHED = "already-watched"
    ENDED = "ended"
    NOTHING_TO_END = "nothing-to-end"


class EventReceipt(BaseModel):
    """An event that was taken, and what came of it; ``runs`` are the ids of the runs it concerned."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    event: dict[str, str]
    at: Timestamp
    by: str
    outcome: Outcome
    runs: tuple[str, ...]
    detail: str


class EventReceipts:
    """One file an event below ``<artifact root>/receipts/events``, named by a digest and nothing else."""

    def __init__(self, artifact_root: PathLike) -> None:
        folder: Any = artifact_root
        for part in FOLDER:
            folder = folder / part
        self._folder = folder

    def find(self, key: str) -> EventReceipt | None:
        """Return the receipt of the event with this key, or None."""
        try:
            return EventReceipt.model_validate_json(self._path(key).read_bytes())
        except (FileNotFoundError, ValidationError):  # what cannot be read proves nothing
            return None

    def keep(self, key: str, receipt: EventReceipt) -> None:
        """Record what came of an event; the first receipt stands."""
        if self.find(key) is None:
            write_whole(self._path(key), receipt.model_dump_json(indent=2).encode())

    def _path(self, key: str) -> Any:
        return self._folder / f"{key}.json"
