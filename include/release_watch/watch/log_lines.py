"""Log lines reduced to what they say: the level, and the message without what differs from line to line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from release_watch.evidence.inert import visible

LONGEST = 300
"""Characters of a message that are kept."""

VARIABLE = "<*>"

LEVEL_LABELS = ("level", "severity", "detected_level", "severity_text")
_LEVEL_FIELDS = ("level", "severity", "severity_text", "levelname", "log.level", "lvl", "loglevel")
_MESSAGE_FIELDS = ("message", "msg", "body", "event", "error", "exception", "err")
_GRAVE = re.compile(
    r"(?i)^(?:e|err|error|eror|severe|f|fatal|crit|critical|alert|emerg|emergency|panic|[45]\d\d)$"
)
_GRAVE_WORD = re.compile(r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|Error|Exception|Traceback|panic|fatal)\b")
_LOGFMT = re.compile(r'(?:^|\s)([A-Za-z_.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))')

ANY_GRAVE = r"(?i)(error|fatal|crit|severe|panic|exception|emerg|traceback)"
"""For the server, which sends what matches: at least all lines that :func:`is_grave` takes."""

GRAVE_LEVELS = r"(?i)^(err|error|severe|fatal|crit|critical|alert|emerg|emergency|panic)$"
"""For the server: values of a level label that are grave."""

_MASKS = (
    re.compile(r"(?i)\b(?:password|passwd|secret|token|api[_-]?key|authorization|bearer)\b[\s:=]+\S+"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"\b[a-z][a-z0-9+.-]*://\S+"),
    re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"),
    re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"),
    re.compile(r"\b0x[0-9a-fA-F]+\b"),
    re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"),
    re.compile(r"(?=[A-Za-z0-9_+/-]*\d)(?=[A-Za-z0-9_+/-]*[A-Za-z])[A-Za-z0-9_+/-]{20,}={0,2}"),
    re.compile(r"\d+(?:[.,]\d+)*"),
)


def message_of(text: str) -> str:
    """Return what a line says: a field of JSON or logfmt that holds a message, else the line itself."""
    fields = _fields(text)
    found = next((fields[name] for name in _MESSAGE_FIELDS if fields.get(name)), text)
    return visible(found, LONGEST)


def is_grave(text: str, labels: Mapping[str, str]) -> bool:
    """Return whether a line is an error or worse: by its label or field of the level, else by its words."""
    levels = [labels[name] for name in LEVEL_LABELS if labels.get(name)]
    fields = _fields(text)
    levels += [fields[name] for name in _LEVEL_FIELDS if fields.get(name)]
    known = [level for level in levels if level.lower() != "unknown"]
    if known:
        return any(_GRAVE.match(level) for level in known)
    return _GRAVE_WORD.search(text[: 4 * LONGEST]) is not None


def masked(message: str) -> str:
    """Return a message with numbers, ids, addresses, times and secrets replaced by ``<*>``."""
    for mask in _MASKS:
        message = mask.sub(VARIABLE, message)
    return message


def _fields(text: str) -> dict[str, str]:
    start = text.lstrip()
    if start.startswith("{"):
        try:
            line: Any = json.loads(start)
        except ValueError:
            return {}
        return _texts(line) if isinstance(line, dict) else {}
    return {key: quoted or plain for key, quoted, plain in _LOGFMT.findall(text[: 4 * LONGEST])}


def _texts(line: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(key).lower(): str(value)
        for key, value in line.items()
        if isinstance(value, str | int) and value != ""
    }
