"""Markdown that people read: text from outside is escaped, so that it shows and never acts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from release_watch.clock import rfc3339

if TYPE_CHECKING:
    from jinja2 import Environment

NOTHING = "–"
# An underscore inside a word, as in release_id, is plain text; elsewhere it is emphasis.
_ACTS = re.compile(r"([\\|`\[\]*~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_WHITE = re.compile(r"\s+")
# Control characters, and the signs that make a text run the other way than it is read.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINKED_SCHEMES = frozenset({"http", "https", "s3", "gs", "abfs", "abfss", "file"})


class Written(str):
    """Markdown that this package wrote itself; :func:`escape` leaves it alone."""

    __slots__ = ()


def escape(value: object) -> Written:
    """Return ``value`` as one line of inert Markdown, also fit for a table cell.

    HTML, tables, code, links and emphasis lose their meaning, line breaks become spaces, invisible
    characters go. None and the empty text are shown as a dash.
    """
    if isinstance(value, Written):
        return value
    text = _UNSEEN.sub("", "" if value is None else str(value))
    text = _WHITE.sub(" ", text).strip()
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Written(_ACTS.sub(r"\\\1", text) or NOTHING)


def unescaped(markdown: str) -> str:
    """Return the text that :func:`escape` made ``markdown`` of."""
    return unescape(re.sub(r"\\(.)", r"\1", markdown))


def code(value: object) -> Written:
    """Return ``value`` as inline code, whatever backticks or bars are in it."""
    text = _WHITE.sub(" ", _UNSEEN.sub("", str(value))).strip()
    if not text:
        return Written(NOTHING)
    fence = "`" * (_longest_ticks(text) + 1)
    pad = " " if "`" in text else ""
    # A table row is split at bars before code is looked for, so they are escaped in code too.
    return Written(f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|"))


def code_block(text: str, language: str = "text") -> Written:
    """Return ``text`` as a fenced block that its own backticks cannot close.

    A block always has a language: without one Airflow's pages draw it as a single line.
    """
    fence = "`" * max(3, _longest_ticks(text) + 1)
    return Written(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def link(label: object, url: str) -> Written:
    """Return a link; an address that is not a web or storage address is shown as code instead."""
    if urlsplit(url).scheme not in _LINKED_SCHEMES:
        return Written(f"{escape(label)} ({code(url)})")
    return Written(f"[{escape(label)}]({quote(url, safe=':/?#@!$&+,;=%~._-')})")


def table(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> Written:
    """Return a Markdown table with every cell escaped; without rows, the words ``none``.

    Raises:
        ValueError: if a row has not as many cells as there are headers.
    """
    body = [_row(row, len(headers)) for row in rows]
    if not body:
        return Written("none")
    rule = "|" + "---|" * len(headers)
    return Written("\n".join([_row(headers, len(headers)), rule, *body]))


def header(title: str, release_id: str, environment: str, generated_at: datetime) -> Written:
    """Return what every Markdown artifact begins with: title, release, environment and time."""
    return Written(
        f"# {escape(title)}\n\n"
        f"- release_id: {escape(release_id)}\n"
        f"- environment: {escape(environment)}\n"
        f"- generated_at: {rfc3339(generated_at)}\n"
    )


def render(package: str, template: str, **values: Any) -> str:
    """Return ``<package>/templates/<template>`` filled in; every plain value in it is escaped.

    ``table``, ``code``, ``code_block``, ``link`` and ``header`` can be called in templates.

    Raises:
        jinja2.UndefinedError: if the template uses a value that is not given.
    """
    text = _environment(package).get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment(package: str) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=False,  # noqa: S701 - Markdown, not HTML: `finalize` escapes every value
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(escape=escape, code=code, rfc3339=rfc3339)
    environment.globals.update(table=table, code=code, code_block=code_block, link=link, header=header)
    return environment


def _row(cells: Sequence[object], width: int) -> str:
    if len(cells) != width:
        raise ValueError(f"a table row has {len(cells)} cells where {width} are needed")
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
