"""Text for a terminal or a task log: nothing in it moves the cursor, and no line is too long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

WIDTH = 120
_WHITE = re.compile(r"\s+")
# Airflow's log view folds what stands between such marks.
_FOLDS = re.compile(r"::(?=(?:end)?group::)", re.IGNORECASE)
_AFTER = re.compile(r"(?<=[\s,|/&])")
_UNSEEN = "�"


def plain(text: object) -> str:
    """Return ``text`` as one line, its control, format and unassigned characters replaced by a mark."""
    one_line = _WHITE.sub(" ", str(text)).strip()
    shown = "".join(_UNSEEN if unicodedata.category(sign)[0] == "C" else sign for sign in one_line)
    return _FOLDS.sub(": :", shown)


def columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    return sum(_columns(sign) for sign in text)


def padded(text: str, width: int) -> str:
    """Return ``text`` with spaces up to ``width`` columns."""
    return text + " " * (width - columns(text))


def shortened(text: str, most: int) -> str:
    """Return ``text`` in at most ``most`` columns, its middle left out where need be."""
    if columns(text) <= most:
        return text
    tail = _cut(text[::-1], (most - 1) // 2)[::-1]
    return f"{_cut(text, most - 1 - columns(tail))}…{tail}"


def wrapped(text: str, first: str = "", width: int = WIDTH) -> list[str]:
    """Return the lines of ``text``: the first begins with ``first``, the others with as many spaces.

    Lines end at a space, or after a comma, bar or slash; only what is longer than a line is cut anywhere.
    """
    room = max(10, width - columns(first))
    lines, line = [], ""
    for piece in _pieces(text, room):
        if line and columns((line + piece).rstrip()) > room:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line.rstrip())
    indent = " " * columns(first)
    return [(first if number == 0 else indent) + one for number, one in enumerate(lines)]


def listed(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _pieces(text: str, room: int) -> Iterator[str]:
    for piece in _AFTER.split(text):
        rest = piece
        while columns(rest.rstrip()) > room:
            cut = _cut(rest, room) or rest[0]
            yield cut
            rest = rest[len(cut) :]
        yield rest


def _cut(text: str, most: int) -> str:
    taken = 0
    for position, sign in enumerate(text):
        taken += _columns(sign)
        if taken > most:
            return text[:position]
    return text


def _columns(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
