"""Endpoints, risks, dependencies, flags and findings, as far as the documents can be understood."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from release_watch.evidence.markdown_documents import Item, MarkdownDocument, Row
from release_watch.evidence.models import (
    AuditFinding,
    Dependency,
    Endpoint,
    Flag,
    Risk,
    ValidationDocument,
    find_endpoint,
)

VALIDATION = "post-deployment-validation.json"
FINDINGS = "quality-audit-findings.json"

_ENDPOINTS_SECTION = re.compile(
    r"(new|added)\b.*\b(endpoint|route|api)s?\b|\bendpoints?\b.*\b(new|added)", re.I
)
_RISKS_SECTION = re.compile(r"\brisk|known (issue|limitation)|\bconcern|\bcaveat", re.I)
_DEPENDENCIES_SECTION = re.compile(r"\bdependenc|\bupstream|\bdownstream", re.I)
_FLAGS_SECTION = re.compile(r"\b(feature )?(flag|toggle)s?\b", re.I)
_ARROW = re.compile(r"^([\w.-]+)\s*(?:->|=>|→|calls|depends on|uses)\s*:?\s*(.+)$", re.I)
_NOTHING = re.compile(r"^(none|nothing|n/?a|no (new|changed|known).*|-|–)\.?$", re.I)
_ACTIVE = re.compile(r"\b(active|activated|enabled|on)\b", re.I)
_INACTIVE = re.compile(r"\b(inactive|disabled|off|never|not (active|activated|enabled))\b", re.I)
_FAILED = re.compile(r"^(failed|fail|failure|error|down|unhealthy|critical)$", re.I)
_RESULT_COLUMNS = ("result", "status", "outcome", "state", "health")
_SERVICE_COLUMNS = ("service", "component", "name")
_DETAIL_COLUMNS = ("event", "check", "step", "detail", "message", "notes")


def endpoints(
    validation: ValidationDocument, report: MarkdownDocument, services: Sequence[str]
) -> tuple[tuple[Endpoint, ...], list[str]]:
    """Return the new endpoints of both documents, each once, and what was not understood."""
    found: dict[tuple[str, str, str], Endpoint] = {}
    problems = []
    candidates = [
        (_words(entry), f"{VALIDATION}:new_endpoints.{index}", _service_in(entry))
        for index, entry in enumerate(validation.new_endpoints)
    ]
    candidates += [(item.text, item.source, None) for item in report.items_under(_ENDPOINTS_SECTION)]
    candidates += [
        (" ".join(row.cells.values()), row.source, _column(row, _SERVICE_COLUMNS))
        for row in report.rows_under(_ENDPOINTS_SECTION)
    ]
    for text, source, service in candidates:
        if _NOTHING.match(text.strip()):
            continue
        named = service or mentioned(text, services)
        route = find_endpoint(text)
        if not named or not route:
            problems.append(f"{source}: not understood as an endpoint of a service: {text[:100]}")
        else:
            endpoint = Endpoint(service=named, method=route[0], path=route[1], source=source)
            found.setdefault((named, *route), endpoint)
    return tuple(found.values()), problems


def risks(
    report: MarkdownDocument, health_log: MarkdownDocument, services: Sequence[str]
) -> tuple[Risk, ...]:
    """Return the risks that the report names, and the failed lines of the health log."""
    found = [
        Risk(text=item.text, service=mentioned(item.text, services), source=item.source)
        for item in report.items_under(_RISKS_SECTION)
        if not _NOTHING.match(item.text)
    ]
    for row in report.rows_under(_RISKS_SECTION):
        text = "; ".join(cell for cell in row.cells.values() if cell)
        found.append(Risk(text=text, service=mentioned(text, services), source=row.source))
    for row in health_log.rows:
        if _FAILED.match(_column(row, _RESULT_COLUMNS) or ""):
            words = ", ".join(row.cells[name] for name in _DETAIL_COLUMNS if row.cells.get(name))
            service = mentioned(_column(row, _SERVICE_COLUMNS) or words, services)
            found.append(Risk(text=f"health check failed: {words}", service=service, source=row.source))
    return tuple(found)


def dependencies(report: MarkdownDocument) -> tuple[tuple[Dependency, ...], list[str]]:
    """Return who calls whom according to the report, and what was not understood."""
    found: list[Dependency] = []
    problems = []
    for item in report.items_under(_DEPENDENCIES_SECTION):
        if _NOTHING.match(item.text):
            continue
        if arrow := _ARROW.match(item.text):
            found += _called(arrow[1], arrow[2], item.source)
        else:
            problems.append(f"{item.source}: not understood as a dependency: {item.text[:100]}")
    for row in report.rows_under(_DEPENDENCIES_SECTION):
        cells = list(row.cells.values())
        if len(cells) >= 2:
            found += _called(cells[0], cells[1], row.source)
    return tuple(found), problems


def flags(report: MarkdownDocument, document: Any) -> tuple[Flag, ...]:
    """Return the feature flags of the report, and of a flag document where there is one."""
    found = [_flag(item) for item in report.items_under(_FLAGS_SECTION) if not _NOTHING.match(item.text)]
    for row in report.rows_under(_FLAGS_SECTION):
        cells = list(row.cells.values())
        found.append(_flag(Item(": ".join(cells[:2]), row.source, row.section)))
    entries = document.get("flags", []) if isinstance(document, dict) else []
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and "name" in entry:
            active = _is_active(str(entry.get("status", entry.get("active", ""))))
            found.append(Flag(name=str(entry["name"]), active=active, source=f"feature-flags.json:{index}"))
    return tuple(found)


def findings(document: Any) -> tuple[AuditFinding, ...]:
    """Return the open findings of the quality audit."""
    entries = document.get("findings") if isinstance(document, dict) else None
    return tuple(
        AuditFinding(
            severity=str(entry.get("severity", "unknown")).lower(),
            service=str(entry["service"]) if entry.get("service") else None,
            title=str(entry.get("title") or entry.get("summary") or "finding"),
            detail=str(entry.get("detail") or entry.get("description") or ""),
            source=f"{FINDINGS}:{entry.get('finding_id') or entry.get('id') or index}",
        )
        for index, entry in enumerate(entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and str(entry.get("status", "open")).lower() not in ("closed", "resolved")
    )


def mentioned(text: str, services: Iterable[str]) -> str | None:
    """Return the service that is named first in ``text``."""
    places = {name: re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text, re.I) for name in services}
    named = {name: match.start() for name, match in places.items() if match}
    return min(named, key=lambda name: (named[name], -len(name)), default=None)


def _called(service: str, called: str, source: str) -> Iterator[Dependency]:
    for name in re.split(r",|;|\band\b", called):
        plain = name.strip().rstrip(".")
        if plain and not _NOTHING.match(plain):
            yield Dependency(service=service.strip(), on=plain, source=source)


def _flag(item: Item) -> Flag:
    name, _, words = item.text.partition(":")
    return Flag(name=name.strip(), active=_is_active(words), source=item.source)


def _is_active(words: str) -> bool | None:
    if _INACTIVE.search(words) or words.lower() == "false":
        return False
    return True if _ACTIVE.search(words) or words.lower() == "true" else None


def _column(row: Row, names: Sequence[str]) -> str | None:
    return next((row.cells[name] for name in names if row.cells.get(name)), None)


def _service_in(entry: Any) -> str | None:
    service = entry.get("service") if isinstance(entry, dict) else None
    return str(service) if service else None


def _words(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    method = entry.get("method") or "GET"
    path = entry.get("path") or entry.get("route") or entry.get("endpoint") or ""
    return str(path) if find_endpoint(str(path)) else f"{method} {path}"
