"""The service level objectives of a folder, from OpenSLO v1 documents and Sloth's specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.objectives.model import WINDOW, WINDOW_DAYS, Slo
from release_watch.catalog.objectives.openslo import Read, read_openslo
from release_watch.catalog.objectives.openslo_schema import API_VERSION
from release_watch.catalog.objectives.places import Findings, Place
from release_watch.catalog.objectives.sloth import is_sloth, read_sloth

__all__ = ["WINDOW", "WINDOW_DAYS", "Slo", "SlosFound", "load_slos", "read_slos", "slos_in"]

_FORMS = (
    f"apiVersion: {API_VERSION} (OpenSLO), version: prometheus/v1 (Sloth) or apiVersion: sloth.slok.dev/v1"
)


class SlosFound(NamedTuple):
    """SLOs with their documents, every problem, and what is not done as it is written."""

    slos: list[tuple[Slo, Document]]
    problems: list[str]
    warnings: list[str]


def load_slos(folder: Path, shown_as: str) -> tuple[list[tuple[Slo, Document]], list[str]]:
    """Return the SLOs of all YAML files in ``folder`` with their documents, and every problem found."""
    found = read_slos(folder, shown_as)
    return found.slos, found.problems


def read_slos(folder: Path, shown_as: str) -> SlosFound:
    """Return the SLOs of all YAML files in ``folder``, each shown to people below ``shown_as``."""
    documents: list[Document] = []
    problems: list[str] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        found, wrong = read_documents(path, f"{shown_as}/{path.name}")
        documents += found
        problems += wrong
    return slos_in(documents, problems)


def slos_in(documents: Sequence[Document], problems: Sequence[str] = ()) -> SlosFound:
    """Return the SLOs of documents that belong together: they may refer to each other.

    Args:
        documents: of any form and in any order.
        problems: what was wrong when they were read.
    """
    findings = Findings()
    findings.add(list(problems))
    openslo: list[Document] = []
    read: list[Read] = []
    for document in documents:
        if document.data is None:  # nothing between two lines of ---
            continue
        if not isinstance(document.data, dict) or not {"apiVersion", "version"} & set(document.data):
            findings.refuse(Place(document), document.data, f"begin with {_FORMS}")
        elif is_sloth(document.data):
            read += read_sloth(document, findings)
        else:
            openslo.append(document)
    read += read_openslo(openslo, findings)
    unique = _unique(read, findings)
    return SlosFound([(one.slo, _findable(one)) for one in unique], findings.problems, findings.warnings)


def _unique(read: Sequence[Read], findings: Findings) -> list[Read]:
    """Return the SLOs without those whose name another has: recorded series are told apart by it."""
    first: dict[str, Read] = {}
    for one in read:
        other = first.setdefault(one.slo.name, one)
        if other is not one:
            remedy = f"two SLOs have this name, the other at {other.slo.source}; rename one"
            findings.refuse(one.name_at, one.slo.name, remedy)
    return list(first.values())


def _findable(read: Read) -> Document:
    """Return the document of an SLO, with the lines of name and service where OpenSLO has them."""
    document = read.name_at.document
    lines: Mapping[tuple[object, ...], int] = {
        **document.lines,
        ("metadata", "name"): document.line(read.name_at.location),
        ("spec", "service"): document.line(read.service_at.location),
    }
    return document._replace(lines=lines)
