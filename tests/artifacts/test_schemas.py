"""The published JSON Schemas are those of the models, and what is written fits them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from release_watch.artifacts.__main__ import write_schemas
from release_watch.artifacts.models import (
    PUBLISHED,
    AlertTestResults,
    Approval,
    ApprovalRecord,
    Artifact,
    BaselineKind,
    BaselineMetrics,
    CoverageCheck,
    CoverageStatus,
    DrillResult,
    ExitRecord,
    Finding,
    FindingState,
    GateRecord,
    Hop,
    Hops,
    InstrumentationAudit,
    Manifest,
    ManifestEntry,
    MetricBaseline,
    MonitoringResults,
    NormalRange,
    ObservabilitySchedule,
    Review,
    ScheduledCheck,
    ServiceAudit,
    Severity,
    Signal,
    SignalAudit,
    Window,
)
from release_watch.artifacts.store import ArtifactStore
from release_watch.verdict import ExitState, Objective, Verdict

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "schemas"
AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
HEAD: dict[str, Any] = {"release_id": "shop-1.1.0", "environment": "production", "generated_at": AT}
WINDOW = Window(start=AT - timedelta(days=1), end=AT)
OBJECTIVE = Objective(name="errors", verdict=Verdict.NO_GO, reason="30 %", query="up", samples=12)
APPROVAL = Approval(
    role="sre",
    task="sre_approval",
    answer="yes",
    responded_by="ada",
    responded_at=AT,
    evidence_uri="s3://watch/SHA256SUMS",
    evidence_sha256="e" * 64,
)

SAMPLES: dict[str, Artifact] = {
    "instrumentation-audit.json": InstrumentationAudit(
        **HEAD,
        verdict=Verdict.GO,
        services=(
            ServiceAudit(
                service="checkout",
                tier="critical",
                score=1.0,
                signals={
                    signal: SignalAudit(
                        status=CoverageStatus.PASS,
                        checks=(
                            CoverageCheck(
                                name="live", status=CoverageStatus.PASS, observed="12", expected="any"
                            ),
                        ),
                    )
                    for signal in Signal
                },
            ),
        ),
    ),
    "baseline-metrics.json": BaselineMetrics(
        **HEAD,
        kind=BaselineKind.RELEASE,
        window=WINDOW,
        verdict=Verdict.GO,
        reason="enough",
        metrics=tuple(
            MetricBaseline(
                service="checkout",
                metric=metric,
                unit="s",
                quantiles={"0.5": 0.02, "0.99": 0.4},
                normal_range=normal,
                samples=1440,
                completeness=1.0,
                query="up",
            )
            for metric, normal in (("latency", NormalRange(low=0.01, high=0.05)), ("traffic", None))
        ),
    ),
    "alert-test-results.json": AlertTestResults(
        **HEAD,
        verdict=Verdict.NO_GO,
        drills=(
            DrillResult(
                drill_id="d-1",
                kind="full",
                service="checkout",
                severity="page",
                route=("root", "pages"),
                receiver="oncall",
                hops=Hops(fired=Hop(at=AT, latency=0.0, proof="ALERTS")),
                acknowledged_by=None,
                target_seconds=60.0,
                verdict=Verdict.NO_GO,
                diagnosis="silenced",
            ),
        ),
        not_drilled=("tickets: same receiver",),
    ),
    "monitoring-results.json": MonitoringResults(
        **HEAD,
        verdict=Verdict.NO_GO,
        window=WINDOW,
        reviews=(Review(number=1, at=AT, verdict=Verdict.NO_GO, objectives=(OBJECTIVE,)),),
        findings=(
            Finding(
                finding_id="checkout-errors",
                service="checkout",
                metric="errors",
                severity=Severity.CRITICAL,
                first_seen=AT,
                last_seen=AT,
                state=FindingState.OPEN,
                reason="30 %",
                evidence=(OBJECTIVE,),
            ),
        ),
    ),
    "observability-schedule.json": ObservabilitySchedule(
        **HEAD,
        verdict=Verdict.GO,
        registered_with="nightly_assurance",
        checks=(
            ScheduledCheck(
                check="rules",
                cadence="P1D",
                responsible_role="sre",
                next_run=AT,
                runner="nightly_assurance",
            ),
        ),
    ),
    "monitoring-approval-record.json": ApprovalRecord(
        **HEAD,
        verdict=Verdict.GO,
        approvals=(APPROVAL, APPROVAL.model_copy(update={"answer": None, "responded_at": None})),
        on_call_owner="ada",
        effective_from=AT,
    ),
    "monitoring-package-manifest.json": Manifest(
        **HEAD,
        verdict=Verdict.GO,
        files=(
            ManifestEntry(path="plan.md", sha256="a" * 64, bytes=10, produced_by="planning", produced_at=AT),
        ),
        approvals=(APPROVAL,),
        notices=({"owner": "retrospective", "delivered": True, "proof": "POST answered 200"},),
        links={"dashboard": "https://grafana.example.org/d/red"},
        times={"deployed": AT},
    ),
    "exit-state.json": ExitRecord(
        **HEAD,
        exit_state=ExitState.BLOCKED,
        reason="Gate 3 is NO_GO",
        next_steps=("mend checkout",),
        notified=("sre",),
        gates=(GateRecord(gate=3, verdict=Verdict.NO_GO, decided_at=AT, objectives=(OBJECTIVE,)),),
    ),
}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTED / f"{name.removesuffix('.json')}.schema.json").read_text())
    return found


def test_the_documented_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    written = {path.name: path.read_text() for path in write_schemas(tmp_path)}

    assert {path.name: path.read_text() for path in DOCUMENTED.iterdir()} == written, "run `make schemas`"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_written_fits_its_schema(name: str, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, "production", "shop-1.1.0")
    store.write_json(name, SAMPLES[name])

    jsonschema.Draft202012Validator(schema(name)).validate(json.loads(store.read_text(name)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_required_field_cannot_be_left_out(name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    document = SAMPLES[name].model_dump(mode="json")
    required = [field for field, about in PUBLISHED[name].model_fields.items() if about.is_required()]

    for field in required:
        cut = {key: value for key, value in document.items() if key != field}
        assert not validator.is_valid(cut), field


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_field_of_another_kind_does_not_fit(name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    document = SAMPLES[name].model_dump(mode="json")

    for field in document:
        assert not validator.is_valid({**document, field: 7}), field
