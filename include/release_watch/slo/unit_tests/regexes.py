"""Texts that a label's regular expression matches: made up, and tried before they are used."""

from __future__ import annotations

import re
import warnings
from functools import cache
from itertools import islice, product

MOST = 4
"""Examples of a pattern."""

_LETTERS = "a0bA1x-_/. "
_KINDS = {"d": "1", "D": "a", "w": "a", "W": "-", "s": " ", "S": "a"}
_COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_FLAGS = re.compile(r"\?[a-zA-Z]*:|\?P?<[a-zA-Z_][a-zA-Z0-9_]*>")


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Return Python's form of a pattern; None if it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what only Python may one day read otherwise
        try:
            return re.compile(pattern, re.DOTALL)
        except (re.error, RecursionError, OverflowError):
            return None


def examples(pattern: str) -> list[str]:
    """Return a few texts that ``pattern`` matches wholly; none where it is beyond what is read here."""
    expression = compiled(pattern)
    try:
        found = _Reader(pattern).all() if expression else []
    except (ValueError, RecursionError):
        return []
    return [text for text in dict.fromkeys(found) if expression and expression.fullmatch(text)][:MOST]


class _Reader:
    """Reads a regular expression from left to right; what it does not know of is a ValueError."""

    def __init__(self, pattern: str) -> None:
        self._rest = pattern

    def all(self) -> list[str]:
        found = self._alternatives()
        if self._rest:
            raise ValueError(self._rest)
        return found

    def _alternatives(self) -> list[str]:
        found = self._sequence()
        while self._rest.startswith("|"):
            self._rest = self._rest[1:]
            found += self._sequence()
        return found

    def _sequence(self) -> list[str]:
        texts = [""]
        while self._rest and self._rest[0] not in "|)":
            pieces = self._repeated(texts[0])
            texts = ["".join(pair) for pair in islice(product(texts, pieces), MOST)]
        return texts

    def _repeated(self, before: str) -> list[str]:
        pieces = self._atom(before)
        sign = self._rest[:1]
        count = _COUNT.match(self._rest)
        if count:
            self._rest = self._rest[count.end() :]
            pieces = [piece * int(count[1]) for piece in pieces]
        elif sign and sign in "*+?":
            self._rest = self._rest[1:]
            pieces = pieces if sign == "+" else [*pieces, ""]
        if (count or (sign and sign in "*+?")) and self._rest.startswith("?"):
            self._rest = self._rest[1:]
        return pieces

    def _atom(self, before: str) -> list[str]:
        sign, self._rest = self._rest[0], self._rest[1:]
        match sign:
            case "(":
                return self._group()
            case "[":
                return [self._letter_class()]
            case "\\":
                return [self._escaped()]
            case ".":
                return ["0" if before[-1:].isdigit() else "a"]
            case "^" | "$":
                return [""]
        return [sign]

    def _group(self) -> list[str]:
        if self._rest.startswith("?"):
            flags = _FLAGS.match(self._rest)
            if not flags:
                raise ValueError(self._rest)
            self._rest = self._rest[flags.end() :]
        found = self._alternatives()
        if not self._rest.startswith(")"):
            raise ValueError(self._rest)
        self._rest = self._rest[1:]
        return found

    def _letter_class(self) -> str:
        end = self._rest.index("]", 2 if self._rest.startswith("^") else 1)
        text, self._rest = f"[{self._rest[:end]}]", self._rest[end + 1 :]
        first = text[1] if text[1] not in "^\\[" else ""
        for letter in f"{first}{_LETTERS}":
            if (one := compiled(text)) and one.fullmatch(letter):
                return letter
        raise ValueError(text)

    def _escaped(self) -> str:
        letter, self._rest = self._rest[0], self._rest[1:]
        if letter.isalnum() and letter not in _KINDS:
            raise ValueError(letter)
        return _KINDS.get(letter, letter)
