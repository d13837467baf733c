"""The entities in files and folders, as they are written."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from release_watch.catalog.backstage.references import DEFAULT_NAMESPACE, Reference
from release_watch.catalog.documents import Document, Location, read_documents

FILE_NAMES = ("catalog-info.yaml", "catalog-info.yml")
API_VERSIONS = ("backstage.io/v1alpha1", "backstage.io/v1beta1")
KINDS = ("Component", "API", "System", "Domain", "Group", "User", "Resource", "Location", "Template")

_SKIPPED = ("node_modules",)
_MAX_FILES = 10_000


class Entity(NamedTuple):
    """One entity of a file in ``folder``, and where each of its fields is written."""

    document: Document
    folder: Path
    kind: str
    name: str
    namespace: str

    @property
    def reference(self) -> Reference:
        """How others refer to it."""
        return Reference(self.kind.lower(), self.namespace.lower(), self.name.lower())

    def part(self, *location: Hashable) -> Any:
        """Return what is written at ``location``, or None."""
        found: Any = self.document.data
        for key in location:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def listed(self, *location: Hashable) -> Sequence[Any]:
        """Return the list at ``location``; an empty one where there is none."""
        found = self.part(*location)
        return found if isinstance(found, list) else ()

    def note(self, location: Sequence[Hashable], value: object, words: str) -> str:
        """Return ``file:line: field: value: words``."""
        return self.document.problem(location, value, words)


class Found(NamedTuple):
    """All entities, what was passed over and why, and what must be corrected before anything is imported."""

    entities: tuple[Entity, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def read_entities(paths: Iterable[Path]) -> Found:
    """Return the entities of files, of all ``catalog-info.yaml`` below folders, and of what they point to.

    A ``Location`` is followed to files below its own folder; nothing is fetched, and nothing else is opened.
    """
    reading = _Reading()
    for path in paths:
        files = sorted(_files_below(path)) if path.is_dir() else [path]
        if not files:
            reading.problems.append(f"{path}:1: folder: holds no {FILE_NAMES[0]}: name the file itself")
        for file in files:
            reading.read(file)
    return Found(tuple(reading.entities), tuple(reading.notes), tuple(reading.problems))


def below(folder: Path, target: str) -> Path | None:
    """Return the file that a relative ``target`` names, if it lies below ``folder``, links followed."""
    if "://" in target or "\x00" in target or Path(target).is_absolute():
        return None
    found = folder / target
    return found if found.resolve().is_relative_to(folder.resolve()) else None


def _files_below(folder: Path) -> Iterator[Path]:
    for name in FILE_NAMES:
        for path in folder.rglob(name):
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(p.startswith(".") or p in _SKIPPED for p in parts):
                yield path


class _Reading:
    def __init__(self) -> None:
        self.entities: list[Entity] = []
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._read: set[Path] = set()

    def read(self, path: Path) -> None:
        waiting = [path]
        while waiting:
            file = waiting.pop(0)
            if file.resolve() in self._read:
                continue
            self._read.add(file.resolve())
            if len(self._read) > _MAX_FILES:
                self.problems.append(f"{file}:1: file: more than {_MAX_FILES} files: name fewer folders")
                return
            documents, problems = read_documents(file, str(file))
            self.problems += problems
            for document in documents:
                entity = self._entity(document, file.parent)
                if entity and entity.kind == "Location":
                    waiting += self._targets(entity)
                elif entity:
                    self.entities.append(entity)

    def _entity(self, document: Document, folder: Path) -> Entity | None:
        data = document.data
        if data is None:
            return None
        if not isinstance(data, dict) or not isinstance(data.get("metadata"), dict):
            self.problems.append(document.problem((), data, "is no Backstage entity; it has no metadata"))
            return None
        kind, version = data.get("kind"), data.get("apiVersion")
        if kind not in KINDS or (version not in API_VERSIONS and kind != "Template"):
            words = f"not imported: no kind of {', '.join(API_VERSIONS)} that is known here"
            self.notes.append(document.problem(("kind",), f"{version} {kind}", words))
            return None
        name, namespace = data["metadata"].get("name"), data["metadata"].get("namespace", DEFAULT_NAMESPACE)
        if not isinstance(name, str) or not isinstance(namespace, str):
            self.problems.append(document.problem(("metadata", "name"), name, "must be a text; quote it"))
            return None
        return Entity(document, folder, kind, name, namespace)

    def _targets(self, entity: Entity) -> Iterator[Path]:
        targets: list[tuple[Location, Any]] = [(("spec", "target"), entity.part("spec", "target"))]
        targets += [
            (("spec", "targets", i), target) for i, target in enumerate(entity.listed("spec", "targets"))
        ]
        for location, target in targets:
            if target is None:
                continue
            path = below(entity.folder, target) if isinstance(target, str) else None
            if path and path.is_file():
                yield path
            else:
                words = "not read: no file below this folder; name it on the command line to have it imported"
                self.notes.append(entity.note(location, target, words))
