"""The JSON artifacts. Downstream owners parse them: fields may be added, never renamed.

Times are RFC 3339 UTC with milliseconds, durations are seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from release_watch.clock import Timestamp
from release_watch.verdict import ExitState, Objective, Verdict

SCHEMA_VERSION = "1.0"


class Signal(StrEnum):
    """The four kinds of telemetry a release must have."""

    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"
    SYNTHETICS = "synthetics"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Artifact(BaseModel):
    """What every JSON artifact begins with."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    release_id: str
    environment: str
    generated_at: Timestamp


class Window(_Part):
    """A span of time, start inclusive."""

    start: Timestamp
    end: Timestamp


# --- instrumentation-audit.json ---------------------------------------------------------------------


class CoverageStatus(StrEnum):
    """Whether a signal was proven to be there."""

    PASS = "PASS"  # noqa: S105 - a status, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class CoverageCheck(_Part):
    """One question to a backend and its answer."""

    name: str
    status: CoverageStatus
    query: str | None = None
    observed: str
    expected: str
    remedy: str | None = None


class SignalAudit(_Part):
    """All checks of one signal of one service; the gravest decides."""

    status: CoverageStatus
    checks: tuple[CoverageCheck, ...]


class InstrumentationRule(_Part):
    """One rule of the Instrumentation Score, for one service."""

    rule_id: str
    impact: Literal["critical", "important", "normal", "low"]
    status: CoverageStatus
    query: str | None = None
    observed: str
    remedy: str | None = None


class InstrumentationScore(_Part):
    """How well a service is instrumented, 0 to 100, over the rules that its telemetry could answer.

    ``score`` is None where none could. It advises: a gate never judges it.
    """

    score: float | None = Field(ge=0, le=100)
    rules: tuple[InstrumentationRule, ...]


class ServiceAudit(_Part):
    """The coverage of one service; ``score`` is the share of passed checks, 0 to 1."""

    service: str
    tier: Literal["critical", "standard"]
    score: float = Field(ge=0, le=1)
    signals: dict[Signal, SignalAudit]
    instrumentation: InstrumentationScore | None = None


class Reference(_Part):
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


# --- baseline-metrics.json --------------------------------------------------------------------------


class BaselineKind(StrEnum):
    """``reference``: before the release; ``snapshot``: just after it; ``release``: the window after it."""

    SNAPSHOT = "snapshot"
    REFERENCE = "reference"
    RELEASE = "release"


class NormalRange(_Part):
    """The band in which a metric is normal, in the metric's unit."""

    low: float
    high: float


class ExcludedWindow(_Part):
    """A span that no baseline is made of, and why; without ``service`` it holds for all of them."""

    start: Timestamp
    end: Timestamp
    reason: str
    service: str | None = None


class MetricBaseline(_Part):
    """The normal behaviour of one metric of one service; ``trend_per_hour`` is in its unit.

    ``verdict`` says whether the metric alone convinces, and ``reason`` why not. ``known_good`` is set where a
    pinned baseline stands in for the window: whose it is, and since when.
    """

    service: str
    metric: str
    unit: str
    quantiles: dict[str, float]
    normal_range: NormalRange | None
    seasonality: str | None = None
    trend_per_hour: float | None = None
    expected_pattern: str | None = None
    samples: int
    completeness: float = Field(ge=0, le=1)
    query: str
    lowest: float | None = None
    highest: float | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    known_good: str | None = None


class Sampling(_Part):
    """How far apart samples were asked for, and the Parquet file written of them, with its SHA-256."""

    step_seconds: float
    sha256: str | None = None
    file: str | None = None


class BaselineMetrics(Artifact):
    """``baseline-metrics.json``."""

    kind: BaselineKind
    window: Window
    verdict: Verdict
    reason: str
    metrics: tuple[MetricBaseline, ...]
    sampling: Sampling | None = None
    excluded: tuple[ExcludedWindow, ...] = ()
    warnings: tuple[str, ...] = ()


# --- alert-test-results.json ------------------------------------------------------------------------


class Hop(_Part):
    """One hop of a drill: when it was seen, seconds since the drill was fired, and what proves it."""

    at: Timestamp | None = None
    latency: float | None = None
    proof: str | None = None


class Hops(_Part):
    """The way of an alert, from the rule to the person and back."""

    fired: Hop = Hop()
    accepted: Hop = Hop()
    delivered: Hop = Hop()
    acknowledged: Hop = Hop()
    resolved: Hop = Hop()


class EscalationStep(_Part):
    """One level that a drill was escalated to: who was to answer, when they were told, and whether they did.

    ``paged`` and ``acknowledged`` count from the start of the drill; without ``at`` there is no record of it.
    ``within_seconds`` is how long the level has from its page on.
    """

    level: int = Field(ge=1)
    role: str
    person: str
    paged: Hop
    within_seconds: float
    acknowledged: Hop


class DrillResult(_Part):
    """One synthetic incident and what became of it.

    ``kind`` is ``full`` through a rule in Prometheus, ``direct`` for one that was posted to Alertmanager.
    ``receiver`` names all ``receivers`` that the alert has to reach, and ``stands_for`` the alerts of other
    services that take the same way and were not drilled again. ``target_seconds`` is the target for the
    acknowledgement; where no ``answer_needed`` is, as for a ticket, the drill ends at its receivers.
    ``forced_by`` is who had it fired against quiet hours or rate.
    """

    drill_id: str
    kind: Literal["full", "direct"]
    service: str
    severity: Literal["page", "ticket"]
    route: tuple[str, ...]
    receiver: str | None
    receivers: tuple[str, ...] = ()
    stands_for: tuple[str, ...] = ()
    hops: Hops
    acknowledged_by: str | None
    escalation: tuple[EscalationStep, ...] = ()
    target_seconds: float
    verdict: Verdict
    diagnosis: str | None
    forced_by: str | None = None
    answer_needed: bool = True


