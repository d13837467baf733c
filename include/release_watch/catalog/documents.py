"""YAML documents that remember the line of every field, so that a problem can be shown where it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

MAX_BYTES = 2_000_000
_MAX_NODES = 200_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[Hashable, ...]


class Document(NamedTuple):
    """One YAML document: its plain data, and the line (from 1) of each location in it."""

    file: str
    data: Any
    lines: Mapping[Location, int]

    def where(self, location: Sequence[Hashable]) -> str:
        """Return ``file:line`` of a location, or of the nearest one above it that is written down."""
        path = tuple(location)
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"

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
        if error["type"] == "missing":
            return self.problem(location, None, "missing; add it")
        if error["type"] == "extra_forbidden":
            known = (
                f"; {model.__name__} has {', '.join(model.model_fields)}" if len(error["loc"]) == 1 else ""
            )
            return self.problem(location, error["input"], f"unknown field{known}")
        return self.problem(location, error["input"], error["msg"].removeprefix("Value error, "))


def read_documents(path: Path, name: str) -> tuple[list[Document], list[str]]:
    """Return the documents of a YAML file, shown to people as ``name``, and every problem found."""
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            return [], [f"{name}:1: file: {len(raw)} bytes: at most {MAX_BYTES}; split it"]
        return _parse(raw.decode(), name)
    except FileNotFoundError:
        return [], [f"{name}:1: file: missing: create it; the shipped include/config shows its form"]
    except IsADirectoryError:
        return [], [f"{name}:1: file: a folder: replace it by a file"]
    except PermissionError:
        return [], [f"{name}:1: file: not readable: let the user that runs Airflow read it"]
    except UnicodeDecodeError as error:
        return [], [f"{name}:1: file: byte {error.start} is not UTF-8: save it as UTF-8 text"]


def _parse(text: str, name: str) -> tuple[list[Document], list[str]]:
    documents: list[Document] = []
    problems: list[str] = []
    loader = _LOADER(text)
    try:
        while loader.check_node() and (node := loader.get_node()):
            walk = _Walk(name)
            walk.visit(node, ())
            problems += walk.problems
            if not walk.unusable:
                data = loader.construct_document(node)
                documents.append(Document(name, data, walk.lines))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        words = getattr(error, "problem", None) or str(error) or "nested too deeply"
        problems.append(f"{name}:{line}: YAML: {words}: correct the syntax")
    finally:
        loader.dispose()
    return documents, problems


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
                self._refuse(key, f"{text}: written twice: keep one")
            seen.add(text)
            self.lines[(*location, text)] = key.start_mark.line + 1
            self._descend(child, (*location, text))

    def _descend(self, child: yaml.Node, location: Location) -> None:
        if not self.unusable:
            self.visit(child, location)

    def _refuse(self, node: yaml.Node, words: str) -> None:
        self.unusable = True
        self.problems.append(f"{self._name}:{node.start_mark.line + 1}: YAML: {words}")


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
