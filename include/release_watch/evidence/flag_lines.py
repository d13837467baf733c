"""Feature flags in lines: their name, and whether they are active."""

from __future__ import annotations

import re

from release_watch.evidence.models import Flag
from release_watch.evidence.plain_words import ARROW, DASH, Mark, arrows
from release_watch.evidence.recognition import NOTHING, Line, Understood, not_understood

SECTION = re.compile(r"\b(feature[ -]?)?(flag|toggle|switch)(e?s)?\b|\brollout\b", re.I)
_ACTIVE = re.compile(r"\b(active|activated|enabled?|on|true|live|yes|released|fully rolled out)\b", re.I)
_INACTIVE = re.compile(
    r"\b(inactive|deactivated|disabled?|off|false|never|dark|dormant|pending"
    r"|not (yet )?(active|activated|enabled|on|live|released))\b",
    re.I,
)
_PLANNED = re.compile(
    r"\b(as planned|planned|by plan|stays? (off|inactive|disabled) (until|for now)|scheduled|later"
    r"|kill ?switch|according to the (rollout )?plan)\b",
    re.I,
)
_APART = re.compile(
    rf"^(.+?) ?(?::|=| {DASH}| -|{ARROW}|,) ?(.*)$|^(\S+) ?\((.+)\)$"
    r"|^(\S+) ((?:is|stays|was|has been|remains|now) .+|on|off|active|inactive|enabled|disabled)$",
    re.I,
)
_NO = frozenset({"no", "n", "0"})
_LONGEST_NAME = 120


def read(line: Line) -> Understood:
    """Return the flag that a line of a section on flags names."""
    if NOTHING.match(line.text):
        return Understood("no flag")
    name, words = _of_row(line) if line.piece.cells else _of_text(arrows(line.text))
    active = is_active(words)
    if active is None and (line.mark or line.ticked is not None):
        active = line.ticked if line.mark is None else line.mark is Mark.PASSED
    if not name or len(name) > _LONGEST_NAME or (active is None and " " in name):
        return not_understood("a feature flag", line)
    planned_off = active is False and _PLANNED.search(words) is not None
    return Understood(
        "feature flag", (Flag(name=name, active=active, planned_off=planned_off, source=line.source),)
    )


def is_active(words: str) -> bool | None:
    """Return whether the words say that a flag is active; None if they say neither."""
    if _INACTIVE.search(words) or words.strip(" .;").casefold() in _NO:
        return False
    return True if _ACTIVE.search(words) else None


def _of_row(line: Line) -> tuple[str, str]:
    cells = list(line.piece.cells.values())
    name = line.cell("flag", "feature", "toggle", "name", "key") or (cells[0] if cells else "")
    words = line.cell("state", "status", "active", "enabled", "value", "on")
    plan = line.cell("plan", "planned", "expected", "target", "notes", "comment") or ""
    if words is None:
        words = "; ".join(cell for cell in cells if cell != name)
    return name, f"{words} {'planned' if plan and is_active(plan) is False else plan}"


def _of_text(text: str) -> tuple[str, str]:
    found = _APART.match(text)
    if not found:
        return text, ""
    name, words = (part for part in found.groups() if part is not None)
    return name.strip(" `\"'"), words
