"""Goes through a Markdown document line by line: each is understood as one thing, or listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from release_watch.evidence import check_lines, dependency_lines, endpoint_lines, flag_lines, risk_lines
from release_watch.evidence.account import NOT_UNDERSTOOD, PROSE, Account, Passage
from release_watch.evidence.markdown_documents import Kind, MarkdownDocument, Piece
from release_watch.evidence.models import Extracted, Outcome
from release_watch.evidence.plain_words import Mark
from release_watch.evidence.recognition import Line, Names, Understood

ItemT = TypeVar("ItemT", bound=Extracted)
Reader = Callable[[Line, Names], Understood]

_IDENTITY = frozenset({
    "deployment", "deployment id", "release", "release id", "version", "environment", "env", "date",
    "time", "deployed at", "deployed on", "deployed by", "author", "owner", "generated at", "completed at",
    "started at", "finished at", "duration", "team", "ticket", "commit", "previous version", "written at",
    "last updated",
})  # fmt: skip
_SECTIONS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (endpoint_lines.SECTION, endpoint_lines.read),
    (flag_lines.SECTION, lambda line, _: flag_lines.read(line)),
    (risk_lines.SECTION, risk_lines.read),
    (dependency_lines.SECTION, dependency_lines.read),
)
_UNREADABLE = {
    Kind.HTML: "HTML is not read; write it as Markdown",
    Kind.BROKEN_ROW: "has more cells than columns; write a bar inside of a cell as \\|",
}
_LONGEST_NAME = 5
_NEW_ENDPOINT = re.compile(r"\b(new|add(s|ed)|introduc\w+)\b.{0,60}\b(endpoint|route|api)s?\b", re.I)


class Reading:
    """One reading of one document: what was found in it, and the account of its lines."""

    def __init__(self, document: MarkdownDocument, names: Names) -> None:
        self._file = document.file
        self._names = names
        self._found: list[Extracted] = []
        self._passages: list[Passage] = []
        self.problems: list[str] = []
        for piece in document.pieces:
            self._take(piece)
        self._outcome(document)

    def found(self, kind: type[ItemT]) -> tuple[ItemT, ...]:
        """Return the items of a kind, in the order of the document."""
        return tuple(one for one in self._found if isinstance(one, kind))

    @property
    def account(self) -> Account:
        """What was made of each line."""
        return Account(self._file, tuple(self._passages))

    def _take(self, piece: Piece) -> None:
        line = Line.of(piece, self._file)
        understood = self._understood(line)
        self._found += understood.found
        if understood.problem:
            self.problems.append(understood.problem)
        words = piece.text[:200] if understood.as_ in (NOT_UNDERSTOOD, PROSE) else ""
        self._passages.append(
            Passage(piece.line, piece.last_line, " / ".join(piece.context), understood.as_, words)
        )

    def _understood(self, line: Line) -> Understood:
        kind = line.piece.kind
        if kind in _UNREADABLE:
            problem = f"{line.source}: {_UNREADABLE[kind]}: {line.text[:200]}"
            return Understood(NOT_UNDERSTOOD, problem=problem)
        if kind is Kind.CODE:
            return check_lines.read(line, self._names) or Understood(PROSE)
        if (named := _by_name(line, self._names)) is not None:
            return named
        if line.piece.leads and len(line.text.split()) <= 2 and self._names.mentioned(line.text):
            return Understood("heading")
        reader = _reader_of(line.piece.context)
        return reader(line, self._names) if reader else self._anywhere(line)

    def _anywhere(self, line: Line) -> Understood:
        """Understand a line that stands in no section of a known kind."""
        if _NEW_ENDPOINT.search(line.text) and endpoint_lines.find_endpoints(line.text):
            return endpoint_lines.read(line, self._names)
        return (
            _fact(line)
            or check_lines.read(line, self._names)
            or dependency_lines.certain(line, self._names)
            or Understood("heading" if line.piece.leads else PROSE)
        )

    def _outcome(self, document: MarkdownDocument) -> None:
        for field in document.values(*check_lines.OUTCOME_NAMES):
            result = check_lines.result_of(field.value)
            if result in (Mark.PASSED, Mark.FAILED):
                self._found.append(
                    Outcome(
                        text=f"{field.name}: {field.value}",
                        passed=result is Mark.PASSED,
                        source=f"{self._file}:{field.line}",
                    )
                )


def _by_name(line: Line, names: Names) -> Understood | None:
    """Read ``Risk: words`` as what its name says, wherever it stands; the name goes, the words stay."""
    if line.field is None or len(line.field[0].split()) > _LONGEST_NAME or names.mentioned(line.field[0]):
        return None
    reader = _reader_of((line.field[0],))
    if reader is None or not line.field[1]:
        return None
    below = line.piece._replace(context=(*line.piece.context, line.field[0]))
    return reader(Line(line.file, below, line.field[1], line.mark, line.ticked), names)


def _reader_of(context: Sequence[str]) -> Reader | None:
    """Return the reader of the innermost heading that is of a known kind."""
    for text in reversed(context):
        for pattern, reader in _SECTIONS:
            if pattern.search(text):
                return reader
    return None


def _fact(line: Line) -> Understood | None:
    """Understand what identifies the document, or says how all of it went."""
    field = line.field
    if field is None and len(line.piece.cells) == 2:
        name, value = line.piece.cells.values()
        field = name, value
    if field is None:
        return None
    name = field[0].casefold().strip(" :")
    if name in _IDENTITY:
        return Understood("identity")
    if name in check_lines.OUTCOME_NAMES and check_lines.result_of(field[1]):
        return Understood("outcome")
    return None
