"""The routes of an OpenAPI definition, version 2 or 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.fields import METHODS, Endpoint

_ENDPOINT: TypeAdapter[str] = TypeAdapter(Endpoint)
_VARIABLE = re.compile(r"\{([^}/]*)\}")


def parse_definition(text: str, name: str) -> Mapping[str, Any]:
    """Return an OpenAPI definition from YAML or JSON text.

    Raises:
        ValueError: if it is none, with everything that is wrong.
    """
    documents, problems = parse_documents(text, name)
    if problems:
        raise ValueError("; ".join(problems))
    data = documents[0].data if len(documents) == 1 else None
    if not isinstance(data, dict) or not ("openapi" in data or "swagger" in data):
        raise ValueError("is no OpenAPI definition: it has neither openapi nor swagger")
    return data


def routes(definition: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the endpoints, each with the path of the server, and what was left out and why."""
    base, remarks = _base(definition)
    paths = definition.get("paths")
    endpoints: list[str] = []
    for route, operations in paths.items() if isinstance(paths, dict) else ():
        for method in _methods(operations):
            endpoint = f"{method} {base}{route}"
            try:
                endpoints.append(_ENDPOINT.validate_python(endpoint))
            except ValidationError as error:
                remarks.append(f"{endpoint[:80]!r} {error.errors()[0]['msg'].removeprefix('Value error, ')}")
    if not endpoints and not remarks:
        remarks.append("has no paths")
    return list(dict.fromkeys(endpoints)), remarks


def _methods(operations: object) -> Iterator[str]:
    if isinstance(operations, dict):
        for key in operations:
            if isinstance(key, str) and key.upper() in METHODS:
                yield key.upper()


def _base(definition: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the path that all servers put before their routes (OpenAPI 3.1, 4.8.5; 2.0, basePath)."""
    if "swagger" in definition:
        return str(definition.get("basePath") or "").rstrip("/"), []
    servers = definition.get("servers")
    found = [_server_path(server) for server in servers] if isinstance(servers, list) else []
    if len(set(found)) > 1:
        shown = ", ".join(path or "/" for path in dict.fromkeys(found))
        return "", [f"its servers have different paths ({shown}), so routes are taken without one"]
    return (found[0] if found else ""), []


def _server_path(server: object) -> str:
    if not isinstance(server, dict) or not isinstance(server.get("url"), str):
        return ""
    variables = server.get("variables")

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) if isinstance(variables, dict) else None
        return str(variable.get("default", "")) if isinstance(variable, dict) else ""

    try:
        return urlsplit(_VARIABLE.sub(default, server["url"])).path.rstrip("/")
    except ValueError:
        return ""
