"""Files that a reader sees whole, wherever they lie."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from release_watch.artifacts.store import PathLike

READABLE = 0o644
"""Prometheus, Grafana and the web server are often other users than the worker."""


def write_whole(path: PathLike, data: bytes, mode: int = READABLE) -> None:
    """Write ``data`` as the whole content of ``path``; a reader sees the old or the new, never a part.

    A local file gets ``mode`` and the folders above it; an object store has neither. What is no file, such as
    ``/dev/null`` or a pipe, is written into and never replaced.
    """
    if not isinstance(path, Path) or (path.exists() and not path.is_file()):
        path.write_bytes(data)  # one PUT: object stores show it whole or not at all
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def uri_of(path: Any) -> str:
    """Return the absolute URI of a ``pathlib``-like path, without the name of an Airflow connection."""
    return str(path.absolute().as_uri())
