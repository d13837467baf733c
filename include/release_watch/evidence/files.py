"""Reading a file of the evidence folder: whole, of bearable size, and text."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

import yaml

from release_watch.artifacts.store import PathLike
from release_watch.errors import InvalidInputError

_FENCE = re.compile(r"\s*```[^`]*$")
_CONTROL = {chr(code) for code in range(32)} - set("\t\n\r\f")


class _Sized(Protocol):
    st_size: int


def read_text(folder: PathLike, name: str, max_bytes: int) -> str:
    """Return the text of a file in the evidence folder.

    Raises:
        InvalidInputError: if it is missing, empty, larger than ``max_bytes``, binary or not UTF-8.
    """
    path: Any = folder
    for part in name.split("/"):
        path = path / part
    try:
        status: _Sized = path.stat()
        if status.st_size > max_bytes:
            raise _refused(name, f"{status.st_size} bytes", f"must have at most {max_bytes}; attach less")
        data: bytes = path.read_bytes()
    except FileNotFoundError as error:
        raise _refused(name, "missing", f"write it into {folder}") from error
    except OSError as error:
        raise _refused(name, f"not readable ({type(error).__name__})", f"check {folder}") from error
    if not data.strip():
        raise _refused(name, "empty", "write it whole, then put it into the folder in one step")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(name, f"byte {error.start} is not UTF-8", "save it as UTF-8 text") from error
    if not _CONTROL.isdisjoint(text):
        raise _refused(name, "binary bytes", "save it as UTF-8 text")
    return text


def parse_json_object(text: str, name: str) -> dict[str, Any]:
    """Return the JSON object in ``text``.

    Raises:
        InvalidInputError: if it is half-written, no JSON, no object, or has a key twice.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise _refused(
            name, f"{error.msg} at {where}", "it is half-written or no JSON: write it anew"
        ) from error
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise _refused(name, words, "correct the document") from error
    if not isinstance(content, dict):
        raise _refused(name, f"a {type(content).__name__}", "must be a JSON object")
    return content


def parse_yaml_object(text: str, name: str) -> dict[str, Any]:
    """Return the YAML mapping in ``text``; aliases are refused, so that nothing can grow without end.

    Raises:
        InvalidInputError: if it is no YAML, or no mapping.
    """
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise _refused(name, "has aliases", "write the values out")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the document"
        raise _refused(
            name, f"{where} is no YAML", "it is half-written or malformed: write it anew"
        ) from error
    if not isinstance(content, dict):
        raise _refused(name, f"a {type(content).__name__}", "must be a mapping")
    return content


def check_whole(text: str, name: str) -> None:
    """Refuse a Markdown text that breaks off in a table row or a code block.

    Raises:
        InvalidInputError: if it does.
    """
    lines = text.splitlines()
    last = lines[-1].strip() if lines else ""
    cut_row = not text.endswith("\n") and last.startswith("|") and not last.endswith("|")
    fences = sum(_FENCE.match(line) is not None for line in lines)
    if cut_row or fences % 2:
        what = "a table row" if cut_row else "a code block"
        raise _refused(
            name, f"breaks off in {what} at line {len(lines)}", "it is half-written: write it anew"
        )


def _refused(name: str, found: str, remedy: str) -> InvalidInputError:
    return InvalidInputError([f"{name}: {found}: {remedy}"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:60]!r} is written twice")
    return dict(pairs)


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")
