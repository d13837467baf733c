"""Reading a file of the evidence folder: of bearable size before it is read, and text."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from release_watch.artifacts.store import PathLike
from release_watch.errors import InvalidInputError
from release_watch.evidence.inert import visible

MAX_LINES = 50_000
"""Of a Markdown document; far more than people write, and few enough to be parsed in seconds."""
_CONTROL = {chr(code) for code in range(32)} - set("\t\n\r\f")


def read_text(folder: PathLike, name: str, max_bytes: int) -> str:
    """Return the text of a file in the evidence folder, of which at most ``max_bytes`` + 1 bytes are read.

    Raises:
        InvalidInputError: if it is missing, empty, no plain file, larger than ``max_bytes``, binary or not
            UTF-8.
    """
    path: Any = folder
    for part in name.split("/"):
        path = path / part
    try:
        data = _bounded(path, name, max_bytes)
    except FileNotFoundError as error:
        raise refused(name, "missing", f"write it into {folder}") from error
    except OSError as error:
        raise refused(name, f"not readable ({type(error).__name__})", f"check {folder}") from error
    if not data.strip():
        raise refused(name, "empty", "write it whole, then put it into the folder in one step")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(name, f"byte {error.start} is not UTF-8", "save it as UTF-8 text") from error
    if not _CONTROL.isdisjoint(text):
        raise refused(name, "binary bytes", "save it as UTF-8 text, without control characters")
    return text


def refused(name: str, found: str, remedy: str) -> InvalidInputError:
    """Return the error for a document that cannot be used: what was found in it, and what to do."""
    return InvalidInputError([f"{name}: {visible(found, 300)}: {remedy}"])


def _bounded(path: Any, name: str, max_bytes: int) -> bytes:
    """Return the content; a size that is told wrongly, or grows meanwhile, is noticed after one byte more."""
    status = path.stat()
    size = int(status.st_size)
    if size > max_bytes:
        raise _too_large(name, f"{size} bytes", max_bytes)
    if isinstance(path, Path):
        if not stat.S_ISREG(status.st_mode):
            raise refused(name, "no plain file", "write the document itself into the folder")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    elif size == 0:
        data = b""  # object stores refuse a range of nothing
    else:
        # A range request: opening the object would fetch it in blocks of many megabytes.
        data = bytes(path.fs.cat_file(path.path, start=0, end=max_bytes + 1))
    if len(data) > max_bytes:
        raise _too_large(name, f"more than the {size} bytes it is said to have", max_bytes)
    return data


def _too_large(name: str, found: str, max_bytes: int) -> InvalidInputError:
    return refused(name, found, f"must have at most {max_bytes} (evidence.max_bytes); attach less")
