"""``import-backstage``: ``services.yaml`` written from ``catalog-info.yaml`` files, or added to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from release_watch.catalog.backstage.components import TYPES, Services, services_from
from release_watch.catalog.backstage.entities import read_entities
from release_watch.catalog.backstage.merging import merge
from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.fields import Name
from release_watch.catalog.relations import written_services
from release_watch.catalog.writing import extended, written
from release_watch.errors import InvalidInputError
from release_watch.files import READABLE, write_whole

DESCRIPTION = """\
Write services.yaml from Backstage descriptors. A component of type service or worker becomes a service: its
owner, description, dependencies (dependsOn, dependencyOf, APIs it consumes), endpoints (OpenAPI definitions
of the APIs it provides), tier, signals and runbook (annotations release-watch.io/*, links of type runbook).
Nothing is invented and nothing is fetched: what is missing or not understood is listed on the standard error
with its file and line. Exits with 0 when services were imported, 1 when something has to be corrected first
(nothing is written then), 2 for a wrong use."""


class Result(NamedTuple):
    """The new text of ``services.yaml``, how many services it has from Backstage, and what was noted."""

    text: str
    services: tuple[dict[str, Any], ...]
    added: int
    notes: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a catalog-info.yaml, or a folder"
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--out", type=Path, metavar="FILE", help="write it here, not to the standard output")
    target.add_argument(
        "--into", type=Path, metavar="FILE", help="add to this services.yaml; what is in it stays as it is"
    )
    parser.add_argument("--force", action="store_true", help="let --out overwrite a file")
    parser.add_argument(
        "--namespace", action="append", default=[], metavar="NAME", help="only of this one; may be repeated"
    )
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="TYPE",
        dest="types",
        help=f"components of this type too, besides {' and '.join(TYPES)}; may be repeated",
    )
    parser.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        dest="environments",
        help="environments of the new services.yaml, of which Backstage says nothing; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Import, write, and list what was noted; returns 0, or 1 when something has to be corrected first."""
    if options.out and options.out.exists() and not options.force:
        parser.error(f"{options.out} exists; --force overwrites it, --into adds to it")
    if options.into and options.environments:
        parser.error("--environment is for a new file; with --into, edit environments in that file")
    target = options.out or options.into
    try:
        result = _import(options)
        if target:
            _write(target, result.text)
    except InvalidInputError as error:
        return _refuse(error.problems, as_json=options.json)
    except OSError as error:
        return _refuse([f"{error.filename or target}:1: file: {error.strerror}"], as_json=options.json)
    _report(result, target, as_json=options.json)
    return 0


def _import(options: argparse.Namespace) -> Result:
    document = _existing(options.into) if options.into else None
    found = read_entities(options.paths)
    services = services_from(
        found.entities,
        types=(*TYPES, *options.types),
        namespaces=options.namespace,
        written={s.name: tuple(s.fields) for s in written_services(document) if s.name} if document else {},
    )
    problems = (*found.problems, *services.problems, *_environment_problems(options.environments))
    if not services.services and not problems:
        problems = (*found.notes, *services.notes, "no component to import in these files")
    if problems:
        raise InvalidInputError(problems)
    notes = (*found.notes, *services.notes)
    if document is None:
        return _new(options.environments, services, notes)
    merged = merge(document, services.services)
    text = options.into.read_bytes().decode()
    text = extended(text, str(options.into), merged.additions, merged.services)
    return Result(text, services.services, len(merged.services), (*notes, *merged.notes))


def _new(environments: Sequence[str], services: Services, notes: tuple[str, ...]) -> Result:
    if not environments:
        words = (
            "services.yaml:1: environments: missing: Backstage has none; use --environment or add the field"
        )
        notes = (*notes, words)
    text = written(environments, services.services)
    return Result(text, services.services, len(services.services), notes)


def _existing(path: Path) -> Document:
    documents, problems = read_documents(path, str(path))
    if problems or len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise InvalidInputError(problems or [f"{path}:1: document: must be one mapping of fields: use --out"])
    return documents[0]


def _environment_problems(environments: Sequence[str]) -> list[str]:
    problems = []
    for name in environments:
        try:
            TypeAdapter(Name).validate_python(name)
        except ValidationError as error:
            problems.append(f"--environment: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
    return problems


def _write(path: Path, text: str) -> None:
    """Write the file whole; where it is a link, what it points to, with the rights that it had."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else READABLE
    write_whole(target, text.encode(), mode)


def _refuse(problems: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"written": None, "problems": list(problems)}, indent=2) + "\n")
    else:
        sys.stderr.write("\n".join([*problems, f"{len(problems)} problems; nothing was written"]) + "\n")
    return 1


def _report(result: Result, target: Path | None, *, as_json: bool) -> None:
    if as_json:
        content: dict[str, Any] = {
            "written": str(target) if target else None,
            "added": result.added,
            "services": result.services,
            "notes": result.notes,
            "problems": [],
        }
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
        return
    for note in result.notes:
        sys.stderr.write(note + "\n")
    if target is None:
        sys.stdout.write(result.text)
        return
    there = len(result.services) - result.added
    said = f"{target}: {result.added} services added, {there} already there, {len(result.notes)} notes"
    sys.stdout.write(f"{said}; check with: python -m release_watch.catalog check {target.parent}\n")
