"""Entity references of Backstage: ``[<kind>:][<namespace>/]<name>``, or the same as a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

DEFAULT_NAMESPACE = "default"

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_REFERENCE = re.compile(rf"(?:(?P<kind>{_PART}):)?(?:(?P<namespace>{_PART})/)?(?P<name>{_PART})")


class Reference(NamedTuple):
    """One entity. Backstage does not tell upper from lower case: kind, namespace and name are lower here."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}"


def parse_reference(value: object, *, kind: str, namespace: str) -> Reference:
    """Return the entity that a field names; ``kind`` and ``namespace`` are what it may leave out.

    Raises:
        ValueError: if it is no reference.
    """
    found = spelled_reference(value, kind=kind, namespace=namespace)
    return Reference(*(part.lower() for part in found))


def spelled_reference(value: object, *, kind: str, namespace: str) -> Reference:
    """Return the same in the letters it was written in, for people to read.

    Raises:
        ValueError: if it is no reference.
    """
    match = _REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
    parts: Mapping[str, object] = match.groupdict() if match else value if isinstance(value, dict) else {}
    name = parts.get("name")
    if not isinstance(name, str) or not _REFERENCE.fullmatch(name):
        raise ValueError("is no entity reference; write [<kind>:][<namespace>/]<name>")
    return Reference(str(parts.get("kind") or kind), str(parts.get("namespace") or namespace), name)
