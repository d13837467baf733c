"""``post-deployment-validation.json``: whether the deployment passed, and what is new in it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from release_watch.errors import InvalidInputError
from release_watch.evidence import endpoint_lines
from release_watch.evidence.check_lines import result_of
from release_watch.evidence.entries import Entry, EntryReading
from release_watch.evidence.inert import visible
from release_watch.evidence.models import Risk, ValidationDocument
from release_watch.evidence.plain_words import Mark
from release_watch.evidence.recognition import Names, severity_of
from release_watch.evidence.structured import Structured
from release_watch.identifiers import is_identifier

FILE = "post-deployment-validation.json"
_ENDPOINTS = ("new_endpoints", "endpoints_added", "added_endpoints")
_RISKS = ("risks", "known_issues", "warnings")
FIELDS = ("services", "checks", *_ENDPOINTS, *_RISKS)


def read_status(document: Structured) -> ValidationDocument:
    """Return the outcome of the validation.

    Raises:
        InvalidInputError: with every field that is missing or wrong.
    """
    try:
        return ValidationDocument.model_validate(document.content)
    except ValidationError as error:
        raise InvalidInputError([_field_problem(document, e) for e in error.errors()]) from error


def read(document: Structured, names: Names) -> EntryReading:
    """Return the new endpoints, risks and failed checks of the document."""
    reading = EntryReading(document)
    for entry in reading.entries(*_ENDPOINTS):
        _endpoint(reading, entry, names, None)
    for field in _RISKS:
        for entry in reading.entries(field):
            _risk(reading, entry, names)
    for entry in reading.entries("checks"):
        _check(reading, entry, names, None)
    for entry in reading.entries("services"):
        _service(reading, entry, names)
    return reading


def _service(reading: EntryReading, entry: Entry, names: Names) -> None:
    service = entry.text("service", "name") or entry.name
    reading.take(entry, "status of a service")
    if not isinstance(entry.value, dict) or not is_identifier(service):
        return
    for field in _ENDPOINTS:
        for one in _inside(reading, entry, field):
            _endpoint(reading, one, names, service)
    for one in _inside(reading, entry, "checks"):
        _check(reading, one, names, service)


def _inside(reading: EntryReading, entry: Entry, field: str) -> list[Entry]:
    value = entry.value.get(field)
    return [] if value is None else list(reading.inside(Entry((*entry.place, field), "", value)))


def _endpoint(reading: EntryReading, entry: Entry, names: Names, service: str | None) -> None:
    found = endpoint_lines.of_entry(entry.value, names, reading.source(entry), service)
    if found:
        reading.take(entry, endpoint_lines.NEW, *found)
    else:
        reading.refuse(entry, "an endpoint of a service")


def _risk(reading: EntryReading, entry: Entry, names: Names) -> None:
    words = entry.text("text", "risk", "title", "description", "message", "summary") or (
        visible(entry.value) if isinstance(entry.value, str) else ""
    )
    if not words:
        reading.refuse(entry, "a risk in words")
        return
    service = entry.text("service", "component")
    risk = Risk(
        text=words,
        service=service if is_identifier(service) else names.mentioned(words),
        severity=severity_of(entry.text("severity", "level", "priority", "impact")),
        source=reading.source(entry),
    )
    reading.take(entry, "risk", risk)


def _check(reading: EntryReading, entry: Entry, names: Names, service: str | None) -> None:
    value: dict[str, Any] = entry.value if isinstance(entry.value, dict) else {"status": entry.value}
    said = next(
        (value[key] for key in ("status", "result", "passed", "ok") if value.get(key) is not None), None
    )
    result = result_of(visible(said, 100)) if said is not None else None
    if result is Mark.PASSED:
        reading.take(entry, "check that passed")
    elif result is None:
        reading.refuse(entry, "a check that passed or failed")
    else:
        name = entry.text("name", "check", "id") or entry.name or "a check"
        words = ", ".join(part for part in (name, entry.text("detail", "message", "error")) if part)
        named = entry.text("service", "component")
        risk = Risk(
            text=f"validation check {result}: {words}",
            service=named if is_identifier(named) else service or names.mentioned(words),
            severity="high" if result is Mark.FAILED else "medium",
            source=reading.source(entry),
        )
        reading.take(entry, f"check: {result}", risk)


def _field_problem(document: Structured, error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"])
    line = document.line(*error["loc"])
    if error["type"] == "missing":
        return f"{document.file}: {visible(field, 200)}: missing at line {line}: add it"
    said = error["msg"].removeprefix("Value error, ")
    given = error["input"] if isinstance(error["input"], str | int | float) else type(error["input"]).__name__
    return (
        f"{document.file}: {visible(field, 200)}: {visible(given, 80)!r} at line {line}: {visible(said, 300)}"
    )
