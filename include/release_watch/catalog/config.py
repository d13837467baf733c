"""The whole configuration of a folder, validated as one: every problem in one report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.models import Catalog, Service, find_cycle
from release_watch.catalog.oncall import OnCall
from release_watch.catalog.policies import Policies
from release_watch.catalog.slos import Slo, load_slos
from release_watch.errors import InvalidInputError
from release_watch.release import Release

FOLDER_VARIABLE = "RELEASE_WATCH_CONFIG"

ModelT = TypeVar("ModelT", bound=BaseModel)


class Config(BaseModel):
    """Everything that a team configures."""

    model_config = ConfigDict(frozen=True)

    catalog: Catalog
    slos: tuple[Slo, ...]
    oncall: OnCall
    policies: Policies

    def slos_of(self, services: Iterable[str]) -> tuple[Slo, ...]:
        """Return the SLOs of these services."""
        names = set(services)
        return tuple(slo for slo in self.slos if slo.service in names)


def config_folder() -> Path:
    """Return the folder that ``RELEASE_WATCH_CONFIG`` names, or the shipped one beside the package."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2] / "config"


def load_config(folder: Path | None = None) -> Config:
    """Return the configuration in ``folder``, by default in :func:`config_folder`.

    Raises:
        InvalidInputError: with all problems, each as ``file:line: field: value: remedy``.
    """
    folder = folder or config_folder()
    if not folder.is_dir():
        raise InvalidInputError(
            [f"{folder}:1: folder: missing: create it, or set {FOLDER_VARIABLE} to the right one"]
        )
    catalog, problems = _catalog(folder)
    oncall, wrong = _one(folder, "oncall.yaml", OnCall)
    problems += wrong
    policies, wrong = _one(folder, "policies.yaml", Policies)
    problems += wrong
    slos, wrong = load_slos(folder / "slos", "slos")
    problems += wrong + _slo_problems(slos, catalog)
    if problems or catalog is None or oncall is None or policies is None:
        raise InvalidInputError(problems)
    return Config(catalog=catalog, slos=tuple(slo for slo, _ in slos), oncall=oncall, policies=policies)


def check_release(release: Release, config: Config) -> None:
    """Refuse a release whose environment or services the catalogue does not know.

    Raises:
        InvalidInputError: naming each unknown value and the known ones.
    """
    problems = []
    environments = config.catalog.environments
    if release.environment not in environments:
        known = ", ".join(environments)
        problems.append(f"environment: {release.environment!r} is not in the catalogue; known are {known}")
    try:
        config.catalog.select(release.services)
    except InvalidInputError as error:
        problems += error.problems
    if problems:
        raise InvalidInputError(problems)


def _one(folder: Path, name: str, model: type[ModelT]) -> tuple[ModelT | None, list[str]]:
    document, problems = _single_document(folder, name)
    if document is None:
        return None, problems
    return document.parse(model, document.data)


def _single_document(folder: Path, name: str) -> tuple[Document | None, list[str]]:
    documents, problems = read_documents(folder / name, name)
    if problems:
        return None, problems
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        return None, [f"{name}:1: document: {len(documents)} found: must be one mapping of fields"]
    return documents[0], []


def _catalog(folder: Path) -> tuple[Catalog | None, list[str]]:
    document, problems = _single_document(folder, "services.yaml")
    if document is None:
        return None, problems
    catalog, problems = document.parse(Catalog, document.data)
    problems += _relations(document)
    return (None if problems else catalog), problems


def _relations(document: Document) -> list[str]:
    """Return what is wrong between services; it is looked for in services that are themselves wrong too."""
    given = document.data.get("services")
    entries = [(i, e) for i, e in enumerate(given) if isinstance(e, dict)] if isinstance(given, list) else []
    names = [entry.get("name") for _, entry in entries]
    known = ", ".join(sorted(str(name) for name in names))
    problems = [
        document.problem(
            ("services", index, "name"), entry.get("name"), "written twice; keep one description"
        )
        for before, (index, entry) in enumerate(entries)
        if entry.get("name") in names[:before]
    ]
    calls: dict[str, list[str]] = {}
    for index, entry in entries:
        dependencies = entry.get("dependencies")
        calls[str(entry.get("name"))] = list(map(str, dependencies)) if isinstance(dependencies, list) else []
        for place, dependency in enumerate(calls[str(entry.get("name"))]):
            if dependency not in names:
                at = ("services", index, "dependencies", place)
                problems.append(document.problem(at, dependency, f"is no service here; known are {known}"))
    if cycle := find_cycle(calls):
        index = next(i for i, entry in entries if str(entry.get("name")) == cycle[0])
        where = ("services", index, "dependencies")
        remedy = "services call each other in a circle; leave out the call that is not needed to answer"
        problems.append(document.problem(where, " -> ".join(cycle), remedy))
    return problems


def _slo_problems(slos: list[tuple[Slo, Document]], catalog: Catalog | None) -> list[str]:
    problems = []
    seen: set[tuple[str, str]] = set()
    services: dict[str, Service] = {s.name: s for s in catalog.services} if catalog else {}
    for slo, document in slos:
        if catalog and slo.service not in services:
            known = ", ".join(sorted(services))
            remedy = f"is not in services.yaml; known are {known}"
            problems.append(document.problem(("spec", "service"), slo.service, remedy))
        if (slo.service, slo.name) in seen:
            remedy = "two SLOs of the service have this name; rename one"
            problems.append(document.problem(("metadata", "name"), slo.name, remedy))
        seen.add((slo.service, slo.name))
    return problems
