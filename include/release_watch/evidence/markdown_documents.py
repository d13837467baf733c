"""Markdown as people write it: headings, bullets and tables in any order, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from release_watch.evidence.files import MAX_LINES, refused
from release_watch.evidence.plain_words import DASH, plain

if TYPE_CHECKING:
    from markdown_it.token import Token

_KEY = r"[A-Za-z][\w ()/&'.#-]{0,48}?"
_FIELD = re.compile(rf"^({_KEY}) ?(?:: |:$|= | {DASH} | - )\s*(.*)$", re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_OPENS = ("bullet_list_open", "ordered_list_open", "table_open", "fence")
_CLOSES = ("bullet_list_close", "ordered_list_close", "table_close", "fence")
_BAR = re.compile(r"(?<!\\)\|")
_LEAD_LENGTH = 80
_OVERVIEW = re.compile(
    r"\b(summary|overview|meta ?data|details|general|about|info\w*|at a glance|facts)\b", re.I
)


class Kind(StrEnum):
    """What a piece of a document is."""

    TEXT = "text"
    ROW = "row"
    BROKEN_ROW = "row with more cells than columns"
    CODE = "code"
    HTML = "html"


class Piece(NamedTuple):
    """A bullet, paragraph, table row, line of code or block of HTML, as plain words, and where it stands.

    ``context`` are the headings, lead-in lines and outer bullets above it, outermost first; ``cells`` the
    cells of a row by the table's headers in lower case; ``leads`` whether others stand below it.
    """

    kind: Kind
    text: str
    line: int
    last_line: int
    context: tuple[str, ...]
    cells: dict[str, str]
    leads: bool = False

    @property
    def section(self) -> str:
        """The innermost heading or line that this piece stands under."""
        return self.context[-1] if self.context else ""


class Field(NamedTuple):
    """A ``name: value``, however it is written; ``top`` if it speaks of the document as a whole."""

    name: str
    value: str
    line: int
    top: bool


class MarkdownDocument(NamedTuple):
    """What was found in a document, in its order."""

    file: str
    pieces: tuple[Piece, ...]
    fields: tuple[Field, ...]

    def values(self, *names: str) -> tuple[Field, ...]:
        """Return the fields with one of these names, in any case, that speak of the whole document."""
        wanted = {_bare(name) for name in names}
        return tuple(field for field in self.fields if field.top and _bare(field.name) in wanted)


def field_of(text: str) -> tuple[str, str] | None:
    """Return name and value where ``text`` is ``name: value`` or ``name - value``."""
    found = _FIELD.match(text)
    return (found[1].strip(), found[2].strip()) if found else None


def parse_markdown(text: str, file: str) -> MarkdownDocument:
    """Return the structure of a Markdown document; HTML and code are kept as words only.

    Raises:
        InvalidInputError: if it has more than ``MAX_LINES`` lines, or breaks off in a code block or a row.
    """
    from markdown_it import MarkdownIt

    lines = text.count("\n") + 1
    if lines > MAX_LINES:
        raise refused(file, f"{lines} lines", f"must have at most {MAX_LINES}; attach less")
    parser = MarkdownIt("commonmark").enable("table").disable("reference")
    parser.core.ruler.enableOnly(["normalize", "block"])
    front = _front_matter(text)
    # Blank lines in place of the front matter, so that every line keeps its number.
    body = "\n" * len(front) + text[_end_of(text) :] if front else text
    tokens = parser.parse(body)
    _check_whole(text, tokens, file)
    walk = _Walk(body.split("\n"))
    walk.over(tokens)
    fields = [Field(*pair, number, True) for number, line in front if (pair := field_of(plain(line)))]
    return MarkdownDocument(file, tuple(walk.pieces), (*fields, *walk.fields))


class _Walk:
    """Goes over the tokens of one document and notes under what each piece stands."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.pieces: list[Piece] = []
        self._raw = lines
        self.fields: list[Field] = []
        self._headings: list[tuple[int, str]] = []
        self._sections = 0
        self._lead = ""
        self._lead_opens = False  # the list or table that comes, and nothing after it
        self._bullets: list[int | None] = []  # the piece that each open bullet begins with
        self._columns: list[str] = []

    def over(self, tokens: Sequence[Token]) -> None:
        """Take every token in."""
        index = 0
        while index < len(tokens):
            index = self._take(tokens, index) + 1

    def _take(self, tokens: Sequence[Token], index: int) -> int:
        """Take one token in, and return the index of the last one that belongs to it."""
        token = tokens[index]
        if token.type == "heading_open":
            self._heading(int(token.tag[1:]), plain(tokens[index + 1].content))
            return index + 2
        if token.type == "tr_open":
            return self._row(tokens, index)
        if token.type == "inline":
            following = tokens[index + 2].type if index + 2 < len(tokens) else ""
            self._paragraph(token, following)
        elif token.type == "list_item_open":
            self._bullets.append(None)
        elif token.type == "list_item_close":
            self._bullets.pop()
        else:
            self._block(token)
        if self._lead_opens and token.level == 0 and token.type in _CLOSES:
            self._lead, self._lead_opens = "", False
        return index

    def _block(self, token: Token) -> None:
        if token.type in ("fence", "code_block"):
            first = _span(token)[0] + (token.type == "fence")
            for offset, line in enumerate(token.content.split("\n")):
                self._add(Kind.CODE, plain(line), first + offset, first + offset)
        elif token.type == "html_block":
            self._add(Kind.HTML, plain(token.content), *_span(token))

    def _heading(self, level: int, text: str) -> None:
        self._headings = [one for one in self._headings if one[0] < level]
        self._headings.append((level, text))
        self._sections += 1
        self._lead = ""

    def _context(self) -> tuple[str, ...]:
        # The title says of everything what only a section should: it counts where nothing else does.
        below = [text for level, text in self._headings if level > 1]
        headings = below or [text for _, text in self._headings]
        outer = [self.pieces[index].text for index in self._bullets if index is not None]
        return tuple(text for text in (*headings, self._lead, *outer) if text)

    def _add(
        self, kind: Kind, text: str, line: int, last_line: int, cells: dict[str, str] | None = None
    ) -> None:
        if not text:
            return
        self.pieces.append(Piece(kind, text, line, last_line, self._context(), cells or {}))
        pair = field_of(text) if kind is Kind.TEXT else None
        if cells and len(cells) == 2:
            name, value = cells.values()
            pair = name.rstrip(":"), value
        if pair and all(pair):
            self.fields.append(Field(*pair, line, self._is_top()))

    def _paragraph(self, token: Token, following: str) -> None:
        for text, line, last_line in _lines(token):
            before = len(self.pieces)
            if self._bullets and self._bullets[-1] is None:
                self._mark_leads()
                self._add(Kind.TEXT, text, line, last_line)
                self._bullets[-1] = before if len(self.pieces) > before else None
            elif not self._bullets and _is_lead(text, token.content, following):
                self._lead, self._lead_opens = text.rstrip(": "), text.endswith(":") and following in _OPENS
            else:
                self._add(Kind.TEXT, text, line, last_line)

    def _mark_leads(self) -> None:
        outer = next((index for index in reversed(self._bullets[:-1]) if index is not None), None)
        if outer is not None:
            self.pieces[outer] = self.pieces[outer]._replace(leads=True)

    def _row(self, tokens: Sequence[Token], index: int) -> int:
        cells = []
        line, last_line = _span(tokens[index])
        while tokens[index].type != "tr_close":
            if tokens[index].type == "inline":
                cells.append(plain(tokens[index].content))
            index += 1
        if tokens[index - 1].type == "th_close":
            self._columns = _distinct(cells)
            if len(cells) == 2 and all(cells):  # often the first of a list of facts
                self.fields.append(Field(cells[0].rstrip(":"), cells[1], line, self._is_top()))
        elif len(_BAR.findall(self._raw[line - 1].strip().strip("|"))) >= max(len(self._columns), 1):
            self._add(Kind.BROKEN_ROW, plain(self._raw[line - 1]), line, last_line)
        else:
            by_column = dict(zip(self._columns, cells, strict=False))
            self._add(Kind.ROW, "; ".join(cell for cell in cells if cell), line, last_line, by_column)
        return index

    def _is_top(self) -> bool:
        """Return whether what stands here is said of the whole document: on top, or in a summary."""
        sections = [text for level, text in self._headings if level > 1]
        title_only = self._sections <= 1 and not sections
        return title_only or (len(sections) == 1 and _OVERVIEW.search(sections[0]) is not None)


