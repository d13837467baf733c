"""The dashboards of a release as they were activated, kept in its store; else why they are not there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from release_watch.artifacts.store import ArtifactMissingError, ArtifactStore
from release_watch.assurance.registry import ActiveDashboard
from release_watch.dashboards.grafana import fingerprint
from release_watch.errors import ReleaseWatchError

FOLDER = "dashboards"
Kept = Mapping[str, Any] | str
"""The JSON of a dashboard, or in words why there is none that can be relied on."""


def keep_board(store: ArtifactStore, uid: str, data: bytes) -> None:
    """Keep the JSON of a dashboard as it was activated, whole or not at all."""
    store.write_bytes(_name(uid), data)


def digest_of(store: ArtifactStore, uid: str) -> str | None:
    """Return the SHA-256 of the canonical JSON that is kept of a dashboard; None where there is none."""
    try:
        return fingerprint(_read(store, uid))
    except (ReleaseWatchError, OSError, ValueError):
        return None


def kept_boards(store: ArtifactStore, dashboards: Iterable[ActiveDashboard]) -> dict[str, Kept]:
    """Return the JSON of each dashboard as it was activated, by uid, or why there is none.

    What is another JSON than was registered is no basis for a comparison. Of what was registered before its
    SHA-256 was noted, the JSON is taken as it lies there.
    """
    return {board.uid: _kept(store, board) for board in dashboards}


def _kept(store: ArtifactStore, board: ActiveDashboard) -> Kept:
    what = f"its JSON as it was activated, {_name(board.uid)} in {store.uri},"
    try:
        model = _read(store, board.uid)
    except ArtifactMissingError:
        why = "it was not kept then" if board.sha256 is None else "it was kept, and is gone"
        return f"{what} is not there: {why}"
    except (ReleaseWatchError, OSError, ValueError) as error:
        return f"{what} cannot be read: {error}"
    if board.sha256 is not None and fingerprint(model) != board.sha256:
        return f"{what} was changed since it was activated"
    return model


def _read(store: ArtifactStore, uid: str) -> Mapping[str, Any]:
    model = json.loads(store.read_bytes(_name(uid)))
    if not isinstance(model, dict):
        raise ValueError("it is no JSON object")
    return model


def _name(uid: str) -> str:
    return f"{FOLDER}/{uid}.json"
