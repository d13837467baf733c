"""``instrumentation-audit.json``: which telemetry of each service was proven to be there."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from release_watch.artifacts.models.artifact import Artifact, Part, Signal
from release_watch.verdict import Verdict


class CoverageStatus(StrEnum):
    """Whether a signal was proven to be there."""

    PASS = "PASS"  # noqa: S105 - a status, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class CoverageCheck(Part):
    """One question to a backend and its answer."""

    name: str
    status: CoverageStatus
    query: str | None = None
    observed: str
    expected: str
    remedy: str | None = None


class SignalAudit(Part):
    """All checks of one signal of one service; the gravest decides."""

    status: CoverageStatus
    checks: tuple[CoverageCheck, ...]


class InstrumentationRule(Part):
    """One rule of the Instrumentation Score, for one service."""

    rule_id: str
    impact: Literal["critical", "important", "normal", "low"]
    status: CoverageStatus
    query: str | None = None
    observed: str
    remedy: str | None = None


class InstrumentationScore(Part):
    """How well a service is instrumented, 0 to 100, over the rules that its telemetry could answer.

    ``score`` is None where none could. It advises: a gate never judges it.
    """

    score: float | None = Field(ge=0, le=100)
    rules: tuple[InstrumentationRule, ...]


class ServiceAudit(Part):
    """The coverage of one service; ``score`` is the share of passed checks, 0 to 1."""

    service: str
    tier: Literal["critical", "standard"]
    score: float = Field(ge=0, le=1)
    signals: dict[Signal, SignalAudit]
    instrumentation: InstrumentationScore | None = None


class Reference(Part):
    """Something that reads series (``alert``, ``panel``, ``slo``), and whether what it reads exists.

    ``service`` is None where it belongs to no single one.
    """

    kind: Literal["alert", "panel", "slo"]
    name: str
    service: str | None
    check: CoverageCheck


class InstrumentationAudit(Artifact):
    """``instrumentation-audit.json``."""

    version: str | None = None
    verdict: Verdict
    services: tuple[ServiceAudit, ...]
    references: tuple[Reference, ...] = ()
