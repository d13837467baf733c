"""Services from components: who owns them, whom they call, what they answer, what proves their signals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from release_watch.catalog.backstage.annotations import runbook_of, signals_of, tier_of
from release_watch.catalog.backstage.entities import Entity, below
from release_watch.catalog.backstage.openapi import parse_definition, routes
from release_watch.catalog.backstage.references import (
    DEFAULT_NAMESPACE,
    Reference,
    parse_reference,
    spelled_reference,
)
from release_watch.catalog.documents import MAX_BYTES, Location
from release_watch.catalog.fields import endpoint_shape
from release_watch.identifiers import is_identifier

TYPES = ("service", "worker")
"""The types of component that are services where no others are asked for."""


class Services(NamedTuple):
    """Services as fields of ``services.yaml``, what was not understood or is missing, and what is refused."""

    services: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def services_from(
    entities: Sequence[Entity],
    *,
    types: Collection[str] = TYPES,
    namespaces: Collection[str] = (),
    written: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Services:
    """Return a service for each component of these types and namespaces (of all, where none is given).

    ``written`` are services that are described already, each with its fields: they may be depended on without
    being imported, and what they have is not missed.
    """
    notes: list[str] = []
    chosen = [entity for entity in entities if _is_chosen(entity, types, namespaces, notes)]
    problems = list(_clashes(chosen))
    graph = _Graph(entities, chosen, written)
    services = []
    for entity in chosen:
        service, remarks = _service(entity, graph, written.get(entity.name, ()))
        services.append(service)
        notes += remarks
    return Services(tuple(services), tuple(notes), tuple(problems))


def _is_chosen(entity: Entity, types: Collection[str], namespaces: Collection[str], notes: list[str]) -> bool:
    if entity.kind != "Component":
        return False
    if namespaces and entity.namespace.lower() not in {name.lower() for name in namespaces}:
        return False
    kind = entity.part("spec", "type")
    if kind not in types:
        words = f"not imported: only {', '.join(types)}; --type {kind} imports it"
        notes.append(entity.note(("spec", "type"), kind, words))
    return kind in types


def _clashes(chosen: Iterable[Entity]) -> Iterator[str]:
    seen: dict[str, Entity] = {}
    for entity in chosen:
        if not is_identifier(entity.name):
            words = "is no name for a service; use letters, digits, '.', '_' and '-'"
            yield entity.note(("metadata", "name"), entity.name, words)
        first = seen.setdefault(entity.name.lower(), entity)
        if first is not entity:
            where = first.document.where(("metadata", "name"))
            words = f"also in {where}; rename one, or choose with --namespace"
            yield entity.note(("metadata", "name"), entity.name, words)


class _Graph:
    """Who calls whom: by ``dependsOn``, ``dependencyOf``, or an API that one provides and one consumes."""

    def __init__(self, entities: Iterable[Entity], chosen: Sequence[Entity], others: Iterable[str]) -> None:
        self.apis = {entity.reference: entity for entity in entities if entity.kind == "API"}
        self.names = {entity.reference: entity.name for entity in chosen}
        for other in others:
            self.names.setdefault(Reference("component", DEFAULT_NAMESPACE, other.lower()), other)
        self.providers: dict[Reference, list[str]] = {}
        self.depended_on: dict[str, list[str]] = {}
        for entity in chosen:
            for _, api in _references(entity, "providesApis", "api", []):
                self.providers.setdefault(api, []).append(entity.name)
            for _, caller in _references(entity, "dependencyOf", "component", []):
                if caller in self.names:
                    self.depended_on.setdefault(self.names[caller], []).append(entity.name)


def _service(entity: Entity, graph: _Graph, has: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    tier, remarks = tier_of(entity, is_known="tier" in has)
    notes += remarks
    signals, remarks = signals_of(entity)
    notes += remarks
    runbook, remarks = runbook_of(entity, is_known="runbook" in has)
    notes += remarks
    description = entity.part("metadata", "description")
    if description is not None and not isinstance(description, str):
        notes.append(entity.note(("metadata", "description"), description, "not imported: is no text"))
        description = None
    fields = {
        "name": entity.name,
        "tier": tier,
        "owner": _owner(entity, notes),
        "description": (description or "").strip(),
        "dependencies": _dependencies(entity, graph, notes),
        "endpoints": _endpoints(entity, graph, notes),
        "signals": signals,
        "runbook": runbook,
    }
    needed = ("name", "signals")
    return {key: value for key, value in fields.items() if value or key in needed}, notes


def _owner(entity: Entity, notes: list[str]) -> str | None:
    value = entity.part("spec", "owner")
    try:
        owner = spelled_reference(value, kind="group", namespace=DEFAULT_NAMESPACE)
    except ValueError as error:
        notes.append(entity.note(("spec", "owner"), value, f"no owner: {error}"))
        return None
    return owner.name if owner.namespace == DEFAULT_NAMESPACE else f"{owner.namespace}/{owner.name}"


def _references(
    entity: Entity, field: str, kind: str, notes: list[str]
) -> Iterator[tuple[Location, Reference]]:
    for place, value in enumerate(entity.listed("spec", field)):
        location = ("spec", field, place)
        try:
            yield location, parse_reference(value, kind=kind, namespace=entity.namespace)
        except ValueError as error:
            notes.append(entity.note(location, value, str(error)))


def _dependencies(entity: Entity, graph: _Graph, notes: list[str]) -> list[str]:
    called: list[str] = []
    for location, reference in _references(entity, "dependsOn", "component", notes):
        if reference in graph.names:
            called.append(graph.names[reference])
        else:
            is_service = reference.kind == "component"
            words = "is not among the services here" if is_service else f"a {reference.kind} is no service"
            notes.append(entity.note(location, str(reference), f"no dependency: {words}"))
    for location, api in _references(entity, "consumesApis", "api", notes):
        if api in graph.providers:
            called += graph.providers[api]
        else:
            words = "no dependency: none of the services here provides it"
            notes.append(entity.note(location, str(api), words))
    called += graph.depended_on.get(entity.name, [])
    return [name for name in dict.fromkeys(called) if name != entity.name]


def _endpoints(entity: Entity, graph: _Graph, notes: list[str]) -> list[str]:
    endpoints: list[str] = []
    for location, reference in _references(entity, "providesApis", "api", notes):
        api = graph.apis.get(reference)
        if api is None:
            words = "no endpoints: the API is in none of the files; name its file too"
            notes.append(entity.note(location, str(reference), words))
        elif api.part("spec", "type") != "openapi":
            words = (
                "no endpoints: only openapi has routes; a counter of its own can be named in services.yaml"
            )
            notes.append(api.note(("spec", "type"), api.part("spec", "type"), words))
        else:
            endpoints += _routes(api, notes)
    by_shape: dict[str, str] = {}
    for endpoint in endpoints:
        by_shape.setdefault(endpoint_shape(endpoint), endpoint)
    return list(by_shape.values())


def _routes(api: Entity, notes: list[str]) -> list[str]:
    at = ("spec", "definition")
    try:
        found, remarks = routes(parse_definition(_definition(api), "definition"))
    except (ValueError, OSError) as error:
        notes.append(api.note(at, f"API {api.name}", f"no endpoints: {error}"))
        return []
    notes += [api.note(at, f"API {api.name}", remark) for remark in remarks]
    return found


def _definition(api: Entity) -> str:
    """Return the text of a definition: in the entity, or in a file below its folder; nothing is fetched."""
    written = api.part("spec", "definition")
    if isinstance(written, str):
        return written
    if not isinstance(written, dict) or len(written) != 1:
        raise ValueError("the definition is no text")
    placeholder, target = next(iter(written.items()))
    file = below(api.folder, str(target)) if placeholder in ("$text", "$yaml", "$json") else None
    if file is None or not file.is_file():
        raise ValueError(f"{placeholder} names {target!r}, which is no file below its folder and not fetched")
    with file.open("rb") as opened:
        raw = opened.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{target} has more than {MAX_BYTES} bytes")
    return raw.decode()
