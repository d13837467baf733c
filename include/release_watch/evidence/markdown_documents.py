"""Markdown as people write it: headings, bullets and tables in any order, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it.token import Token

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9 _()/-]{0,40}?)\s*:\s+(.+)$", re.DOTALL)
_MARKS = re.compile(r"\*\*|`")
_ABOVE_HEADINGS = ""


class Item(NamedTuple):
    """A bullet or paragraph as plain words, where it stands, and the heading above it."""

    text: str
    source: str
    section: str


class Row(NamedTuple):
    """A table row: its cells by the table's headers in lower case, where it stands, the heading above."""

    cells: dict[str, str]
    source: str
    section: str


class MarkdownDocument(NamedTuple):
    """What was found in a document, in its order; ``unread`` is where HTML stands, which is not read."""

    file: str
    headings: tuple[Item, ...]
    items: tuple[Item, ...]
    rows: tuple[Row, ...]
    unread: tuple[str, ...]

    def field(self, *names: str) -> Item | None:
        """Return the value of the first ``name: value`` line with one of these names, any case."""
        wanted = {_plain_name(name) for name in names}
        for item in self.items:
            found = _FIELD.match(item.text)
            if found and _plain_name(found[1]) in wanted:
                return item._replace(text=found[2].strip())
        return None

    def items_under(self, pattern: re.Pattern[str]) -> Iterator[Item]:
        """Yield the bullets and paragraphs under headings that match."""
        return (item for item in self.items if pattern.search(item.section))

    def rows_under(self, pattern: re.Pattern[str]) -> Iterator[Row]:
        """Yield the table rows under headings that match."""
        return (row for row in self.rows if pattern.search(row.section))


def parse_markdown(text: str, file: str) -> MarkdownDocument:
    """Return the structure of a Markdown document; code blocks are left out, HTML is only noted."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    tokens = parser.parse(text)
    headings: list[Item] = []
    items: list[Item] = []
    rows: list[Row] = []
    unread = [_source(file, token) for token in tokens if token.type == "html_block"]
    section = _ABOVE_HEADINGS
    columns: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "heading_open":
            section = plain(tokens[index + 1].content)
            headings.append(Item(section, _source(file, token), section))
            index += 2
        elif token.type == "tr_open":
            cells, index = _cells(tokens, index)
            if tokens[index - 1].type == "th_close":
                columns = [cell.lower() for cell in cells]
            else:
                rows.append(Row(_by_column(columns, cells), _source(file, token), section))
        elif token.type == "inline":
            items += [Item(line, source, section) for line, source in _lines(token, file)]
        index += 1
    return MarkdownDocument(file, tuple(headings), tuple(items), tuple(rows), tuple(unread))


def plain(text: str) -> str:
    """Return ``text`` on one line, without emphasis and code marks."""
    return " ".join(_MARKS.sub("", text).split())


def _lines(token: Token, file: str) -> Iterator[tuple[str, str]]:
    """Yield a paragraph, or each of its lines where they are ``name: value`` lines."""
    lines = token.content.splitlines()
    first = (token.map or [0])[0] + 1
    if len(lines) > 1 and all(_FIELD.match(plain(line)) for line in lines):
        for offset, line in enumerate(lines):
            yield plain(line), f"{file}:{first + offset}"
    else:
        yield plain(token.content), f"{file}:{first}"


def _cells(tokens: Sequence[Token], index: int) -> tuple[list[str], int]:
    """Return the cells of the row that begins at ``index``, and the index of its end."""
    cells = []
    while tokens[index].type != "tr_close":
        if tokens[index].type == "inline":
            cells.append(plain(tokens[index].content))
        index += 1
    return cells, index


def _by_column(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return dict(zip(columns, cells, strict=False))


def _source(file: str, token: Token) -> str:
    return f"{file}:{(token.map or [0])[0] + 1}"


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
