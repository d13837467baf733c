"""What imported services add to a ``services.yaml`` that people wrote: only what is not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from release_watch.catalog.documents import Document
from release_watch.catalog.relations import Written, written_services
from release_watch.catalog.writing import Addition


class Merge(NamedTuple):
    """Fields to add to services that are there, services to add, and where the two sources differ."""

    additions: tuple[Addition, ...]
    services: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def merge(document: Document, imported: Sequence[Mapping[str, Any]]) -> Merge:
    """Return what ``imported`` adds to a ``services.yaml``; a field that is written there stays as it is."""
    there = {service.name: service for service in written_services(document) if service.name is not None}
    additions: list[Addition] = []
    notes: list[str] = []
    for service in imported:
        if (written := there.get(service["name"])) is not None:
            fields = {key: value for key, value in service.items() if key not in written.fields}
            if fields:
                additions.append(Addition(written.place, None, fields))
            additions += _signals(written, service["signals"])
            notes += _differences(document, written, service)
    new = tuple(service for service in imported if service["name"] not in there)
    return Merge(tuple(additions), new, tuple(notes))


def _signals(written: Written, imported: Mapping[str, Any]) -> Iterator[Addition]:
    signals = written.fields.get("signals")
    if isinstance(signals, dict):
        missing = {signal: value for signal, value in imported.items() if signal not in signals}
        if missing:
            yield Addition(written.place, "signals", missing)


def _differences(document: Document, written: Written, imported: Mapping[str, Any]) -> Iterator[str]:
    for field, value in imported.items():
        ours = written.fields.get(field, value)
        if field == "signals" or ours == value:
            continue
        if isinstance(ours, list) and isinstance(value, list):
            more = [item for item in value if item not in ours]
            if not more:
                continue
            words = f"kept; Backstage also has {', '.join(map(str, more))}"
        else:
            words = f"kept; Backstage has {value!r}"
        yield document.problem(written.at(field), ours, words)
