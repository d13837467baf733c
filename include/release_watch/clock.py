"""Times at the edges: RFC 3339 UTC with milliseconds, and ISO 8601 durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer, TypeAdapter


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return ``moment`` in UTC as ``2026-11-22T10:31:20.123Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""An aware datetime that is written as RFC 3339 UTC with milliseconds."""


@cache
def _duration() -> TypeAdapter[timedelta]:
    return TypeAdapter(timedelta)


def parse_duration(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration such as ``PT24H``.

    Raises:
        ValueError: if it is not ISO 8601 (a plain number or ``1:30`` is refused too).
    """
    if not text.startswith("P"):
        raise ValueError(f"{text!r} is not an ISO 8601 duration such as PT24H")
    return _duration().validate_python(text)


def format_duration(length: timedelta) -> str:
    """Return ``length`` as an ISO 8601 duration."""
    return str(_duration().dump_python(length, mode="json"))


def in_words(length: timedelta) -> str:
    """Return ``length`` as a person says it: ``2 h 5 min``, ``45 s``."""
    seconds = round(length.total_seconds())
    parts = [
        (seconds // 86400, "d"),
        (seconds % 86400 // 3600, "h"),
        (seconds % 3600 // 60, "min"),
        (seconds % 60, "s"),
    ]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