class HopHistory(_Part):
    """How long one hop took over past drills of a receiver, in seconds since the start of the drill."""

    kind: Literal["full", "direct"]
    receiver: str
    hop: Literal["fired", "accepted", "delivered", "acknowledged", "resolved"]
    drills: int = Field(ge=1)
    p50_seconds: float
    worst_seconds: float
    worst_drill_id: str


class AlertTestResults(Artifact):
    """``alert-test-results.json``; ``not_drilled`` says which routes were not drilled, and why."""

    verdict: Verdict
    drills: tuple[DrillResult, ...]
    not_drilled: tuple[str, ...] = ()
    hop_history: tuple[HopHistory, ...] = ()


# --- monitoring-results.json ------------------------------------------------------------------------


class Severity(StrEnum):
    """How grave a finding is."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class FindingState(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    TRANSIENT = "transient"
    RESOLVED = "resolved"


class Finding(_Part):
    """Something that is worse than it was, or broken, since the release.

    ``plot`` is the URI of a picture of it, ``dashboard`` the address of the panels of its service.
    """

    finding_id: str
    service: str
    metric: str
    severity: Severity
    first_seen: Timestamp
    last_seen: Timestamp
    state: FindingState
    reason: str
    evidence: tuple[Objective, ...]
    actions: tuple[str, ...] = ()
    owner: str | None = None
    plot: str | None = None
    dashboard: str | None = None


class Review(_Part):
    """One periodic look at the release.

    ``woken_by`` are the signs that had it made early, ``unwatched`` says since when and why nothing could be
    asked since the last one, and ``evidence`` where what it was judged by is stored.
    """

    number: int
    at: Timestamp
    verdict: Verdict
    objectives: tuple[Objective, ...]
    woken_by: tuple[str, ...] = ()
    unwatched: str | None = None
    evidence: str | None = None


class MetricReading(_Part):
    """One metric at the last review, in its unit: what it is, what is usual, and how that was told.

    ``statistic`` is the judge's score: 1 at the limit, higher for worse. ``effect`` and its interval are
    shares of the baseline's level, or differences where the metric is a ratio or the level is 0.
    """

    service: str
    metric: str
    unit: str
    verdict: Verdict
    state: str
    reason: str
    value: float | None = None
    baseline: float | None = None
    band: NormalRange | None = None
    threshold: float | None = None
    statistic: float = 0.0
    effect: float | None = None
    effect_interval: tuple[float, float] | None = None
    samples: int = 0
    baseline_samples: int = 0
    query: str = ""
    dashboard: str | None = None


class MonitoringResults(Artifact):
    """``monitoring-results.json``; ``metrics`` are those of the last review."""

    verdict: Verdict
    window: Window
    reviews: tuple[Review, ...]
    findings: tuple[Finding, ...]
    metrics: tuple[MetricReading, ...] = ()


# --- observability-schedule.json --------------------------------------------------------------------


class ScheduledCheck(_Part):
    """A recurring check, how often it runs and who answers for it."""

    check: str
    cadence: str
    responsible_role: str
    next_run: Timestamp
    runner: str


class ObservabilitySchedule(Artifact):
    """``observability-schedule.json``."""

    verdict: Verdict
    registered_with: str
    checks: tuple[ScheduledCheck, ...]


# --- gates, approvals, exit -------------------------------------------------------------------------


class GateRecord(_Part):
    """What a gate decided, when, and on what."""

    gate: int = Field(ge=1, le=4)
    verdict: Verdict
    decided_at: Timestamp
    objectives: tuple[Objective, ...]


class Approval(_Part):
    """Who answered what on which evidence. ``answer`` is None until a person answered."""

    role: str
    task: str
    answer: str | None
    responded_by: str | None
    responded_at: Timestamp | None
    evidence_uri: str
    evidence_sha256: str


class ApprovalRecord(Artifact):
    """``monitoring-approval-record.json``."""

    verdict: Verdict
    approvals: tuple[Approval, ...]
    on_call_owner: str | None
    effective_from: Timestamp | None


class ManifestEntry(_Part):
    """One file of the package."""

    path: str
    sha256: str
    bytes: int
    produced_by: str
    produced_at: Timestamp


class Manifest(Artifact):
    """``monitoring-package-manifest.json``."""

    verdict: Verdict
    files: tuple[ManifestEntry, ...]
    approvals: tuple[Approval, ...]
    notices: tuple[dict[str, Any], ...] = ()
    links: dict[str, str] = Field(default_factory=dict)
    times: dict[str, Timestamp] = Field(default_factory=dict)


class ExitRecord(Artifact):
    """``exit-state.json``."""

    exit_state: ExitState
    reason: str
    next_steps: tuple[str, ...] = ()
    notified: tuple[str, ...]
    gates: tuple[GateRecord, ...]


PUBLISHED: dict[str, type[Artifact]] = {
    "instrumentation-audit.json": InstrumentationAudit,
    "baseline-metrics.json": BaselineMetrics,
    "alert-test-results.json": AlertTestResults,
    "monitoring-results.json": MonitoringResults,
    "observability-schedule.json": ObservabilitySchedule,
    "monitoring-approval-record.json": ApprovalRecord,
    "monitoring-package-manifest.json": Manifest,
    "exit-state.json": ExitRecord,
}
"""Every JSON artifact by its file name."""
