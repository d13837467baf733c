"""The entries of a JSON or YAML document, each read or refused by its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from release_watch.evidence.account import NOT_UNDERSTOOD, Account, Passage
from release_watch.evidence.inert import visible
from release_watch.evidence.models import Extracted
from release_watch.evidence.structured import Place, Structured

ItemT = TypeVar("ItemT", bound=Extracted)
IDENTITY = frozenset({
    "schema_version", "$schema", "deployment_id", "release_id", "release", "version", "environment",
    "generated_at", "as_of", "created_at", "timestamp", "deployed_at", "validated_at", "completed_at",
    "previous_version", "measured_version", "window", "status", "result", "verdict", "overall_status",
})  # fmt: skip


class Entry(NamedTuple):
    """One entry of a list or mapping; ``name`` is its key in a mapping, else empty."""

    place: Place
    name: str
    value: Any

    def text(self, *keys: str) -> str:
        """Return the first of its fields ``keys`` that holds a word or number, as plain words."""
        if isinstance(self.value, dict):
            for key in keys:
                found = self.value.get(key)
                if isinstance(found, str | int | float) and str(found).strip():
                    return visible(found)
        return ""


class EntryReading:
    """Collects what is found in one document, and what is not understood."""

    def __init__(self, document: Structured) -> None:
        self.document = document
        self.problems: list[str] = []
        self._found: list[Extracted] = []
        self._passages: list[Passage] = []

    def entries(self, *keys: str) -> Iterator[Entry]:
        """Yield the entries of the first of the document's fields ``keys`` that is there."""
        key = next((key for key in keys if self.document.content.get(key) is not None), None)
        if key is None:
            return
        yield from self.inside(Entry((key,), "", self.document.content[key]))

    def inside(self, entry: Entry) -> Iterator[Entry]:
        """Yield the entries of ``entry``, a list or mapping; anything else is not understood."""
        if isinstance(entry.value, list):
            for index, value in enumerate(entry.value):
                yield Entry((*entry.place, index), "", value)
        elif isinstance(entry.value, dict):
            for name, value in entry.value.items():
                yield Entry((*entry.place, name), visible(name, 200), value)
        else:
            self.refuse(entry, "a list or mapping")

    def source(self, entry: Entry) -> str:
        """Return the ``file:line`` of ``entry``."""
        return self.document.source(*entry.place)

    def take(self, entry: Entry, understood_as: str, *found: Extracted) -> None:
        """Note that ``entry`` was understood, and what was found in it."""
        self._found += found
        self._note(entry, understood_as)

    def refuse(self, entry: Entry, what: str) -> None:
        """Note that ``entry`` should have been ``what`` and is not."""
        words = visible(entry.value, 100)
        self.problems.append(f"{self.source(entry)}: not understood as {what}: {words}")
        self._note(entry, NOT_UNDERSTOOD, words)

    def found(self, kind: type[ItemT]) -> tuple[ItemT, ...]:
        """Return the items of a kind."""
        return tuple(one for one in self._found if isinstance(one, kind))

    def account(self, *read: str) -> Account:
        """Return the account; fields of the document that are neither ``read`` nor identity are listed."""
        for key, value in self.document.content.items():
            if key in IDENTITY:
                self._note(Entry((key,), "", value), "identity")
            elif key not in read:
                words = visible(f"{key}: {type(value).__name__}", 100)
                self._note(Entry((key,), "", value), NOT_UNDERSTOOD, words)
        return Account(self.document.file, tuple(sorted(self._passages)))

    def _note(self, entry: Entry, understood_as: str, words: str = "") -> None:
        line = self.document.line(*entry.place)
        section = visible(entry.place[0], 100) if entry.place and understood_as != "identity" else ""
        self._passages.append(Passage(line, line, section, understood_as, words))
