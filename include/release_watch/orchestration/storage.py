"""Where artifacts lie: any fsspec URL, with the credentials of an Airflow connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from release_watch.artifacts.store import ArtifactStore, PathLike
    from release_watch.release import Release

ROOT_VARIABLE = "RELEASE_WATCH_ARTIFACT_ROOT"
CONNECTION_VARIABLE = "RELEASE_WATCH_ARTIFACT_CONN_ID"


def open_path(url: str, conn_id: str | None = None) -> Any:
    """Return a path object for ``url``; local files get a real ``Path``, so that writes can be atomic."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else url).absolute()
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(url, conn_id=conn_id, use_listings_cache=False)
    if path.conn_id:  # then Airflow makes the file system, and heeds no options
        # Others write here too: a remembered listing hides their files, and cuts them to their old size.
        path.fs.dircache.use_listings_cache = False
        path.fs.invalidate_cache()
    return path


def artifact_root() -> PathLike:
    """Return the artifact root, ``.artifacts`` in the working directory unless configured."""
    root: PathLike = open_path(
        os.environ.get(ROOT_VARIABLE, ".artifacts"), os.environ.get(CONNECTION_VARIABLE)
    )
    return root


def store_for(release: Release) -> ArtifactStore:
    """Return the artifact store of ``release``."""
    from release_watch.artifacts.store import ArtifactStore

    return ArtifactStore(artifact_root(), release.environment, release.release_id)


def evidence_folder(release: Release) -> PathLike:
    """Return the folder that holds the upstream documents of ``release``."""
    folder: PathLike = open_path(release.evidence_uri, os.environ.get(CONNECTION_VARIABLE))
    return folder