def _lines(token: Token) -> Iterator[tuple[str, int, int]]:
    """Yield a paragraph, or its lines where they are lines of their own, with first and last line.

    A term and its definitions (``: words``) become ``term: words``.
    """
    first, last = _span(token)
    raw = token.content.split("\n")
    lines = [plain(line) for line in raw]
    if len(raw) > 1 and all(line.startswith(": ") for line in lines[1:]):
        for offset, line in enumerate(lines[1:], start=1):
            yield f"{lines[0]}{line}", first + offset, first + offset
        return
    if len(raw) == 1 or not _stand_alone(raw, lines):
        yield plain(" ".join(raw)), first, last
        return
    for offset, line in enumerate(lines):
        yield line, first + offset, first + offset


def _stand_alone(raw: Sequence[str], lines: Sequence[str]) -> bool:
    """Return whether the lines are no wrapped sentence, but facts, or broken on purpose."""
    broken = all(line.endswith(("  ", "\\")) for line in raw[:-1])
    return broken or all(field_of(line) for line in lines)


def _is_lead(text: str, raw: str, following: str) -> bool:
    """Return whether a paragraph stands for a heading: ``**Risks**``, or ``Risks:`` before a list."""
    bold = raw.startswith(("**", "__")) and raw.rstrip(" :").endswith(("**", "__")) and raw.count("**") <= 2
    opens = following in _OPENS and text.endswith(":")
    return len(text) <= _LEAD_LENGTH and ((bold and field_of(text) is None) or opens)


def _check_whole(text: str, tokens: Sequence[Token], file: str) -> None:
    lines = text.splitlines()
    last = lines[-1].strip() if lines else ""
    what = ""
    if not text.endswith("\n") and last.startswith("|") and not last.endswith("|"):
        what = "a table row"
    for fence in (token for token in tokens if token.type == "fence" and token.level == 0):
        begin, end = _span(fence)
        if end - begin <= len(fence.content.split("\n")) - (fence.content[-1:] in ("", "\n")):
            what = "a code block"
    if what:
        raise refused(file, f"breaks off in {what} at line {len(lines)}", "it is half-written: write it anew")


def _span(token: Token) -> tuple[int, int]:
    first, end = token.map or [0, 1]
    return first + 1, max(end, first + 1)


def _distinct(cells: Sequence[str]) -> list[str]:
    """Return the headers in lower case; one without words, or that is there already, gets its number."""
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = cell.lower()
        names.append(name if name and name not in names else f"{name} {number}".strip())
    return names


def _front_matter(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines of a block of YAML at the very beginning, its fences among them."""
    found = _FRONT_MATTER.match(text)
    return list(enumerate(found[0].rstrip("\n").split("\n"), start=1)) if found else []


def _end_of(text: str) -> int:
    found = _FRONT_MATTER.match(text)
    return found.end() if found else 0


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
