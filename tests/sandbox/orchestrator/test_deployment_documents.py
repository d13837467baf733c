from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from sandbox.orchestrator import documents
from sandbox.orchestrator.deployment import _flags
from sandbox.orchestrator.documents import Deployment, write_documents
from sandbox.orchestrator.measurements import queries
from sandbox.orchestrator.records import (
    DEPLOYMENT_ID,
    Records,
    UnknownDeploymentError,
    flag_states,
    new_deployment_id,
    timestamp,
)
from sandbox.orchestrator.smoke import Check
from sandbox.shop.fleet import Step
from sandbox.shop.state import Instance
from sandbox.shop.topology import SHOP

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSED = Check(
    "checkout POST /orders", "checkout", "POST", "/orders", 200, 12.5, 1, True, "answered", timestamp(NOON)
)
FAILED = replace(PASSED, name="checkout refunds", passed=False, status_code=500, detail="500 | oh\nno")


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "metric_names", lambda _: ["target_info"])


def deployment(*checks: Check, flags: bool = True) -> Deployment:
    earlier = timestamp(NOON - timedelta(seconds=5))
    return Deployment(
        deployment_id="dep-20261122-120000-ab12",
        release_id="shop-1.1.0-abc123",
        version="1.1.0",
        previous_version="1.0.0",
        deployed_at=earlier,
        validated_at=timestamp(NOON),
        instances={name: Instance(name, "1.1.0", 1, name, earlier) for name in SHOP},
        steps=[Step(earlier, "checkout", "took over", "version 1.1.0 serves instead of 1.0.0")],
        health=[],
        checks=list(checks),
        flags=_flags("1.0.0", "1.1.0", NOON if flags else None),
        baselines={
            "window": {"start": earlier, "end": earlier},
            "services": [
                {"service": name, "p95_latency_seconds": 0.1, "error_ratio": 0.0, "samples": 9}
                for name in SHOP
            ],
        },
    )


def test_every_upstream_document_is_written(tmp_path: Path) -> None:
    write_documents(tmp_path, deployment(PASSED))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [
        "DEPLOYMENT-REPORT.md",
        "deployment-health-log.md",
        "observability-configuration.yaml",
        "performance-baselines.json",
        "post-deployment-validation.json",
        "quality-audit-findings.json",
        "runbooks/checkout.md",
        "runbooks/payments.md",
        "runbooks/storefront.md",
    ]


def test_every_machine_readable_document_names_the_release(tmp_path: Path) -> None:
    write_documents(tmp_path, deployment(PASSED))
    for path in [*tmp_path.glob("*.json"), *tmp_path.glob("*.yaml")]:
        content = yaml.safe_load(path.read_text())
        assert (content["release_id"], content["version"]) == ("shop-1.1.0-abc123", "1.1.0"), path.name


@pytest.mark.parametrize(
    ("checks", "status"),
    [([PASSED], "passed"), ([PASSED, FAILED], "failed")],
    ids=["all passed", "one failed"],
)
def test_the_validation_says_what_the_checks_found(checks: list[Check], status: str) -> None:
    found = documents.validation(deployment(*checks))
    assert found["status"] == status
    service = next(entry for entry in found["services"] if entry["service"] == "checkout")
    assert (service["status"], len(service["checks"])) == (status, len(checks))
    json.dumps(found)


def test_the_validation_lists_the_new_endpoints() -> None:
    assert documents.validation(deployment())["new_endpoints"] == [
        {"service": "payments", "method": "POST", "path": "/refunds"},
        {"service": "checkout", "method": "POST", "path": "/orders/{id}/refund"},
    ]


def test_the_health_log_is_in_the_order_of_time_and_escapes_its_cells() -> None:
    rows = [
        line for line in documents.health_log(deployment(FAILED)).splitlines() if line.startswith("| 2026")
    ]
    assert [row.split(" | ")[2] for row in rows] == ["took over", "checkout refunds"]
    assert rows[1].endswith("| FAILED | 12.5 | 500 \\| oh no |")


def test_the_report_has_its_headings_and_names_a_failed_check_as_a_risk() -> None:
    text = documents.report(deployment(FAILED))
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Summary",
        "Services",
        "New endpoints",
        "Dependencies",
        "Risks",
        "Feature flags",
        "Rollback plan",
    ]
    assert "validation failed: checkout refunds" in text


def test_the_audit_finds_the_service_without_a_runbook() -> None:
    findings = documents.audit_findings(deployment())["findings"]
    assert [f["service"] for f in findings if f["title"] == "no runbook"] == ["catalogue"]


def test_flags_become_active_some_seconds_after_the_validation() -> None:
    record = {"deployment_id": "d", "flags": _flags("1.0.0", "1.1.0", NOON)}
    states = [
        {flag["state"] for flag in flag_states(record, NOON + timedelta(seconds=seconds))["flags"]}
        for seconds in (0, 10)
    ]
    assert states == [{"inactive"}, {"active"}]


def test_flags_of_a_failed_validation_stay_inactive() -> None:
    record = {"deployment_id": "d", "flags": _flags("1.0.0", "1.1.0", None)}
    late = flag_states(record, NOON + timedelta(days=365))["flags"]
    assert {(flag["state"], flag["activated_at"]) for flag in late} == {("inactive", None)}


def test_a_new_deployment_id_has_its_form_and_is_new() -> None:
    first, second = new_deployment_id(NOON), new_deployment_id(NOON)
    assert DEPLOYMENT_ID.fullmatch(first)
    assert first.startswith("dep-20261122-120000-")
    assert first != second


@pytest.mark.parametrize(
    "deployment_id", ["../../etc", "dep-20261122-120000-ab12/..", "", "dep-20261122-120000-AB12"]
)
def test_an_id_that_is_none_never_becomes_a_path(tmp_path: Path, deployment_id: str) -> None:
    with pytest.raises(UnknownDeploymentError):
        Records(tmp_path).write(deployment_id, "deployment", {})
    assert list(tmp_path.rglob("*")) == []


def test_the_baseline_is_that_of_the_version_before() -> None:
    asked = queries("checkout", "1.0.0", 60)
    assert all(
        'job="shop/checkout",version="1.0.0"' in query and "[60s]" in query for query in asked.values()
    )


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    assert timestamp(NOON) == "2026-11-22T12:00:00.000Z"
