"""Files that a reader sees whole: receipts, drill rules, the command line's output."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

READABLE = 0o644  # Prometheus and the web server are often other users than the worker


def write_whole(path: Any, data: bytes) -> None:
    """Write ``data`` as the whole content of a ``pathlib``-like path; a reader never sees a part of it."""
    if not isinstance(path, Path):
        path.write_bytes(data)  # one PUT: object stores show it whole or not at all
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(READABLE)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
