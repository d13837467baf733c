from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from release_watch.catalog.config import Config
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

    assert (found.status, found.notify) == ("missing", ("ops-lead",))
    assert "refunds" in found.detail


@pytest.mark.parametrize(
    "services",
    [[{"service": "checkout"}, {"name": "payments"}], {"checkout": {}, "payments": {}}],
    ids=["list", "mapping"],
)
def test_documents_about_every_service_meet_their_prerequisite(
    check: Check, folder: Path, services: object
) -> None:
    for name in ("observability-configuration.json", "performance-baselines.json"):
        (folder / name).write_text(json.dumps({"services": services}))

    found = check()

    assert found["observability configuration"].status == "met"
    assert found["performance baselines"].status == "met"


def test_the_requirements_name_the_release_and_trace_each_item(
    read: Read, release: Release, config: Config
) -> None:
    text = requirements(read, release, config)

    assert text.startswith(
        "# Monitoring requirements\n\n- release_id: shop-1.1.0\n- environment: production\n"
    )
    assert "| payments | `POST /refunds` | post-deployment-validation.json:new_endpoints.0 |" in text
    assert "- the christmas sale begins tomorrow (DEPLOYMENT-REPORT.md:23)" in text
    assert "| checkout | fraud-check | not in the service catalogue" in text
    assert "| checkout | checkout-availability | 99.9 % over 30 days |" in text
    assert "| checkout | orders | orders/s; worse when it goes down |" in text
    assert "Everything was understood." in text


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
