"""The OpenSLO documents of a folder by kind and name, so that one can refer to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from release_watch.catalog.documents import Document
from release_watch.catalog.nearest import Known
from release_watch.catalog.objectives.openslo_schema import (
    API_VERSION,
    KINDS,
    Envelope,
    Metadata,
    ServiceSpec,
    SloSpec,
)
from release_watch.catalog.objectives.places import Documented, Findings, Place, mapping
from release_watch.errors import InvalidInputError

SpecT = TypeVar("SpecT", bound=Documented)

_KIND_OF = {model: kind for kind, model in KINDS.items()}
_STAND_ALONE = (SloSpec, ServiceSpec)


class Entry(NamedTuple):
    """An object: where it stands, and its two parts; ``spec`` is None if it cannot stand."""

    place: Place
    metadata: Metadata | None
    spec: Documented | None

    @property
    def name(self) -> str:
        """Its name, empty for one without."""
        return self.metadata.name if self.metadata else ""


class Registry:
    """All objects of a folder, each read once."""

    def __init__(self, documents: Sequence[Document], findings: Findings) -> None:
        self._findings = findings
        self._entries: dict[tuple[type[Documented], str], Entry] = {}
        self._referred: set[tuple[type[Documented], str]] = set()
        for document in documents:
            self._add(Place(document))

    def all(self, model: type[Documented]) -> Iterator[Entry]:
        """Yield the objects of one kind."""
        return (entry for (kind, _), entry in self._entries.items() if kind is model)

    def find(self, model: type[SpecT], name: object, place: Place) -> tuple[Entry, SpecT]:
        """Return the object of that kind and name, to which ``place`` refers.

        Raises:
            InvalidInputError: if there is none; with nothing new to say if it was refused itself.
        """
        entry = self._entries.get((model, str(name)))
        if entry is None:
            kind = _KIND_OF[model]
            known = Known(name for known, name in self._entries if known is model)
            remedy = f"there is no {kind} of that name in this folder{known.hint(name)}"
            raise place.refusal(name, remedy)
        self._referred.add((model, str(name)))
        if not isinstance(entry.spec, model):
            raise InvalidInputError([])
        return entry, entry.spec

    def resolve(
        self, model: type[SpecT], found: Mapping[str, Any], place: Place, reference: str
    ) -> tuple[Entry, SpecT]:
        """Return an object that is written at ``place``, or that is referred to there by ``reference``.

        Raises:
            InvalidInputError: if it cannot stand, or there is none of that name.
        """
        if reference in found:
            if others := [key for key in found if key != reference]:
                raise place.refusal(others, f"give either {reference}, or the object itself")
            return self.find(model, found[reference], place.at(reference))
        envelope = place.read(Envelope, found)
        spec = place.at("spec").read(model, envelope.spec)
        return Entry(place, envelope.metadata, spec), spec

    def warn_of_unused(self) -> None:
        """Warn of objects that nothing refers to."""
        for (model, name), entry in self._entries.items():
            if model not in _STAND_ALONE and (model, name) not in self._referred:
                kind = _KIND_OF[model]
                self._findings.warn(
                    entry.place.at("metadata", "name"), name, f"nothing refers to this {kind}"
                )

    def _add(self, place: Place) -> None:
        data = self._findings.attempt(mapping, place, place.document.data)
        if data is None:
            return
        if data.get("apiVersion") != API_VERSION:
            self._findings.refuse(place.at("apiVersion"), data.get("apiVersion"), f"must be {API_VERSION}")
            return
        if data.get("kind") not in KINDS:
            remedy = f"must be one of {', '.join(KINDS)}"
            self._findings.refuse(place.at("kind"), data.get("kind"), remedy)
            return
        model = KINDS[data["kind"]]
        envelope = self._findings.read(place, Envelope, data)
        content = data.get("spec") if model is not ServiceSpec else data.get("spec") or {}
        spec = self._findings.read(place.at("spec"), model, content)
        if envelope and envelope.metadata is None:
            self._findings.refuse(place.at("metadata"), None, "add metadata with a name")
        if envelope and envelope.metadata:
            self._keep(model, Entry(place, envelope.metadata, spec))

    def _keep(self, model: type[Documented], entry: Entry) -> None:
        key = (model, entry.name)
        if key in self._entries:
            other = self._entries[key].place.at("metadata", "name").where
            remedy = f"two objects of kind {_KIND_OF[model]} have this name, the other at {other}; rename one"
            self._findings.refuse(entry.place.at("metadata", "name"), entry.name, remedy)
            return
        self._entries[key] = entry
