"""What a misspelt name was probably meant to be."""

from __future__ import annotations

import types
import typing
from collections.abc import Hashable, Iterable, Sequence
from difflib import get_close_matches
from enum import Enum

from pydantic import BaseModel

_SHOWN = 20
_GUESSES = 100
"""A guess compares with every name: enough of them for a person, few enough for thousands of names."""


class Known:
    """The names that would have been right; a name or two of them for one that is not."""

    def __init__(self, names: Iterable[str]) -> None:
        self._all = frozenset(names)
        self._names = sorted(self._all)
        self._lower = {name.lower(): name for name in self._names}
        self._guessed: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def hint(self, value: object) -> str:
        """Return ``; did you mean 'x'? known are ...``, long lists cut, nothing where nothing is known."""
        shown = ", ".join(self._names[:_SHOWN])
        more = f" and {len(self._names) - _SHOWN} more" if len(self._names) > _SHOWN else ""
        guess = self.guess(value)
        return f"{guess or ';'} known are {shown}{more}" if self._names else ""

    def guess(self, value: object) -> str:
        """Return ``; did you mean 'x'?``, or nothing where no name is near."""
        found = self._nearest(str(value))
        return f"; did you mean {found!r}?" if found else ""

    def _nearest(self, value: str) -> str:
        if value not in self._guessed:
            if len(self._guessed) >= _GUESSES or len(value) > 120:
                return ""
            close = get_close_matches(value.lower(), self._lower, n=1, cutoff=0.7)
            self._guessed[value] = self._lower[close[0]] if close else ""
        return self._guessed[value]


def fields_at(model: type[BaseModel], location: Sequence[Hashable]) -> tuple[str, ...]:
    """Return the field names of the mapping that lies at ``location`` of a model; none for a free one."""
    found = _model_of(_kind_at(model, location))
    # A keyword of Python, such as ``from``, has an underscore behind it here, and its alias in files.
    fields = found.model_fields.items() if found else ()
    return tuple((field.alias or name) if name.endswith("_") else name for name, field in fields)


def values_at(model: type[BaseModel], location: Sequence[Hashable]) -> tuple[str, ...]:
    """Return the values that the field at ``location`` of a model may have, where they are few and fixed."""
    kind = _kind_at(model, location)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()


def _kind_at(model: type[BaseModel], location: Sequence[Hashable]) -> object:
    kind: object = model
    for part in location:
        kind = _inside(kind, part)
    return kind


def _inside(kind: object, part: Hashable) -> object:
    model = _model_of(kind)
    if model is not None:
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    for candidate in _choices(kind):
        values = [a for a in typing.get_args(candidate) if a is not Ellipsis]
        if values:
            return values[-1]  # of tuple[X, ...] and list[X] the element, of dict[K, V] the value
    return None


def _model_of(kind: object) -> type[BaseModel] | None:
    for candidate in _choices(kind):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _choices(kind: object) -> tuple[object, ...]:
    if typing.get_origin(kind) is typing.Annotated:
        return _choices(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(choice for arg in typing.get_args(kind) for choice in _choices(arg))
    return (kind,)
