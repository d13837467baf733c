"""Refusing everything at once: what a model's own fields refuse, and what only several of them show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

ModelT = TypeVar("ModelT", bound=BaseModel)


class Refusal(NamedTuple):
    """One thing that is wrong: where (below the model), the value there, and what to do about it."""

    location: tuple[int | str, ...]
    value: object
    words: str


def validated(data: Any, handler: Callable[[Any], ModelT], refusals: Sequence[Refusal]) -> ModelT:
    """Return what ``handler`` makes of ``data``, for a wrapping model validator.

    ``refusals`` are looked for in the data as it is written, so that a mistake in one field hides no other.

    Raises:
        ValidationError: with what the handler refuses, and with ``refusals``.
    """
    lines = [_line("value_error", one.location, one.value, one.words, {}) for one in refusals]
    try:
        found = handler(data)
    except ValidationError as error:
        own = [_line(e["type"], e["loc"], e["input"], e["msg"], e.get("ctx", {})) for e in error.errors()]
        raise ValidationError.from_exception_data(error.title, [*own, *lines]) from None
    if lines:
        raise ValidationError.from_exception_data(type(found).__name__, lines)
    return found


def written(value: object) -> Mapping[str, Any]:
    """Return the fields of a mapping or a model by the names they have in a file; none of anything else."""
    if isinstance(value, BaseModel):
        return {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
    return value if isinstance(value, Mapping) else {}


def entries(value: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the place and the fields of each entry of a list; nothing for what is no list."""
    if isinstance(value, list | tuple):
        for place, entry in enumerate(value):
            yield place, written(entry)


def _line(
    kind: str, location: tuple[int | str, ...], value: object, words: str, context: Mapping[str, Any]
) -> InitErrorDetails:
    told = {"words": words, "expected": context.get("expected")}
    custom = PydanticCustomError(kind, "{words}", told)
    return InitErrorDetails(type=custom, loc=location, input=value)
