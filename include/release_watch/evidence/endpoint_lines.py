"""Endpoints in lines: ``POST /x``, ``/x (POST)``, a URL, or the columns of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from release_watch.evidence.inert import visible
from release_watch.evidence.models import Endpoint
from release_watch.evidence.recognition import NOTHING, Line, Names, Understood, not_understood
from release_watch.identifiers import is_identifier

SECTION = re.compile(
    r"\b(new|added|changed|additional)\b.{0,40}\b(endpoint|route|api)s?\b|\bendpoints?\b|\bapi changes?\b"
    r"|\broutes?\b.{0,20}\b(new|added|changed)",
    re.I,
)
NEW = "new endpoint"
LONGEST_ROUTE = 200
_VERB = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_VERBS = rf"{_VERB}(?: ?(?:[|/,&+]|and|or) ?{_VERB}){{0,6}}"
# Bounded, so that no line makes the search for one begin anew at each of its signs.
_PATH = r"(?:https?://[^\s/()<>]{1,200}+)?(/[\w./{}<>:*%~@$+-]{0,250}+)"
_METHOD_FIRST = re.compile(rf"\b({_VERBS})\b:? ?{_PATH}", re.I)
_ROUTE_FIRST = re.compile(
    rf"(?<![\w/.]){_PATH},?:? ?(?:[(\[–-]|via|with|by|using)? ?(?:method:? )?({_VERBS})\b", re.I
)
_ROUTE_ONLY = re.compile(rf"(?:^|(?<=[\s:(–]))(?:{_PATH})")
_EACH_VERB = re.compile(_VERB, re.I)
_GONE = re.compile(r"\b(removed?|deleted|dropped|retired?|deprecated?|no longer|sunset)\b", re.I)
_UNCHANGED = re.compile(r"\b(unchanged|existing|no changes?|as before)\b", re.I)
_NAMED_FIRST = re.compile(r"^([\w][\w.-]*) ?[:–]")
_NO_SERVICES = frozenset(
    {"new", "added", "endpoint", "endpoints", "route", "api", "changed", "http", "https"}
)


def find_endpoints(text: str) -> list[tuple[str, str]]:
    """Return every method and route that ``text`` names; the method is empty where none stands there."""
    found = [(match[1], match[2]) for match in _METHOD_FIRST.finditer(text)]
    found = found or [(match[2], match[1]) for match in _ROUTE_FIRST.finditer(text)]
    found = found or [("", match[1]) for match in _ROUTE_ONLY.finditer(text)]
    return [
        (method.upper(), route)
        for methods, path in found
        if (route := _route(path)) is not None
        for method in (_EACH_VERB.findall(methods) or [""])
    ]


def read(line: Line, names: Names) -> Understood:
    """Return the new endpoints that ``line`` names, or that it says something else about endpoints."""
    if NOTHING.match(line.text) or all(NOTHING.match(c) for c in line.piece.cells.values() or "x"):
        return Understood("no endpoint")
    found = list(_of_row(line)) or find_endpoints(line.text)
    if not found:
        return not_understood("an endpoint", line)
    words = " ".join((line.text, *line.piece.context[-1:]))
    if _GONE.search(words):
        return Understood("removed endpoint")
    if _UNCHANGED.search(line.text):
        return Understood("unchanged endpoint")
    service = line.service(names) or _named_first(line.text)
    if service is None:
        return not_understood("an endpoint of a service", line)
    return Understood(
        NEW, tuple(Endpoint(service=service, method=m, path=p, source=line.source) for m, p in found)
    )


def of_entry(entry: Any, names: Names, source: str, service: str | None = None) -> tuple[Endpoint, ...]:
    """Return the endpoints that an entry of a JSON list names: a text, or service, method and path."""
    if not isinstance(entry, dict):
        words = visible(entry)
        service = service or names.mentioned(words) or _named_first(words)
        found = find_endpoints(words)
    else:
        words = " ".join(
            visible(entry.get(key) or "") for key in ("method", "path", "route", "endpoint", "url")
        )
        named = visible(entry.get("service") or entry.get("component") or "")
        service = named if is_identifier(named) else service
        found = find_endpoints(words)
    service = service or (names.release[0] if len(names.release) == 1 else None)
    if service is None:
        return ()
    return tuple(Endpoint(service=service, method=m, path=p, source=source) for m, p in found)


def _of_row(line: Line) -> Iterator[tuple[str, str]]:
    path = line.cell("path", "route", "endpoint", "url", "uri", "resource", "api")
    method = line.cell("method", "methods", "verb", "verbs", "http")
    if path is not None:
        found = find_endpoints(path)
        yield from found if any(verb for verb, _ in found) else find_endpoints(f"{method or ''} {path}")


def _route(path: str) -> str | None:
    route = path.rstrip(".,;:!?*'\"–-")
    route = route if len(route) > 1 else "/"
    return None if route.startswith("//") or len(route) > LONGEST_ROUTE else route


def _named_first(text: str) -> str | None:
    found = _NAMED_FIRST.match(text)
    named = found[1] if found else ""
    return named if is_identifier(named) and named.casefold() not in _NO_SERVICES else None
