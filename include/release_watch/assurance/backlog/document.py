"""``improvement-backlog.md``: items are appended once, closed when their cause is gone, and opened again.

The document is the record: what people write into it stays. Only the state of an item that nobody took
over is changed, and only between ``open`` and ``closed``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.assurance.backlog.items import PRIORITIES, BacklogItem
from release_watch.assurance.backlog.scope import NOTHING, Scope
from release_watch.clock import rfc3339
from release_watch.markdown import escape, header, unescaped

OPEN, CLOSED = "open", "closed"
GONE = "gone"
TICKET = "ticket"
KEPT = "Each item keeps its id. Change owner, priority and state here: what you write stays."
_SECTION = re.compile(r"^## (RW-[0-9a-f]{10}): (.*)$", re.MULTILINE)
_FIELD = re.compile(r"^- ([a-z]+): (.*)$", re.MULTILINE)
_NEXT = re.compile(r"^#{1,2} ", re.MULTILINE)


class Origin(NamedTuple):
    """Who brings the backlog up to date: a release or a night, of an environment."""

    environment: str
    name: str


class Entry(NamedTuple):
    """An item as it stands in the document, with its lines by name."""

    item_id: str
    title: str
    fields: Mapping[str, str]

    @property
    def state(self) -> str:
        """The state as written; people may have put in words of their own."""
        return self.fields.get("state", OPEN)

    def as_item(self) -> BacklogItem:
        """Return the item, with what people may have changed in it."""
        priority = self.fields.get("priority", "medium")
        return BacklogItem(
            item_id=self.item_id,
            kind=self.fields.get("kind", ""),
            service=self.fields.get("service", ""),
            title=unescaped(self.title),
            owner=unescaped(self.fields.get("owner", "")),
            priority=priority if priority in PRIORITIES else "medium",
            evidence=unescaped(self.fields.get("evidence", "")),
        )

    @property
    def closed_by_itself(self) -> bool:
        """Whether it was closed because its cause was gone, and by nobody."""
        return self.state == CLOSED and GONE in self.fields


class Amended(NamedTuple):
    """The backlog as it is now, and the items that were appended, closed and opened again."""

    text: str
    added: tuple[str, ...]
    closed: tuple[str, ...]
    reopened: tuple[str, ...]


def amended(
    existing: str | None,
    items: Sequence[BacklogItem],
    origin: Origin,
    at: datetime,
    *,
    scope: Scope = NOTHING,
) -> Amended:
    """Return the backlog with ``items`` in it, each once, and those closed whose cause is gone.

    ``scope`` is what was looked at; an open item within it that is not among ``items`` is closed. Doing the
    same again changes nothing.
    """
    text = existing or f"{header('Improvement backlog', origin.name, origin.environment, at)}\n{KEPT}\n"
    found = {item.item_id for item in items}
    before = entries(text)
    closed = [e for e in before if e.state == OPEN and _gone(e, found, scope)]
    reopened = [e for e in before if e.closed_by_itself and e.item_id in found]
    for entry in closed:
        text = _edited(text, entry.item_id, lambda lines: _closed(lines, origin, at))
    for entry in reopened:
        text = _edited(text, entry.item_id, lambda lines: _opened(lines, origin, at))
    known = {entry.item_id for entry in before}
    new = [item for item in items if item.item_id not in known]
    if not new and not known and "Nothing is outstanding" not in text:
        text += f"\nNothing is outstanding as of {rfc3339(at)}.\n"
    text = text.rstrip("\n") + "\n" + "".join(f"\n{_section(item, origin, at)}" for item in new)
    return Amended(
        text,
        added=tuple(item.item_id for item in new),
        closed=tuple(entry.item_id for entry in closed),
        reopened=tuple(entry.item_id for entry in reopened),
    )


def copied(text: str, origin: Origin, uri: str, at: datetime, *, earlier: str | None = None) -> str:
    """Return a copy of the backlog at ``uri`` for the evidence of a release.

    It is ``earlier``, the copy made before, if nothing but the time would differ.
    """
    begin = _NEXT.search(text, 1)
    body = text[begin.start() :] if begin else f"Nothing is outstanding as of {rfc3339(at)}.\n"
    pointer = f"A copy of {escape(uri)}, where people edit it."
    if earlier and earlier.endswith(f"\n{pointer}\n\n{body}"):
        return earlier
    return f"{header('Improvement backlog', origin.name, origin.environment, at)}\n{pointer}\n\n{body}"


def entries(text: str) -> tuple[Entry, ...]:
    """Return the items of a backlog in their order; lines that are not ours are passed over.

    Of an item that people copied the first counts, and of its lines the first of a name.
    """
    found: dict[str, Entry] = {}
    for match in _SECTION.finditer(text):
        lines = _FIELD.findall(text[match.end() : _end(text, match.end())])
        fields = {name: value.strip() for name, value in reversed(lines)}
        found.setdefault(match[1], Entry(match[1], match[2].strip(), dict(reversed(fields.items()))))
    return tuple(found.values())


def with_field(text: str, item_id: str, name: str, value: str) -> str:
    """Return the backlog with a line of an item set, or added below its other lines.

    Where the item is not there any more, the backlog is returned as it is.
    """
    return _edited(text, item_id, lambda lines: _set(lines, name, value))


def _gone(entry: Entry, found: set[str], scope: Scope) -> bool:
    kind = entry.fields.get("kind")
    where = entry.fields.get("service", "")
    return entry.item_id not in found and kind is not None and scope.holds(kind, where, entry.item_id)


def _closed(lines: str, origin: Origin, at: datetime) -> str:
    return _set(_set(lines, "state", CLOSED), GONE, f"{rfc3339(at)}, {escape(origin.name)}")


def _opened(lines: str, origin: Origin, at: datetime) -> str:
    return _set(_set(lines, "state", OPEN), "back", f"{rfc3339(at)}, {escape(origin.name)}")


def _set(lines: str, name: str, value: str) -> str:
    line = f"- {name}: {value}"
    changed, count = re.subn(rf"^- {name}: .*$", lambda _: line, lines, count=1, flags=re.MULTILINE)
    if count:
        return changed
    last = max((match.end() for match in _FIELD.finditer(lines)), default=0)
    return f"{lines[:last]}\n{line}{lines[last:]}"


def _edited(text: str, item_id: str, edit: Callable[[str], str]) -> str:
    match = next((match for match in _SECTION.finditer(text) if match[1] == item_id), None)
    if match is None:
        return text
    end = _end(text, match.end())
    return text[: match.end()] + edit(text[match.end() : end]) + text[end:]


def _end(text: str, start: int) -> int:
    following = _NEXT.search(text, start)
    return following.start() if following else len(text)


def _section(item: BacklogItem, origin: Origin, at: datetime) -> str:
    service = f"- service: {escape(item.service)}\n" if item.service else ""
    return (
        f"## {item.item_id}: {escape(item.title)}\n\n"
        f"- kind: {item.kind}\n{service}"
        f"- owner: {escape(item.owner)}\n"
        f"- priority: {item.priority}\n"
        f"- state: {OPEN}\n"
        f"- evidence: {escape(item.evidence)}\n"
        f"- found: {rfc3339(at)}, {escape(origin.name)}\n"
    )
