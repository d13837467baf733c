"""Where in a document something stands, what is wrong there, and all that is found in one reading."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, ParamSpec, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from release_watch.catalog.documents import Document, Location
from release_watch.catalog.nearest import Known, fields_at
from release_watch.errors import InvalidInputError

ModelT = TypeVar("ModelT", bound=BaseModel)
T = TypeVar("T")
P = ParamSpec("P")


class Documented(BaseModel):
    """A part of a document: its fields are written in camelCase, or as they are named here."""

    # Built at first use: what parses a DAG file imports this, and reads no document.
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class Place(NamedTuple):
    """A location in a document."""

    document: Document
    location: Location = ()

    def at(self, *parts: Hashable) -> Place:
        """Return a place below this one."""
        return Place(self.document, (*self.location, *parts))

    @property
    def where(self) -> str:
        """Its ``file:line``."""
        return self.document.where(self.location)

    def problem(self, value: object, remedy: str) -> str:
        """Return what is wrong here as ``file:line: field: value: remedy``."""
        return self.document.problem(self.location, value, remedy)

    def refusal(self, value: object, remedy: str) -> InvalidInputError:
        """Return the error that refuses what stands here."""
        return InvalidInputError([self.problem(value, remedy)])

    def read(self, model: type[ModelT], data: Any, *, camel: bool = True) -> ModelT:
        """Return ``data``, which stands here, as a model.

        Args:
            model: the form that it must have.
            data: what was found.
            camel: whether the fields are written in camelCase, as in Kubernetes.

        Raises:
            InvalidInputError: with every problem in it.
        """
        try:
            return _validated(model, data, camel)
        except ValidationError as error:
            raise InvalidInputError(self.told(error, model, camel)) from None

    def told(self, error: ValidationError, model: type[BaseModel], camel: bool) -> list[str]:
        """Return the problems of data that stands here."""
        return [self._told(one, model, camel) for one in error.errors()]

    def _told(self, error: Any, model: type[BaseModel], camel: bool) -> str:
        place, kind, message = (
            self.at(*error["loc"]),
            error["type"],
            error["msg"].removeprefix("Value error, "),
        )
        if kind == "missing":
            return place.problem(None, "add it")
        if kind == "extra_forbidden":
            above = [to_snake(str(part)) for part in error["loc"][:-1]]
            names = [to_camel(name) if camel else name for name in fields_at(model, above)]
            return place.problem(error["input"], f"unknown field{Known(names).hint(error['loc'][-1])}")
        if kind == "literal_error":
            expected = str(error.get("ctx", {}).get("expected")).replace("'", "")
            return place.problem(error["input"], f"must be {expected}")
        if kind.startswith("decimal") or kind == "finite_number":
            return place.problem(error["input"], "must be a number")
        if kind == "model_type":
            return place.problem(error["input"], "must be a mapping of fields")
        return place.problem(error["input"], message)


class Findings:
    """Every problem and warning of one reading, each once."""

    def __init__(self) -> None:
        self._problems: dict[str, None] = {}
        self._warnings: dict[str, None] = {}

    @property
    def problems(self) -> list[str]:
        """What has to be corrected, in the order in which it was found."""
        return list(self._problems)

    @property
    def warnings(self) -> list[str]:
        """What is not done as it is written."""
        return list(self._warnings)

    def refuse(self, place: Place, value: object, remedy: str) -> None:
        """Add a problem."""
        self._problems[place.problem(value, remedy)] = None

    def warn(self, place: Place, value: object, words: str) -> None:
        """Add a warning."""
        self._warnings[place.problem(value, words)] = None

    def add(self, problems: list[str]) -> None:
        """Add problems that are already written out."""
        self._problems.update(dict.fromkeys(problems))

    def read(self, place: Place, model: type[ModelT], data: Any, *, camel: bool = True) -> ModelT | None:
        """Return ``data`` as a model, or None; what is wrong is added.

        Fields that are not known do not keep the others from being read.
        """
        try:
            return _validated(model, data, camel)
        except ValidationError as error:
            self.add(place.told(error, model, camel))
            unknown = [one["loc"] for one in error.errors() if one["type"] == "extra_forbidden"]
        try:
            return _validated(model, _without(data, unknown), camel)
        except ValidationError:
            return None

    def attempt(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what ``function`` does, or None after adding what it refuses."""
        try:
            return function(*args, **kwargs)
        except InvalidInputError as error:
            self.add(list(error.problems))
            return None


def text_of(value: object) -> object:
    """Return a YAML scalar as the text that was meant: an unquoted ``true`` or ``2`` is one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


AsText = BeforeValidator(text_of)


def gather(*attempts: Callable[[], T]) -> list[T]:
    """Return what all of these do, in their order.

    Raises:
        InvalidInputError: with the problems of every one that refuses.
    """
    results: list[T] = []
    problems: list[str] = []
    for attempt in attempts:
        try:
            results.append(attempt())
        except InvalidInputError as error:
            problems += error.problems
    if len(results) < len(attempts):
        raise InvalidInputError(problems)
    return results


def mapping(place: Place, data: Any) -> Mapping[str, Any]:
    """Return ``data`` if it is a mapping.

    Raises:
        InvalidInputError: if it is anything else.
    """
    if not isinstance(data, dict):
        raise place.refusal(data, "must be a mapping of fields")
    return data


def _validated(model: type[ModelT], data: Any, camel: bool) -> ModelT:
    return model.model_validate(data, by_alias=camel, by_name=not camel)


def _without(data: Any, locations: Sequence[Location]) -> Any:
    """Return a copy of ``data`` without what lies at these locations."""
    pruned = deepcopy(data)
    for location in locations:
        inner = pruned
        for part in location[:-1]:
            inner = inner[part]
        inner.pop(location[-1])
    return pruned
