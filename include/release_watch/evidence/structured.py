"""JSON and YAML of the evidence folder as plain objects, with the line on which each value stands."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.evidence.files import refused

if TYPE_CHECKING:
    import yaml

MAX_DEPTH = 50
MAX_VALUES = 200_000
LONGEST_NUMBER = 30
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|\n|[^\s{}\[\],:"]+')
_ABSENT = frozenset({"", "~", "null", "Null", "NULL"})

Place = tuple[str | int, ...]


class Structured(NamedTuple):
    """The content of a document, and the line of each value by its place in it."""

    file: str
    content: dict[str, Any]
    lines: Mapping[Place, int]

    def source(self, *place: str | int) -> str:
        """Return ``file:line`` of the value at ``place``, or of the nearest one around it."""
        return f"{self.file}:{self.line(*place)}"

    def line(self, *place: str | int) -> int:
        """Return the line of the value at ``place``, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def parse_json(text: str, name: str) -> Structured:
    """Return the JSON object in ``text``.

    Raises:
        InvalidInputError: if it is half-written, no JSON, no object, too deep, too long, or has a key twice.
    """
    try:
        content = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise refused(
            name, f"{error.msg} at {where}", "it is half-written or no JSON: write it anew"
        ) from error
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise refused(name, words, "correct the document") from error
    if not isinstance(content, dict):
        raise refused(name, f"a {type(content).__name__}", "must be a JSON object")
    return Structured(name, content, _json_lines(text, name))


def parse_yaml(text: str, name: str) -> Structured:
    """Return the YAML mapping in ``text``, every scalar as the text that stands there.

    So a version 1.10 stays 1.10. Aliases are refused, so that nothing can grow without end.

    Raises:
        InvalidInputError: if it is no YAML, no mapping, too deep, too long, or has aliases or a key twice.
    """
    import yaml

    try:
        return _YamlReading(name).read(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the document"
        raise refused(
            name, f"{where} is no YAML", "it is half-written or malformed: write it anew"
        ) from error


class _YamlReading:
    """One document read event by event, so that its depth and length are bounded while it is read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[Place, int] = {}
        self._values = 0

    def read(self, events: Iterator[yaml.Event]) -> Structured:
        from yaml import DocumentStartEvent

        contents = [
            self._value(next(events), events, ()) for event in events if isinstance(event, DocumentStartEvent)
        ]
        if len(contents) != 1:
            raise refused(self._name, f"{len(contents)} documents", "must be one mapping")
        if not isinstance(contents[0], dict):
            raise refused(self._name, f"a {type(contents[0]).__name__}", "must be a mapping")
        return Structured(self._name, contents[0], self._lines)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], place: Place) -> Any:
        from yaml import AliasEvent, MappingStartEvent, ScalarEvent

        self._values += 1
        self._lines[place] = _line(event)
        if self._values > MAX_VALUES or len(place) > MAX_DEPTH:
            raise _beyond(self._name, self._values)
        if isinstance(event, AliasEvent):
            raise refused(self._name, f"line {_line(event)} has an alias", "write the value out")
        if isinstance(event, ScalarEvent):
            return None if event.implicit[0] and event.value in _ABSENT else event.value
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, place)
        return self._sequence(events, place)

    def _mapping(self, events: Iterator[yaml.Event], place: Place) -> dict[str, Any]:
        from yaml import MappingEndEvent, ScalarEvent

        found: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            line = _line(event)
            if not isinstance(event, ScalarEvent):
                raise refused(self._name, f"line {line}: a key that is no word", "correct the document")
            if event.value in found:
                raise refused(
                    self._name, f"line {line}: key {event.value[:60]!r} is written twice", "drop one"
                )
            found[event.value] = self._value(next(events), events, (*place, event.value))
        return found

    def _sequence(self, events: Iterator[yaml.Event], place: Place) -> list[Any]:
        from yaml import SequenceEndEvent

        found: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            found.append(self._value(event, events, (*place, len(found))))
        return found


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _json_lines(text: str, name: str) -> dict[Place, int]:
    """Return the line of every value of a text that is known to be JSON."""
    lines: dict[Place, int] = {}
    stack: list[str | int] = []  # the key or index that is being filled, of each object or list around
    awaited: list[bool] = []  # whether the next string of it is a key
    line = 1
    for match in _TOKEN.finditer(text):
        sign = match[0]
        if sign == "\n":
            line += 1
        elif sign in ",:":
            _advance(sign, stack, awaited)
        elif sign in "}]":
            stack.pop()
            awaited.pop()
        elif awaited and awaited[-1]:
            stack[-1] = json.loads(sign)
        else:
            lines[tuple(stack)] = line
            if sign in "{[":
                stack.append(0 if sign == "[" else "")
                awaited.append(sign == "{")
        if len(lines) > MAX_VALUES or len(stack) > MAX_DEPTH:
            raise _beyond(name, len(lines))
    return lines


def _advance(sign: str, stack: list[str | int], awaited: list[bool]) -> None:
    last = stack[-1]
    if sign == ":":
        awaited[-1] = False
    elif isinstance(last, int):
        stack[-1] = last + 1
    else:
        awaited[-1] = True


def _beyond(name: str, values: int) -> Exception:
    if values > MAX_VALUES:
        return refused(name, f"more than {MAX_VALUES} values", "attach less")
    return refused(name, "nested too deeply", f"use at most {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"key {twice[:60]!r} is written twice")
    return found


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def _whole(number: str) -> int:
    if len(number) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(number)} digits")
    return int(number)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is larger than any number that can be read")
    return value
