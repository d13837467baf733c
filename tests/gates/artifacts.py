"""Artifacts of a release for which all is well; tests spoil one thing at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from release_watch.artifacts.models import (
    AlertTestResults,
    Approval,
    ApprovalRecord,
    BaselineKind,
    BaselineMetrics,
    CoverageCheck,
    CoverageStatus,
    DrillResult,
    Finding,
    FindingState,
    Hop,
    Hops,
    InstrumentationAudit,
    Manifest,
    ManifestEntry,
    MonitoringResults,
    ObservabilitySchedule,
    Review,
    ScheduledCheck,
    ServiceAudit,
    Severity,
    Signal,
    SignalAudit,
    Window,
)
from release_watch.assurance.schedule import CHECKS
from release_watch.handoff.notices import OWNERS
from release_watch.handoff.package import CONTENTS
from release_watch.verdict import Verdict

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEAD = {"release_id": "rel-1", "environment": "production", "generated_at": NOW}
EVIDENCE = "file:///artifacts/SHA256SUMS"


def check(name: str = "live", status: str = "PASS") -> CoverageCheck:
    remedy = None if status == "PASS" else "start the exporter"
    return CoverageCheck(
        name=name,
        status=CoverageStatus(status),
        query="up",
        observed=f"seen {status}",
        expected="samples",
        remedy=remedy,
    )


def signal_audit(*checks: CoverageCheck) -> SignalAudit:
    order = ["PASS", "INCONCLUSIVE", "FAIL"]
    return SignalAudit(status=max((c.status for c in checks), key=order.index), checks=checks)


def service_audit(name: str, tier: str = "critical", **spoiled: SignalAudit) -> ServiceAudit:
    signals = {signal: signal_audit(check()) for signal in Signal}
    signals |= {Signal(key): value for key, value in spoiled.items()}
    return ServiceAudit(service=name, tier=tier, score=1.0, signals=signals)


def audit(*services: ServiceAudit) -> InstrumentationAudit:
    return InstrumentationAudit(**HEAD, verdict=Verdict.GO, services=services)


def drill(**changes: object) -> DrillResult:
    hops = {name: Hop(at=NOW, latency=float(n), proof="seen") for n, name in enumerate(Hops.model_fields)}
    given = {
        "drill_id": "d1",
        "kind": "full",
        "service": "checkout",
        "severity": "page",
        "route": ("root",),
        "receiver": "pager",
        "hops": Hops(**hops),
        "acknowledged_by": "oncall",
        "target_seconds": 60.0,
        "verdict": Verdict.GO,
        "diagnosis": None,
    }
    return DrillResult.model_validate({**given, **changes})


def results(*drills: DrillResult, not_drilled: tuple[str, ...] = ()) -> AlertTestResults:
    return AlertTestResults(**HEAD, verdict=Verdict.GO, drills=drills, not_drilled=not_drilled)


def schedule(*, without: str | None = None, verdict: Verdict = Verdict.GO) -> ObservabilitySchedule:
    checks = tuple(
        ScheduledCheck(
            check=c.name,
            cadence="P1D",
            responsible_role=c.role,
            next_run=NOW + timedelta(hours=14),
            runner="nightly_assurance",
        )
        for c in CHECKS
        if c.name != without
    )
    return ObservabilitySchedule(**HEAD, verdict=verdict, registered_with="nightly_assurance", checks=checks)


def baseline(kind: BaselineKind = BaselineKind.RELEASE, verdict: Verdict = Verdict.GO) -> BaselineMetrics:
    window = Window(start=NOW - timedelta(days=1), end=NOW)
    return BaselineMetrics(**HEAD, kind=kind, window=window, verdict=verdict, reason="enough", metrics=())


def finding(
    severity: Severity = Severity.CRITICAL, state: FindingState = FindingState.OPEN, metric: str = "latency"
) -> Finding:
    return Finding(
        finding_id=f"checkout-{metric}",
        service="checkout",
        metric=metric,
        severity=severity,
        first_seen=NOW,
        last_seen=NOW,
        state=state,
        reason="0.4 s against 0.02 s",
        evidence=(),
    )


def monitoring(*findings: Finding, reviews: int = 1) -> MonitoringResults:
    made = tuple(Review(number=n + 1, at=NOW, verdict=Verdict.GO, objectives=()) for n in range(reviews))
    window = Window(start=NOW - timedelta(days=1), end=NOW)
    return MonitoringResults(**HEAD, verdict=Verdict.GO, window=window, reviews=made, findings=findings)


def approval(role: str, user: str | None, answer: str | None = "yes", sha256: str = "e" * 64) -> Approval:
    return Approval(
        role=role,
        task=f"{role}_approval",
        answer=answer,
        responded_by=user,
        responded_at=NOW if user else None,
        evidence_uri=EVIDENCE,
        evidence_sha256=sha256,
    )


def approvals() -> tuple[Approval, ...]:
    return (
        approval("sre", "ada"),
        approval("operations-lead", "grace"),
        approval("technical-lead", "edsger"),
    )


def record(*given: Approval, on_call_owner: str | None = "ada") -> ApprovalRecord:
    return ApprovalRecord(
        **HEAD,
        verdict=Verdict.GO,
        approvals=given or approvals(),
        on_call_owner=on_call_owner,
        effective_from=NOW,
    )


def manifest(*, without: str | None = None, undelivered: str | None = None) -> Manifest:
    files = tuple(
        ManifestEntry(path=name, sha256="a" * 64, bytes=10, produced_by=group, produced_at=NOW)
        for name, group in CONTENTS.items()
        if name != without
    )
    notices = tuple(
        {"owner": o.name, "delivered": o.name != undelivered, "proof": "POST answered"} for o in OWNERS
    )
    return Manifest(**HEAD, verdict=Verdict.GO, files=files, approvals=approvals(), notices=notices)


def stored(**changed: str) -> dict[str, str]:
    return {**dict.fromkeys(CONTENTS, "a" * 64), EVIDENCE: "e" * 64, **changed}
