"""YAML documents that remember the line of every field, so that a problem can be shown where it is."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from release_watch.catalog.nearest import Known, fields_at, values_at

MAX_BYTES = 10_000_000
"""Some 15,000 services with all their signals."""

_MAX_NODES = 1_000_000
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MAX_DIGITS = 100  # numbers to base 60, which YAML 1.1 has, take time with the square of their length
_PASSWORD = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_SHOWN = 100
_QUOTED = re.compile(r"'([^']*)'")

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[Hashable, ...]

if TYPE_CHECKING or not yaml.__with_libyaml__:
    _Loader = yaml.SafeLoader
else:
    from yaml.cyaml import CParser

    class _Loader(Composer, CParser, SafeConstructor, Resolver):
        """Parses in C and composes in Python.

        ``CSafeLoader`` also composes in C, without looking at its stack: a file of opening brackets, well
        below any limit on size, ends the whole process. Here it is a RecursionError.
        """

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)


class Document(NamedTuple):
    """One YAML document: its plain data, and the line (from 1) of each location in it."""

    file: str
    data: Any
    lines: Mapping[Location, int]

    def where(self, location: Sequence[Hashable]) -> str:
        """Return ``file:line`` of a location, or of the nearest one above it that is written down."""
        return f"{self.file}:{self.line(location)}"

    def line(self, location: Sequence[Hashable]) -> int:
        """Return the line of a location, or of the nearest one above it that is written down."""
        path = tuple(location)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, location: Sequence[Hashable], value: object, remedy: str) -> str:
        """Return a problem as ``file:line: field: value: remedy``."""
        field = ".".join(str(part) for part in location) or "document"
        return f"{self.where(location)}: {field}: {_shown(value)}: {remedy}"

    def parse(self, model: type[ModelT], data: Any, at: Location = ()) -> tuple[ModelT | None, list[str]]:
        """Return ``data`` (found at ``at``) as a model, or None and every problem in it."""
        try:
            return model.model_validate(data), []
        except ValidationError as error:
            return None, [self._from_pydantic(at, e, model) for e in error.errors()]

    def _from_pydantic(self, at: Location, error: Any, model: type[BaseModel]) -> str:
        location = (*at, *error["loc"])
        context = error.get("ctx", {})
        if error["type"] == "missing":
            return self.problem(location, None, f"add {_wanted(model, error['loc'])}")
        if error["type"] == "extra_forbidden":
            known = Known(fields_at(model, error["loc"][:-1]))
            return self.problem(location, error["input"], f"unknown field{known.hint(error['loc'][-1])}")
        if error["type"] in ("enum", "literal_error"):
            known = Known(_QUOTED.findall(str(context.get("expected"))))
            return self.problem(location, error["input"], f"{error['msg']}{known.guess(error['input'])}")
        return self.problem(location, error["input"], error["msg"].removeprefix("Value error, "))


def read_documents(path: Path, name: str) -> tuple[list[Document], list[str]]:
    """Return the documents of a YAML file, shown to people as ``name``, and every problem found."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            return [], [f"{name}:1: file: too large: at most {MAX_BYTES} bytes; split it"]
        return parse_documents(raw.decode(), name)
    except FileNotFoundError:
        return [], [f"{name}:1: file: missing: create it; the shipped include/config shows its form"]
    except IsADirectoryError:
        return [], [f"{name}:1: file: a folder: replace it by a file"]
    except PermissionError:
        return [], [f"{name}:1: file: not readable: let the user that runs Airflow read it"]
    except UnicodeDecodeError as error:
        return [], [f"{name}:1: file: byte {error.start} is not UTF-8: save it as UTF-8 text"]


def parse_documents(text: str, name: str) -> tuple[list[Document], list[str]]:
    """Return the documents of a YAML text (JSON is YAML too), shown as ``name``, and every problem found.

    A key that is written twice is a problem of a document that is returned all the same, with the last value.
    """
    documents: list[Document] = []
    problems: list[str] = []
    loader = _Loader(text)
    try:
        while loader.check_node() and (node := loader.get_node()):
            walk = _Walk(name)
            walk.visit(node, ())
            problems += walk.problems
            if not walk.unusable:
                data = loader.construct_document(node)
                documents.append(Document(name, data, walk.lines))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problems.append(_syntax_problem(error, name))
    finally:
        loader.dispose()
    return documents, problems


def compose(text: str) -> yaml.Node | None:
    """Return the nodes of the only document in a text that :func:`parse_documents` accepts."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _syntax_problem(error: Exception, name: str) -> str:
    if isinstance(error, RecursionError):
        return f"{name}:1: YAML: nested too deeply: write it flatter"
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    words = getattr(error, "problem", None) or str(error)
    return f"{name}:{line}: YAML: {words}: correct the syntax"


class _Walk:
    """One pass over the nodes of a document: lines, duplicate keys, and aliases that would not end."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Location, int] = {}
        self.problems: list[str] = []
        self.unusable = False
        self._name = name
        self._open: set[int] = set()

    def visit(self, node: yaml.Node, location: Location) -> None:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if id(node) in self._open or len(self.lines) > _MAX_NODES:
            self._refuse(node, "an alias that refers to itself or grows without end: write the value out")
            return
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            self._refuse(node, f"a number of {len(node.value)} signs: put it into quotes")
            return
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, location)
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._descend(child, (*location, index))
        self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> None:
        seen: set[str] = set()
        for key, child in node.value:
            text = key.value if isinstance(key, yaml.ScalarNode) else None
            if text is None:
                self._refuse(key, "a key that is no plain text: use a name")
                continue
            if text in seen:
                self._complain(key, f"{text}: written twice: keep one")
            seen.add(text)
            self.lines[(*location, text)] = key.start_mark.line + 1
            self._descend(child, (*location, text))

    def _descend(self, child: yaml.Node, location: Location) -> None:
        if not self.unusable:
            self.visit(child, location)

    def _refuse(self, node: yaml.Node, words: str) -> None:
        self.unusable = True
        self._complain(node, words)

    def _complain(self, node: yaml.Node, words: str) -> None:
        self.problems.append(f"{self._name}:{node.start_mark.line + 1}: YAML: {words}")


def _wanted(model: type[BaseModel], location: Sequence[Hashable]) -> str:
    """Return what to add where a field is missing: one of its values, or its name."""
    values = values_at(model, location)
    return " or ".join(values) if values else "it"


def _shown(value: object) -> str:
    text = "missing" if value is None else _PASSWORD.sub("***", repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
