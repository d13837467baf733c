from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from release_watch.catalog.config import Config
from release_watch.catalog.models import Signals
from release_watch.evidence.models import Evidence, Prerequisite
from release_watch.evidence.plan import STEPS, plan_markdown
from release_watch.evidence.prerequisites import check_prerequisites
from release_watch.evidence.requirements import requirements_markdown
from release_watch.release import Release

AT = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
Read = Callable[[], Evidence]
Check = Callable[[], dict[str, Prerequisite]]


@pytest.fixture
def check(read: Read, release: Release, config: Config) -> Check:
    return lambda: {p.name: p for p in check_prerequisites(release, read(), config, at=AT)}


def requirements(read: Read, release: Release, config: Config) -> str:
    evidence = read()
    return requirements_markdown(
        release, config, evidence, check_prerequisites(release, evidence, config, at=AT), AT
    )


def test_a_validated_deployment_meets_or_remediates_every_prerequisite(check: Check) -> None:
    assert {name: one.status for name, one in check().items()} == {
        "deployment validated": "met",
        "feature flags activated": "met",
        "observability configuration": "remediated",
        "operational runbooks": "met",
        "performance baselines": "remediated",
        "monitoring team": "met",
    }


def test_a_deployment_that_is_not_validated_blocks_and_says_whom_to_notify(
    check: Check, change: Callable[..., None]
) -> None:
    change(status="failed", services=[{"service": "payments", "status": "failed"}])

    found = check()["deployment validated"]

    assert (found.status, found.notify) == ("missing", ("ops-lead", "tech-lead"))
    assert "payments" in found.detail
    assert found.remedy


def test_a_flag_that_is_off_is_a_missing_prerequisite(check: Check, folder: Path) -> None:
    path = folder / "DEPLOYMENT-REPORT.md"
    path.write_text(path.read_text().replace("active from 2026-01-02T03:00:35Z", "disabled"))

    found = check()["feature flags activated"]

    assert (found.status, found.notify) == ("missing", ("ops-lead", "tech-lead"))
    assert "refunds" in found.detail


def test_documents_about_every_service_meet_their_prerequisite(check: Check, folder: Path) -> None:
    observed = {"checkout": {"metrics": {"job": "x"}}, "payments": ["logs", "traces"]}
    measured = {"checkout": {"p95_ms": 120}, "payments": {"error_ratio": 0.01}}
    (folder / "observability-configuration.json").write_text(json.dumps({"services": observed}))
    (folder / "performance-baselines.json").write_text(json.dumps({"services": measured}))

    found = check()

    assert found["observability configuration"].status == "met"
    assert found["performance baselines"].status == "met"


def test_a_service_that_was_not_validated_blocks(check: Check, change: Callable[..., None]) -> None:
    change(services=[{"service": "checkout", "status": "passed"}])

    found = check()["deployment validated"]

    assert found.status == "missing"
    assert "not among the validated services: payments" in found.detail


@pytest.mark.parametrize("name", ["DEPLOYMENT-REPORT.md", "deployment-health-log.md"])
@pytest.mark.parametrize(
    "words", ["- **Status - Failed**", "Overall status: ❌", "| Result | rolled back |\n|-|-|"]
)
def test_a_document_that_contradicts_the_validation_blocks(
    check: Check, folder: Path, name: str, words: str
) -> None:
    title, _, rest = (folder / name).read_text().partition("\n")
    (folder / name).write_text(f"{title}\n\n{words}\n{rest}")

    found = check()["deployment validated"]

    assert found.status == "missing"
    assert f"{name}:3" in found.detail


def test_a_flag_that_the_plan_keeps_off_blocks_nothing(check: Check, folder: Path) -> None:
    path = folder / "DEPLOYMENT-REPORT.md"
    path.write_text(
        path.read_text().replace("active from 2026-01-02T03:00:35Z", "off (as planned, until March)")
    )

    found = check()["feature flags activated"]

    assert found.status == "met"
    assert "inactive by the rollout plan: refunds" in found.detail


def test_services_that_nothing_describes_are_named_with_their_owners(
    read: Read, release: Release, config: Config
) -> None:
    bare = [
        s.model_copy(update={"signals": Signals()}) if s.name == "payments" else s
        for s in config.catalog.services
    ]
    unmapped = config.model_copy(
        update={"catalog": config.catalog.model_copy(update={"services": tuple(bare)})}
    )

    found = {p.name: p for p in check_prerequisites(release, read(), unmapped, at=AT)}[
        "observability configuration"
    ]

    assert (found.status, found.notify) == ("missing", ("team-money",))
    assert "payments" in found.detail


