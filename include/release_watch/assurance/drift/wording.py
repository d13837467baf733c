"""Differences for people: word by word where two texts are alike, one under the other else."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_WORD = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[A-Za-z_:][\w:]*|\d[\w.]*|\s+|[^\w\s]=?~?")
_CONTEXT = 6
"""Words shown on either side of a difference."""


def word_diff(expected: str, live: str) -> str:
    """Return the live text with what was taken away as ``[-…-]`` and what was put in as ``{+…+}``.

    Long stretches that are the same are cut to a few words.
    """
    old, new = (_WORD.findall(" ".join(text.split())) for text in (expected, live))
    said: list[str] = []
    steps = SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    for number, (kind, start, end, first, last) in enumerate(steps):
        if kind == "equal":
            said.append(_cut(old[start:end], opens=number == 0, closes=number == len(steps) - 1))
            continue
        if end > start:
            said.append(f"[-{''.join(old[start:end])}-]")
        if last > first:
            said.append(f"{{+{''.join(new[first:last])}+}}")
    return "".join(said)


def changed(name: str, expected: str | None, live: str | None) -> str:
    """Return one line that says what ``name`` was and what it is."""
    if expected is None:
        return f"{name}: {{+{live}+}}"
    if live is None:
        return f"{name}: [-{expected}-]"
    return f"{name}: {word_diff(expected, live)}"


def _cut(words: list[str], *, opens: bool, closes: bool) -> str:
    if len(words) <= 3 * _CONTEXT:
        return "".join(words)
    head = [] if opens else words[:_CONTEXT]
    tail = [] if closes else words[-_CONTEXT:]
    return f"{''.join(head)} … {''.join(tail)}"
