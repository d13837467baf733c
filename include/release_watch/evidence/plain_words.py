"""Markdown inside a line as the words a reader sees, and the small signs that people put before or after."""

from __future__ import annotations

import html
import re
from enum import StrEnum
from typing import NamedTuple

from release_watch.evidence.inert import LONGEST, visible

_CODE_MARKS = re.compile(r"`+")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])")
_EMPHASIS = re.compile(r"\*\*|__|~~")
_STARRED = re.compile(r"(?<![\w*/])\*([^*]+)\*(?![\w*])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_BREAK = re.compile(r"<br ?/?>", re.I)
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
DASH = "–"
"""How every dash that is not a plain hyphen is written once a line is plain."""
_ARROWS = re.compile(r"[-=]{1,3}>|[→⇒⟶➜➔➝⟹↦]")
ARROW = "→"


class Mark(StrEnum):
    """What a sign says of the line it stands on."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"


_MARK_SIGNS = {
    Mark.PASSED: "✅ ✔ ☑ ✓ 🟢 👍 🆗 :white_check_mark: :heavy_check_mark: :green_circle: :+1:",
    Mark.FAILED: "❌ ❎ ✖ ✗ ✘ ☒ 🔴 ⛔ 🚫 👎 🔥 🚨 :x: :red_circle: :no_entry: :-1: :fire:",
    Mark.WARNING: "⚠ 🟡 🟠 ❗ ❕ 🔶 🔸 :warning: :yellow_circle: :orange_circle: :exclamation:",
}
_MARKS = {sign: mark for mark, signs in _MARK_SIGNS.items() for sign in signs.split()}
_SIGN = re.compile("|".join(re.escape(sign) for sign in sorted(_MARKS, key=len, reverse=True)))
_BOX = re.compile(r"^\[([ xX])\]\s+")


class Marked(NamedTuple):
    """A line without its signs; ``ticked`` is None where there is no check box."""

    text: str
    mark: Mark | None
    ticked: bool | None


def plain(text: str) -> str:
    """Return ``text`` on one line as a reader sees it: no emphasis, code marks, escapes; links are labels."""
    parts = _CODE_MARKS.split(text[: 2 * LONGEST])
    parts[::2] = [_prose(part) for part in parts[::2]]
    return visible(_DASHES.sub(DASH, "".join(parts)))


def arrows(text: str) -> str:
    """Return ``text`` with every arrow written in the same way."""
    return _ARROWS.sub(ARROW, text)


def marked(text: str) -> Marked:
    """Return ``text`` without check box and signs, and what they say; the first sign counts."""
    box = _BOX.match(text)
    rest = text[box.end() :] if box else text
    sign = _SIGN.search(rest)
    if sign:
        rest = " ".join(_SIGN.sub(" ", rest).split())
    return Marked(rest, _MARKS[sign[0]] if sign else None, box[1] != " " if box else None)


def _prose(text: str) -> str:
    text = _BREAK.sub("; ", text)
    text = _LINK.sub(r"\1", text)
    text = _STARRED.sub(r"\1", _EMPHASIS.sub("", text))
    return html.unescape(_ESCAPED.sub(r"\1", text))
