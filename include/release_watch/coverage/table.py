"""The audit as a table for a log or a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, ServiceAudit, Signal

_HEADERS = ("service", "tier", "score", *Signal)


def coverage_table(audit: InstrumentationAudit) -> str:
    """Return a row per service, then a line per check that did not pass, with its remedy."""
    rows = [_HEADERS, *(_row(service) for service in audit.services)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    gaps = [line for service in audit.services for line in _gaps(service)]
    return "\n".join([*lines, f"verdict: {audit.verdict}", *gaps])


def _row(service: ServiceAudit) -> tuple[str, ...]:
    return (
        service.service,
        service.tier,
        f"{service.score:.0%}",
        *(service.signals[signal].status if signal in service.signals else "-" for signal in Signal),
    )


def _gaps(service: ServiceAudit) -> Iterator[str]:
    for signal, found in service.signals.items():
        for check in found.checks:
            if check.status is not CoverageStatus.PASS:
                words = f"{check.name}: {check.observed}; expected {check.expected}. {check.remedy or ''}"
                yield f"{check.status} {service.service} {signal} {words}".strip()
