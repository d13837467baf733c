"""promtool's notation of series: values as stretches that rise evenly, gaps, and the end of a series."""

from __future__ import annotations

from collections.abc import Sequence

_SHORTEST_STRETCH = 3


def written(values: Sequence[float | None]) -> str:
    """Return values, one for each step, in promtool's notation; None is a step without telemetry."""
    parts: list[str] = []
    position = 0
    while position < len(values):
        length = _gap(values, position) or _stretch(values, position)
        parts.append(_part(values[position : position + length], ends=position > 0))
        position += length
    return " ".join(parts)


def _gap(values: Sequence[float | None], start: int) -> int:
    length = 0
    while start + length < len(values) and values[start + length] is None:
        length += 1
    return length


def _stretch(values: Sequence[float | None], start: int) -> int:
    """Return how many values from ``start`` on rise by the same amount."""
    end = start + 1
    while end < len(values):
        first, last, this = values[start], values[end - 1], values[end]
        second = values[start + 1]
        if first is None or last is None or this is None or second is None or this - last != second - first:
            break
        end += 1
    length = end - start
    return length if length >= _SHORTEST_STRETCH else 1


def _part(values: Sequence[float | None], *, ends: bool) -> str:
    first = values[0]
    if first is None:
        # a series that only pauses is looked back to for five minutes; one that is marked stale is gone
        rest = len(values) - 1 if ends else len(values)
        return " ".join([*(["stale"] if ends else []), *([f"_x{rest}"] if rest else [])])
    if len(values) == 1 or values[1] is None:
        return _number(first)
    return f"{_number(first)}+{_number(values[1] - first)}x{len(values) - 1}".replace("+-", "-")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
