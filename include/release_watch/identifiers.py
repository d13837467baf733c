"""Identifiers are checked here before they become path segments, URLs or PromQL."""

from __future__ import annotations

import re

from release_watch.errors import InvalidInputError

IDENTIFIER_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,119}$"
"""Letters, digits, ``_``, ``-`` and single dots: safe as a path segment and inside a PromQL string."""

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


def is_identifier(value: object) -> bool:
    """Return whether ``value`` is safe as a path segment, a URL segment and a label value."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def identifier(value: object, field: str) -> str:
    """Return ``value`` unchanged if it is a safe identifier.

    Raises:
        InvalidInputError: naming the field, the value and the remedy.
    """
    if isinstance(value, str) and is_identifier(value):
        return value
    raise InvalidInputError([invalid_identifier(field, value)])


def invalid_identifier(field: str, value: object) -> str:
    """Return the message for a value that is no identifier."""
    return (
        f"{field}: {str(value)[:80]!r} is not a valid identifier; use letters, digits, '.', '_' and '-', "
        "starting with a letter or digit, without '..', at most 120 characters"
    )


def promql_string(value: str) -> str:
    """Return ``value`` as a quoted PromQL string literal, with quotes and backslashes escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
