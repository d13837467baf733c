"""Results of drills that are over, for tests of what is kept and shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from release_watch.artifacts.models import AlertTestResults, DrillResult, EscalationStep, Hop, Hops
from release_watch.verdict import Verdict, worst

START = datetime(2026, 11, 22, 3, tzinfo=UTC)
PASSED = {"fired": 0.4, "accepted": 0.7, "delivered": 0.9, "acknowledged": 11.0, "resolved": 18.2}


def drill_of(
    number: int = 1,
    *,
    at: datetime = START,
    seconds: Mapping[str, float] = PASSED,
    service: str = "checkout",
    receivers: Sequence[str] = ("oncall",),
    route: Sequence[str] = ("default-route", '{severity="page"}'),
    verdict: Verdict = Verdict.GO,
    **more: Any,
) -> DrillResult:
    due = at + timedelta(seconds=6)
    hops = {
        name: Hop(at=due + timedelta(seconds=latency), latency=latency, proof="seen")
        for name, latency in seconds.items()
    }
    given: dict[str, Any] = {
        "kind": "full",
        "severity": "page",
        "acknowledged_by": "anna" if "acknowledged" in hops else None,
        "target_seconds": 60.0,
        "diagnosis": None,
        **more,
    }
    return DrillResult(
        drill_id=f"{at:%Y%m%dT%H%M%SZ}-0a1b2c3d-{number}",
        service=service,
        route=tuple(route),
        receiver=", ".join(receivers) or None,
        receivers=tuple(receivers),
        hops=Hops(**hops),
        verdict=verdict,
        **given,
    )


def results_of(*drills: DrillResult, **more: Any) -> AlertTestResults:
    given: dict[str, Any] = {
        "release_id": "shop-1.1.0",
        "environment": "production",
        "generated_at": START + timedelta(minutes=1),
        "verdict": worst(drill.verdict for drill in drills),
        **more,
    }
    return AlertTestResults(drills=drills, **given)


def level(number: int, person: str, paged: float | None, answered: float | None = None) -> EscalationStep:
    def hop(seconds: float | None) -> Hop:
        return Hop() if seconds is None else Hop(at=START + timedelta(seconds=6 + seconds), latency=seconds)

    return EscalationStep(
        level=number,
        role="oncall" if number == 1 else "sre",
        person=person,
        paged=hop(paged),
        within_seconds=30.0,
        acknowledged=hop(answered),
    )
