"""The account of a document: which of its lines were understood as what, and which were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NOT_UNDERSTOOD = "not understood"
PROSE = "prose, not read"
UNREAD = frozenset({NOT_UNDERSTOOD, PROSE})


class Passage(NamedTuple):
    """Some lines of a section, and what they were understood as; their words where they were not."""

    first: int
    last: int
    section: str
    understood_as: str
    words: str = ""

    @property
    def lines(self) -> str:
        """The lines as people write them: ``12`` or ``12-15``."""
        return _span(self.first, self.last)


class Account(NamedTuple):
    """What was made of one document, in its order."""

    file: str
    passages: tuple[Passage, ...]

    def merged(self) -> tuple[Passage, ...]:
        """Return the passages with neighbours of the same section and meaning as one, without words."""
        found: list[Passage] = []
        for passage in self.passages:
            if found and _same(found[-1], passage):
                found[-1] = found[-1]._replace(last=max(passage.last, found[-1].last))
            else:
                found.append(passage._replace(words=""))
        return tuple(found)

    def unread(self) -> tuple[Passage, ...]:
        """Return the passages that were not understood, or are prose."""
        return tuple(passage for passage in self.passages if passage.understood_as in UNREAD)

    def summary(self) -> str:
        """Return one line for a log: how often what was understood, and the lines that were not."""
        counts = Counter(p.understood_as for p in self.passages if p.understood_as not in UNREAD)
        words = ", ".join(f"{count} × {name}" for name, count in sorted(counts.items())) or "nothing"
        parts = [f"{self.file}: understood {words}"]
        for kind in (NOT_UNDERSTOOD, PROSE):
            if lines := spans((p.first, p.last) for p in self.passages if p.understood_as == kind):
                parts.append(f"{kind}: line {_shortened(lines)}")
        return "; ".join(parts)


def spans(lines: Iterable[tuple[int, int]]) -> list[str]:
    """Return lines as ranges: ``["3-5", "9"]``."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(lines):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return [_span(first, last) for first, last in found]


def _same(one: Passage, other: Passage) -> bool:
    return (one.section, one.understood_as) == (other.section, other.understood_as)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _shortened(lines: Sequence[str], most: int = 20) -> str:
    return ", ".join(lines[:most]) + (f" and {len(lines) - most} more places" if len(lines) > most else "")
