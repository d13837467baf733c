"""A file that other processes replace, read again when it has changed, at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

LOOK_EVERY_SECONDS = 1.0

Content = TypeVar("Content")


class WatchedFile(Generic[Content]):
    """The parsed content of a file; the last good content while the file is gone or cannot be read."""

    def __init__(self, path: Path, parse: Callable[[Path], Content], empty: Content) -> None:
        self._path = path
        self._parse = parse
        self._content = empty
        self._stamp: tuple[int, int] | None = None
        self._looked_at = float("-inf")

    def content(self) -> Content:
        """Returns the content as of the last look."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = now
            self._look()
        return self._content

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._content = self._parse(self._path)
                self._stamp = stamp
        except (OSError, ValueError, KeyError, TypeError):
            return
