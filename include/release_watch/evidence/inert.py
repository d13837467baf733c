"""Words from outside, made safe to show: nothing in them can act in a log, on a terminal or in a document."""

from __future__ import annotations

import re

_WHITE = re.compile(r"\s+")
# Unicode's control, format and surrogate characters: terminal escapes, signs that turn the direction of
# reading, signs without width, and the selectors that only choose how the sign before them is drawn.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_ELLIPSIS = "…"
LONGEST = 2_000
"""Characters of one line that are read; nobody writes a longer one for people."""


def visible(text: object, limit: int = LONGEST) -> str:
    """Return ``text`` on one line, without characters that cannot be seen, at most ``limit`` long."""
    given = text if isinstance(text, str) else str(text)
    given = given[: 4 * limit]  # enough to cut from, and the work is bounded
    plain = _WHITE.sub(" ", _UNSEEN.sub("", _WHITE.sub(" ", given))).strip()
    return plain if len(plain) <= limit else plain[: limit - 1] + _ELLIPSIS
