"""The whole configuration of a folder, validated as one: every problem in one report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.gaps import gate_warnings
from release_watch.catalog.models import Catalog
from release_watch.catalog.nearest import Known
from release_watch.catalog.oncall import OnCall, late_levels
from release_watch.catalog.policies import Policies
from release_watch.catalog.relations import relation_problems, written_services
from release_watch.catalog.slos import Slo, read_slos
from release_watch.catalog.waivers import Waiver, Waivers
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
    waivers: tuple[Waiver, ...] = ()

    def slos_of(self, services: Iterable[str]) -> tuple[Slo, ...]:
        """Return the SLOs of these services."""
        names = set(services)
        return tuple(slo for slo in self.slos if slo.service in names)


def config_folder() -> Path:
    """Return the folder that ``RELEASE_WATCH_CONFIG`` names, or the shipped one beside the package."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2] / "config"


class Inspection(NamedTuple):
    """A folder as it was found: its configuration, None with problems, and what a gate will miss in it."""

    config: Config | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def load_config(folder: Path | None = None) -> Config:
    """Return the configuration in ``folder``, by default in :func:`config_folder`.

    Raises:
        InvalidInputError: with all problems, each as ``file:line: field: value: remedy``.
    """
    found = inspect_config(folder)
    if found.config is None:
        raise InvalidInputError(found.problems)
    return found.config


def inspect_config(folder: Path | None = None) -> Inspection:
    """Return the configuration in ``folder`` with every problem and warning of every file."""
    folder = folder or config_folder()
    if not folder.is_dir():
        problem = f"{folder}:1: folder: missing: create it, or set {FOLDER_VARIABLE} to the right one"
        return Inspection(None, (problem,), ())
    document, problems = _single_document(folder, "services.yaml")
    catalog, wrong = _catalog(document)
    problems += wrong
    oncall, wrong = _one(folder, "oncall.yaml", OnCall)
    problems += wrong
    policies, wrong = _one(folder, "policies.yaml", Policies)
    problems += wrong
    waived, wrong = _waivers(folder)
    problems += wrong
    found = read_slos(folder / "slos", "slos")
    slos = [slo for slo, _ in found.slos]
    problems += [*found.problems, *_slo_problems(found.slos, document)]
    warnings = (*(gate_warnings(document, catalog, slos) if document and catalog else ()), *found.warnings)
    if problems or catalog is None or oncall is None or policies is None:
        return Inspection(None, tuple(problems), warnings)
    config = Config(catalog=catalog, slos=tuple(slos), oncall=oncall, policies=policies, waivers=waived)
    late = late_levels(oncall, policies.drill.acknowledge_within)
    return Inspection(config, (), (*warnings, *late))


def check_release(release: Release, config: Config) -> None:
    """Refuse a release whose environment or services the catalogue does not know.

    Raises:
        InvalidInputError: naming each unknown value and the known ones.
    """
    problems = []
    environments = config.catalog.environments
    if release.environment not in environments:
        hint = Known(environments).hint(release.environment)
        problems.append(f"environment: {release.environment!r} is not in the catalogue{hint}")
    try:
        config.catalog.select(release.services)
    except InvalidInputError as error:
        problems += error.problems
    if problems:
        raise InvalidInputError(problems)


def _waivers(folder: Path) -> tuple[tuple[Waiver, ...], list[str]]:
    """Return what ``waivers.yaml`` holds; nothing where there is no such file."""
    if not (folder / "waivers.yaml").is_file():
        return (), []
    found, problems = _one(folder, "waivers.yaml", Waivers)
    return (found.waivers if found else ()), problems


def _one(folder: Path, name: str, model: type[ModelT]) -> tuple[ModelT | None, list[str]]:
    document, problems = _single_document(folder, name)
    if document is None:
        return None, problems
    found, wrong = document.parse(model, document.data)
    return found, problems + wrong


def _single_document(folder: Path, name: str) -> tuple[Document | None, list[str]]:
    documents, problems = read_documents(folder / name, name)
    if len(documents) == 1 and isinstance(documents[0].data, dict):
        return documents[0], problems
    if problems:
        return None, problems
    return None, [f"{name}:1: document: {len(documents)} found: must be one mapping of fields"]


def _catalog(document: Document | None) -> tuple[Catalog | None, list[str]]:
    if document is None:
        return None, []
    catalog, problems = document.parse(Catalog, document.data)
    return catalog, problems + relation_problems(document)


def _slo_problems(slos: Iterable[tuple[Slo, Document]], services: Document | None) -> list[str]:
    problems = []
    written = written_services(services) if services else []
    known = Known(service.name for service in written if service.name is not None)
    for slo, document in slos:
        if services and slo.service not in known:
            remedy = f"is not in services.yaml{known.hint(slo.service)}"
            problems.append(document.problem(("spec", "service"), slo.service, remedy))
    return problems