def test_the_requirements_name_the_release_and_trace_each_item(
    read: Read, release: Release, config: Config
) -> None:
    text = requirements(read, release, config)

    assert text.startswith(
        "# Monitoring requirements\n\n- release_id: shop-1.1.0\n- environment: production\n"
    )
    assert "| payments | `POST /refunds` | post-deployment-validation.json:21 |" in text
    assert "| the christmas sale begins tomorrow | unknown | – | DEPLOYMENT-REPORT.md:23 |" in text
    assert "| checkout | fraud-check | NEW: not in the service catalogue" in text
    assert "| checkout | checkout-availability | 99.9 % over 30 days |" in text
    assert "| checkout | orders | orders/s; worse when it goes down |" in text
    assert "| checkout | requests to POST /orders/{id}/refund |" in text
    assert "### 1. payments (critical, owner team-money, weight 18)" in text
    assert (
        "| (high) health check failed: POST /refunds, answered 500 | 6 | deployment-health-log.md:10 |"
        in text
    )
    assert "| 22-23 | Risks | risk |" in text
    assert "All that is read was understood; prose that is not read is listed above." in text


def test_what_was_measured_before_is_what_is_expected(
    read: Read, release: Release, config: Config, folder: Path
) -> None:
    measured = {
        "services": [{"service": "checkout", "metrics": [{"name": "p95", "value": 120, "unit": "ms"}]}]
    }
    (folder / "performance-baselines.json").write_text(json.dumps(measured))

    assert "| checkout | p95 | 0.12 | s | performance-baselines.json:1 |" in requirements(
        read, release, config
    )


def test_what_was_not_understood_stands_there_with_its_line(
    read: Read, release: Release, config: Config, folder: Path
) -> None:
    path = folder / "DEPLOYMENT-REPORT.md"
    path.write_text(path.read_text().replace("- payments -> nothing", "- as it always was"))

    text = requirements(read, release, config)

    assert "| 18 | not understood | as it always was |" in text
    assert "| DEPLOYMENT-REPORT.md:18: not understood as a dependency: as it always was |" in text


def test_a_service_of_another_release_is_listed_apart(
    read: Read, release: Release, config: Config, folder: Path
) -> None:
    findings = {"findings": [{"service": "storefront", "severity": "high", "title": "no probe"}]}
    (folder / "quality-audit-findings.json").write_text(json.dumps(findings))

    outside = requirements(read, release, config).split("## Outside of the release")[1]

    assert "| storefront | audit finding (high): no probe | quality-audit-findings.json:1 |" in outside


def test_markup_in_the_evidence_is_shown_and_never_acts(
    read: Read, release: Release, config: Config, folder: Path
) -> None:
    path = folder / "DEPLOYMENT-REPORT.md"
    nasty = "see <script>alert(1)</script> [x](javascript:alert(1)) | {{ 7 * 7 }} \u202e"
    path.write_text(path.read_text().replace("the christmas sale begins tomorrow", nasty))

    text = requirements(read, release, config)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)

    assert "<script" not in html
    assert "javascript:" not in html.replace("(javascript:alert(1))", "")
    assert "<a " not in html
    assert "{{ 7 * 7 }}" in html
    assert "\u202e" not in text


def test_the_plan_holds_what_the_procedure_asks_for(release: Release, config: Config) -> None:
    text = plan_markdown(release, config, AT)

    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Steps",
        "## Scope",
        "## Approach",
        "## Alerting strategy",
        "## Duration",
        "## Rollback",
        "## Risks and unknowns",
    ]
    assert all(f"| {number} | {step.title} |" in text for number, step in enumerate(STEPS, start=1))
    assert len(STEPS) == 6
    assert "the baseline window of 1 d, reviewed every 1 h" in text
    assert '`job="shop/checkout"`' in text


def test_the_plan_says_what_the_configuration_leaves_open(release: Release, config: Config) -> None:
    short = release.model_copy(
        update={"baseline_window": config.policies.baseline.step * 10, "services": ("storefront",)}
    )

    text = plan_markdown(short, config.model_copy(update={"slos": ()}), AT)

    assert "storefront: no SLO" in text
    assert "calls checkout, catalogue, which this release does not change" in text
    assert "holds 10 samples where 720 are needed" in text


def test_the_plan_of_a_shadow_run_says_that_it_pages_nobody(release: Release, config: Config) -> None:
    shadow = Release.from_params({**release.model_dump(mode="json"), "mode": "shadow"})

    assert "Shadow mode" in plan_markdown(shadow, config, AT)
    assert "Shadow mode" not in plan_markdown(release, config, AT)
