"""The JSON artifacts, a module each. Downstream owners parse them: fields may be added, never renamed."""

from __future__ import annotations

from release_watch.artifacts.models.alert_tests import (
    AlertTestResults,
    DrillResult,
    EscalationStep,
    Hop,
    HopHistory,
    Hops,
)
from release_watch.artifacts.models.artifact import SCHEMA_VERSION, Artifact, Signal, Window
from release_watch.artifacts.models.baseline import (
    BaselineKind,
    BaselineMetrics,
    ExcludedWindow,
    MetricBaseline,
    NormalRange,
    Sampling,
)
from release_watch.artifacts.models.handing_over import (
    Approval,
    ApprovalRecord,
    ExitRecord,
    GateRecord,
    Manifest,
    ManifestEntry,
)
from release_watch.artifacts.models.instrumentation import (
    CoverageCheck,
    CoverageStatus,
    InstrumentationAudit,
    InstrumentationRule,
    InstrumentationScore,
    Reference,
    ServiceAudit,
    SignalAudit,
)
from release_watch.artifacts.models.monitoring import (
    Finding,
    FindingState,
    MetricReading,
    MonitoringResults,
    Review,
    Severity,
)
from release_watch.artifacts.models.schedule import ObservabilitySchedule, ScheduledCheck

__all__ = [
    "PUBLISHED",
    "SCHEMA_VERSION",
    "AlertTestResults",
    "Approval",
    "ApprovalRecord",
    "Artifact",
    "BaselineKind",
    "BaselineMetrics",
    "CoverageCheck",
    "CoverageStatus",
    "DrillResult",
    "EscalationStep",
    "ExcludedWindow",
    "ExitRecord",
    "Finding",
    "FindingState",
    "GateRecord",
    "Hop",
    "HopHistory",
    "Hops",
    "InstrumentationAudit",
    "InstrumentationRule",
    "InstrumentationScore",
    "Manifest",
    "ManifestEntry",
    "MetricBaseline",
    "MetricReading",
    "MonitoringResults",
    "NormalRange",
    "ObservabilitySchedule",
    "Reference",
    "Review",
    "Sampling",
    "ScheduledCheck",
    "ServiceAudit",
    "Severity",
    "Signal",
    "SignalAudit",
    "Window",
]

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
