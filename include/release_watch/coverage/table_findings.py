"""What an audit did not prove, the same gap of many services told once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit

ANY_SERVICE = "<service>"


class Finding(NamedTuple):
    """One check of a ``subject`` that did not pass: of a service, alert, panel or SLO, as ``noun`` says."""

    status: CoverageStatus
    noun: str
    subject: str
    critical: bool
    topic: str
    observed: str
    expected: str | None
    query: str | None
    remedy: str | None


class Gap(NamedTuple):
    """Findings with the same topic and the same remedy, those of critical services first."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The finding that stands for all."""
        return self.findings[0]

    @property
    def subjects(self) -> list[str]:
        """The services or references that have the gap, each once."""
        return list(dict.fromkeys(finding.subject for finding in self.findings))

    @property
    def remedy(self) -> str | None:
        """The fix; where it names the service and there are several, with a place for the name."""
        remedy = self.first.remedy
        return remedy if len(self.findings) == 1 or remedy is None else general(remedy, self.first.subject)


def coverage_gaps(audit: InstrumentationAudit) -> list[Gap]:
    """Return the gaps of the services' signals: proven ones first, then those of critical services."""
    return _grouped(_coverage(audit))


def reference_gaps(audit: InstrumentationAudit) -> list[Gap]:
    """Return the alerts, panels and SLOs that read series which were not proven to exist."""
    return _grouped(
        Finding(
            status=one.check.status,
            noun=one.kind,
            subject=one.name if one.service is None else f"{one.name} ({one.service})",
            critical=False,
            topic=one.check.name,
            observed=one.check.observed,
            expected=one.check.expected,
            query=one.check.query,
            remedy=one.check.remedy,
        )
        for one in audit.references
        if one.check.status is not CoverageStatus.PASS
    )


def broken_rules(audit: InstrumentationAudit) -> list[Gap]:
    """Return the rules of the Instrumentation Score that services were proven to break."""
    return _grouped(
        Finding(
            status=rule.status,
            noun="service",
            subject=service.service,
            critical=service.tier == "critical",
            topic=f"{rule.rule_id} ({rule.impact})",
            observed=rule.observed,
            expected=None,
            query=rule.query,
            remedy=rule.remedy,
        )
        for service in audit.services
        for rule in (service.instrumentation.rules if service.instrumentation else ())
        if rule.status is CoverageStatus.FAIL
    )


def general(text: str, service: str) -> str:
    """Return ``text`` with a place where it names ``service``."""
    return re.sub(rf"(?<![\w-]){re.escape(service)}(?![\w-])", ANY_SERVICE, text)


def _coverage(audit: InstrumentationAudit) -> Iterator[Finding]:
    for service in audit.services:
        for signal, found in service.signals.items():
            for check in found.checks:
                if check.status is not CoverageStatus.PASS:
                    yield Finding(
                        status=check.status,
                        noun="service",
                        subject=service.service,
                        critical=service.tier == "critical",
                        topic=f"{signal} {check.name}",
                        observed=check.observed,
                        expected=check.expected,
                        query=check.query,
                        remedy=check.remedy,
                    )


def _grouped(findings: Iterable[Finding]) -> list[Gap]:
    alike: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        remedy = general(finding.remedy or "", finding.subject)
        alike[finding.status, finding.noun, finding.topic, remedy].append(finding)
    gaps = [Gap(tuple(sorted(found, key=lambda one: not one.critical))) for found in alike.values()]
    return sorted(gaps, key=_gravity)


def _gravity(gap: Gap) -> tuple[bool, bool, int]:
    first = gap.first
    return first.status is not CoverageStatus.FAIL, not first.critical, -len(gap.findings)
