"""The artifact store: one folder per release, atomic and idempotent writes.

The root is any ``pathlib``-like path: ``pathlib.Path``, ``UPath`` or Airflow's ``ObjectStoragePath``.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.files import uri_of, write_whole
from release_watch.identifiers import identifier

ModelT = TypeVar("ModelT", bound=BaseModel)

_NAME = re.compile(r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*/){0,3}[A-Za-z0-9][A-Za-z0-9._-]*$")


@runtime_checkable
class PathLike(Protocol):
    """What the store needs of a path; ``pathlib.Path``, ``UPath`` and ``ObjectStoragePath`` have it."""

    def __truediv__(self, other: str) -> Self:
        """Return the child path."""
        ...

    def exists(self) -> bool:
        """Return whether there is something at this path."""
        ...

    def read_bytes(self) -> bytes:
        """Return the content."""
        ...

    def write_bytes(self, data: bytes) -> int:
        """Write the content."""
        ...

    def unlink(self) -> None:
        """Remove the file."""
        ...

    def rglob(self, pattern: str) -> Any:
        """Yield the paths below that match."""
        ...


class StoredArtifact(NamedTuple):
    """Where an artifact lies and what exactly it is."""

    name: str
    uri: str
    sha256: str
    size_bytes: int


class ArtifactMissingError(ReleaseWatchError):
    """An artifact that an earlier step should have written is not there."""


class ArtifactStore:
    """The artifacts of one release, under ``<root>/monitoring/<environment>/<release_id>/``."""

    def __init__(self, root: PathLike, environment: str, release_id: str) -> None:
        self.environment = identifier(environment, "environment")
        self.release_id = identifier(release_id, "release_id")
        self._folder: Any = root / "monitoring" / self.environment / self.release_id

    @property
    def uri(self) -> str:
        """The folder's URI."""
        return uri_of(self._folder)

    def uri_of(self, name: str) -> str:
        """Return the URI of an artifact, whether or not it exists."""
        return uri_of(self._path(name))

    def write_text(self, name: str, text: str) -> StoredArtifact:
        """Write ``text`` as the whole artifact ``name``, replacing what was there."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> StoredArtifact:
        """Write ``data`` as the whole artifact ``name``; readers see the old or the new, never a part."""
        path = self._path(name)
        write_whole(path, data)
        return StoredArtifact(name, uri_of(path), hashlib.sha256(data).hexdigest(), len(data))

    def write_json(self, name: str, content: BaseModel | dict[str, Any]) -> StoredArtifact:
        """Write a model or a plain mapping as indented JSON."""
        plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        return self.write_text(name, json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def exists(self, name: str) -> bool:
        """Return whether the artifact is there."""
        return bool(self._path(name).exists())

    def read_bytes(self, name: str) -> bytes:
        """Return the content of an artifact.

        Raises:
            ArtifactMissingError: if no earlier step wrote it.
        """
        try:
            return bytes(self._path(name).read_bytes())
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"{name} is not in {self.uri}; the step that writes it failed: see its task log"
            ) from error

    def read_text(self, name: str) -> str:
        """Return an artifact as text."""
        return self.read_bytes(name).decode()

    def read_model(self, name: str, model: type[ModelT]) -> ModelT:
        """Return an artifact parsed and validated as ``model``.

        Raises:
            ArtifactMissingError: if it is not there.
            InvalidInputError: if it does not fit the model.
        """
        try:
            return model.model_validate_json(self.read_bytes(name))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInputError([f"{self.uri_of(name)}: {where}: {first['msg']}"]) from error

    def digest(self, name: str) -> StoredArtifact:
        """Return the artifact's URI, SHA-256 and size as it lies in the store now."""
        data = self.read_bytes(name)
        return StoredArtifact(name, self.uri_of(name), hashlib.sha256(data).hexdigest(), len(data))

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of all stored artifacts that start with ``prefix``, sorted."""
        if not self._folder.exists():
            return []
        base = str(self._folder).rstrip("/") + "/"
        found = (str(path).removeprefix(base) for path in self._folder.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix) and _NAME.fullmatch(name))

    def remove(self, name: str) -> None:
        """Remove an artifact; one that is not there is no error."""
        path = self._path(name)
        if path.exists():
            path.unlink()

    def _path(self, name: str) -> Any:
        if not _NAME.fullmatch(name) or ".." in name:
            raise InvalidInputError([f"artifact name: {name!r} is not a plain relative path"])
        path = self._folder
        for part in name.split("/"):
            path = path / part
        return path
