"""``quality-audit-findings.json``: the open findings of the quality audit."""

from __future__ import annotations

from collections.abc import Iterator

from release_watch.evidence.entries import Entry, EntryReading
from release_watch.evidence.models import AuditFinding
from release_watch.evidence.recognition import severity_of
from release_watch.evidence.structured import Structured
from release_watch.identifiers import is_identifier

FILE = "quality-audit-findings.json"
FIELDS = ("findings", "issues", "results", "observations")
_CLOSED = frozenset(
    {"closed", "resolved", "fixed", "done", "false positive", "false_positive", "invalid", "duplicate"}
)


def read(document: Structured) -> EntryReading:
    """Return the open findings of a document: a list, or lists by severity."""
    reading = EntryReading(document)
    for entry, severity in _each(reading):
        title = entry.text("title", "summary", "name", "finding", "rule") or (
            str(entry.value) if isinstance(entry.value, str) else ""
        )
        if not title:
            reading.refuse(entry, "a finding with a title")
        elif entry.text("status", "state").casefold() in _CLOSED:
            reading.take(entry, "closed finding")
        else:
            reading.take(entry, "finding", _finding(reading, entry, title, severity))
    return reading


def _each(reading: EntryReading) -> Iterator[tuple[Entry, str]]:
    for entry in reading.entries(*FIELDS):
        if entry.name and isinstance(entry.value, list):  # by severity
            yield from ((one, entry.name) for one in reading.inside(entry))
        else:
            yield entry, ""


def _finding(reading: EntryReading, entry: Entry, title: str, severity: str) -> AuditFinding:
    number = entry.text("finding_id", "id", "key")
    service = entry.text("service", "component", "service_name")
    said = entry.text("severity", "level", "priority", "impact") or severity
    known = severity_of(said)
    return AuditFinding(
        severity=known if known != "unknown" else (said.casefold()[:40] or "unknown"),
        service=service if is_identifier(service) else None,
        title=title[:300],
        detail=entry.text("detail", "description", "message", "recommendation")[:1000],
        source=reading.source(entry) + (f" ({number[:60]})" if number else ""),
    )
