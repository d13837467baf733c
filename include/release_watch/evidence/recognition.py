"""What every reader of lines works with: the line without its signs, and the services it may speak of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from release_watch.evidence.account import NOT_UNDERSTOOD
from release_watch.evidence.inert import visible
from release_watch.evidence.markdown_documents import Kind, Piece, field_of
from release_watch.evidence.models import Extracted, Severity
from release_watch.evidence.plain_words import Mark, marked
from release_watch.identifiers import is_identifier

NOTHING = re.compile(
    r"^(nothing|nil|n/?a|not applicable|no|no (new|changed|known|further|other|open)\b.*"
    r"|none( known| new)?( so far| at this time| yet)?|[-–/]|)[.!]?$",
    re.I,
)
_ROUTE = re.compile(r"(?:^|(?<=[\s(]))/\S*")
_WORD = re.compile(r"\w[\w.-]*")
_SERVICE_COLUMNS = frozenset(
    {"service", "services", "component", "app", "application", "microservice", "module"}
)
_SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(
        ("critical", "blocker", "severe", "catastrophic", "p0", "sev0", "sev1", "s1"), "critical"
    ),
    **dict.fromkeys(("high", "major", "error", "important", "p1", "sev2", "s2"), "high"),
    **dict.fromkeys(("medium", "moderate", "med", "warning", "warn", "p2", "sev3", "s3"), "medium"),
    **dict.fromkeys(("low", "minor", "info", "informational", "trivial", "note", "p3", "p4", "s4"), "low"),
}


class Understood(NamedTuple):
    """What a line was understood as, and what was found in it; ``problem`` says why it was not."""

    as_: str
    found: tuple[Extracted, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Names:
    """The services of the release, and the others that the catalogue knows."""

    release: tuple[str, ...]
    others: tuple[str, ...] = ()

    @cached_property
    def _by_word(self) -> dict[str, str]:
        return {name.casefold(): name for name in (*self.others, *self.release)}

    def mentioned(self, text: str) -> str | None:
        """Return the service that ``text`` names first, one of the release before any other.

        What stands in a route, such as ``/checkout``, names no service.
        """
        named = [
            self._by_word[word]
            for found in _WORD.findall(_ROUTE.sub(" ", text))
            if (word := found.rstrip(".-").casefold()) in self._by_word
        ]
        return next((name for name in named if name in self.release), named[0] if named else None)


@dataclass(frozen=True)
class Line:
    """A piece of a document with its signs taken off, and who it speaks of."""

    file: str
    piece: Piece
    text: str
    mark: Mark | None
    ticked: bool | None

    @classmethod
    def of(cls, piece: Piece, file: str) -> Line:
        """Return ``piece`` as a line; a row keeps its signs in its cells."""
        text, mark, ticked = marked(piece.text)
        return cls(file, piece, text, mark, ticked)

    @property
    def source(self) -> str:
        """Where it stands."""
        return f"{self.file}:{self.piece.line}"

    @cached_property
    def field(self) -> tuple[str, str] | None:
        """Name and value, where it is one; a row has cells instead."""
        return None if self.piece.kind is Kind.ROW else field_of(self.text)

    def cell(self, *words: str) -> str | None:
        """Return the first cell with words whose header has one of ``words``, in the order of ``words``."""
        for word in words:
            for header, value in self.piece.cells.items():
                if value and (header == word or word in _header_words(header)):
                    return value
        return None

    def service(self, names: Names) -> str | None:
        """Return the service it speaks of: in a column, in its words, or in what it stands under.

        A column may name a service that nobody knows. A release of one service speaks of that one.
        """
        column = self.cell(*_SERVICE_COLUMNS)
        if column is not None:
            found = names.mentioned(column) or column.split()[0].strip("(),")
            return found if is_identifier(found) else None
        above = (names.mentioned(text) for text in reversed(self.piece.context))
        found_here = names.mentioned(self.text) or next((name for name in above if name), None)
        return found_here or (names.release[0] if len(names.release) == 1 else None)


@lru_cache(maxsize=1024)
def _header_words(header: str) -> frozenset[str]:
    return frozenset(re.split(r"[\s/()_-]+", header))


def severity_of(word: object) -> Severity:
    """Return the severity that a single word or sign stands for."""
    return _SEVERITIES.get(visible(word, 40).casefold().strip(" []().:!*"), "unknown")


def not_understood(what: str, line: Line) -> Understood:
    """Return that ``line`` should have been ``what`` and is not."""
    return Understood(NOT_UNDERSTOOD, problem=f"{line.source}: not understood as {what}: {line.text[:200]}")
