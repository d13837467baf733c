"""Audits of any size, with gaps where a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from release_watch.artifacts.models import (
    CoverageCheck,
    CoverageStatus,
    InstrumentationAudit,
    InstrumentationRule,
    InstrumentationScore,
    Reference,
    ServiceAudit,
    Signal,
    SignalAudit,
)
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
_GRAVITY = [CoverageStatus.PASS, CoverageStatus.INCONCLUSIVE, CoverageStatus.FAIL]


def check(name: str = "live", status: str = "PASS", **changes: Any) -> CoverageCheck:
    found = {"query": "up", "observed": "newest sample 1 s old", "expected": "samples after 03:05"}
    gap = {"observed": "no sample", "remedy": "start the exporter"}
    given = found if status == "PASS" else {**found, **gap}
    return CoverageCheck.model_validate({"name": name, "status": status, **given, **changes})


def signal_audit(*checks: CoverageCheck) -> SignalAudit:
    return SignalAudit(status=max((c.status for c in checks), key=_GRAVITY.index), checks=checks)


def service_audit(
    name: str, tier: str = "critical", instrumentation: InstrumentationScore | None = None, **gaps: Any
) -> ServiceAudit:
    """Return a service whose signals are proven, but for ``metrics=check(...)`` and the like."""
    signals: dict[Signal, SignalAudit] = {}
    for signal in Signal:
        found = gaps.get(signal, ())
        found = (found,) if isinstance(found, CoverageCheck) else tuple(found)
        signals[signal] = signal_audit(check(), check("release"), *found)
    every = [one for found in signals.values() for one in found.checks]
    score = sum(one.status is CoverageStatus.PASS for one in every) / len(every)
    return ServiceAudit.model_validate(
        {
            "service": name,
            "tier": tier,
            "score": score,
            "signals": signals,
            "instrumentation": instrumentation,
        }
    )


def graded(score: float | None, **broken: str) -> InstrumentationScore:
    """Return a score with one kept rule, and broken ones by id (``SPA_004="what was seen"``)."""
    kept = InstrumentationRule(
        rule_id="RES-005", impact="critical", status=CoverageStatus.PASS, observed="named"
    )
    rules = [
        InstrumentationRule(
            rule_id=rule.replace("_", "-"),
            impact="important",
            status=CoverageStatus.FAIL,
            observed=observed,
            query="{ }",
            remedy="instrument the server",
        )
        for rule, observed in broken.items()
    ]
    return InstrumentationScore(score=score, rules=(kept, *rules))


def reference(name: str, **changes: Any) -> Reference:
    given: Mapping[str, Any] = {"kind": "alert", "name": name, "service": "checkout", **changes}
    return Reference.model_validate({"check": check("series", "FAIL"), **given})


def audit_of(
    *services: ServiceAudit, verdict: Verdict = Verdict.NO_GO, **changes: Any
) -> InstrumentationAudit:
    return InstrumentationAudit(
        release_id=changes.pop("release_id", "shop-1.1.0"),
        environment="production",
        generated_at=AT,
        verdict=verdict,
        services=services,
        **changes,
    )
