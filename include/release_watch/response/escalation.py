"""What people read about findings: the error line, the notice, and the ticket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from release_watch.artifacts.models import Finding
from release_watch.clock import rfc3339
from release_watch.release import Release
from release_watch.response.policy import Response
from release_watch.verdict import Objective


def error_line(finding: Finding, release: Release) -> str:
    """Return the ``[ERROR]`` line of a finding; one line, so that log readers can match it."""
    text = (
        f"[ERROR] {finding.severity.capitalize()} finding since release {release.release_id}: "
        f"{finding.service} {finding.metric}: {finding.reason}"
    )
    return " ".join(text.split())


def subject(findings: Iterable[Finding], release: Release) -> str:
    """Return the head of a notice about ``findings``."""
    known = tuple(findings)
    word = "finding" if len(known) == 1 else "findings"
    services = ", ".join(sorted({finding.service for finding in known}))
    return f"{len(known)} {word} in {services} since release {release.release_id} in {release.environment}"


def notice(
    findings: Iterable[Finding],
    release: Release,
    response: Response,
    *,
    tickets: Mapping[str, str] = MappingProxyType({}),
    plots: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the notice about ``findings``, with the addresses of their tickets and plots by finding id."""
    blocks = []
    for finding in findings:
        lines = [error_line(finding, release), *details(finding)]
        if finding.finding_id in tickets:
            lines.append(f"Ticket: {tickets[finding.finding_id]}")
        if finding.finding_id in plots:
            lines.append(f"Plot: {plots[finding.finding_id]}")
        blocks.append("\n".join(lines))
    return "\n\n".join((*blocks, f"Response: {response.action}", "\n".join(response.reasons)))


def ticket_title(finding: Finding, release: Release) -> str:
    """Return the title of a finding's ticket."""
    where = f"{release.release_id} in {release.environment}"
    return f"{finding.severity.capitalize()}: {finding.service} {finding.metric} is worse since {where}"


def ticket_body(finding: Finding, release: Release) -> str:
    """Return the first text of a finding's ticket: what, since when, of which release, and the numbers."""
    head = [
        error_line(finding, release),
        f"Version {release.version}, deployment {release.deployment_id} at {rfc3339(release.deployed_at)}",
    ]
    tail = ["This ticket is kept by Release Watch: it is closed when the finding is over."]
    return "\n\n".join(("\n".join(head), "\n".join(details(finding)), "\n".join(tail)))


def details(finding: Finding) -> list[str]:
    """Return when the finding was seen, who owns it, and the numbers behind it, a line each."""
    lines = [f"First seen {rfc3339(finding.first_seen)}, last seen {rfc3339(finding.last_seen)}"]
    if finding.owner:
        lines.append(f"Owner: {finding.owner}")
    for objective in finding.evidence:
        lines += _numbers(objective)
    return lines


def _numbers(objective: Objective) -> list[str]:
    known = (
        ("value", objective.value),
        ("baseline", objective.baseline),
        ("threshold", objective.threshold),
        ("samples", objective.samples),
        ("query", objective.query),
    )
    told = [f"  {name}: {value}" for name, value in known if value is not None]
    return [f"{objective.name}: {objective.verdict}", *told]
