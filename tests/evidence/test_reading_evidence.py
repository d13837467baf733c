from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from release_watch.catalog.policies import Policies
from release_watch.errors import InvalidInputError
from release_watch.evidence.documents import REQUIRED, missing_documents, read_evidence
from release_watch.evidence.models import Evidence
from release_watch.release import Release

Read = Callable[[], Evidence]
VALIDATION, HEALTH_LOG, REPORT = REQUIRED


def test_everything_extracted_names_the_line_it_came_from(read: Read, folder: Path) -> None:
    evidence = read()

    lines = {name: (folder / name).read_text().splitlines() for name in (HEALTH_LOG, REPORT)}
    for item in (*evidence.risks, *evidence.dependencies, *evidence.flags):
        file, line = item.source.split(":")
        words = item.text.split()[-1] if hasattr(item, "text") else getattr(item, "name", None) or item.on
        assert words.strip(".") in lines[file][int(line) - 1]


def test_endpoints_of_both_documents_are_found_once(read: Read) -> None:
    evidence = read()

    assert evidence.endpoints_by_service() == {
        "payments": ("POST /refunds",),
        "checkout": ("POST /orders/{id}/refund",),
    }
    assert [endpoint.source for endpoint in evidence.new_endpoints] == [
        f"{VALIDATION}:21",
        f"{REPORT}:12",
    ]


def test_risks_are_those_named_and_the_checks_that_failed(read: Read) -> None:
    risks = {(risk.service, risk.source) for risk in read().risks}

    assert risks == {("checkout", f"{REPORT}:22"), (None, f"{REPORT}:23"), ("payments", f"{HEALTH_LOG}:10")}


def test_dependencies_and_flags_are_understood(read: Read) -> None:
    evidence = read()

    assert [(d.service, d.on) for d in evidence.dependencies] == [
        ("checkout", "payments"),
        ("checkout", "fraud-check"),
    ]
    assert [(flag.name, flag.active) for flag in evidence.flags] == [("refunds", True)]
    assert evidence.problems == ()
    assert set(evidence.sha256) == set(REQUIRED)


def test_the_folder_may_lie_in_an_object_store(folder: Path, release: Release) -> None:
    bucket = UPath("memory://evidence/dep-1")
    for name in REQUIRED:
        (bucket / name).write_bytes((folder / name).read_bytes())

    assert missing_documents(bucket) == []
    assert read_evidence(
        bucket, release, Policies(), at=release.deployed_at + timedelta(minutes=5)
    ).validation.passed


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_document_is_named(read: Read, folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert missing_documents(folder) == [name]
    with pytest.raises(InvalidInputError, match=f"{name}: missing: write it into"):
        read()


def test_all_that_is_wrong_is_said_at_once(read: Read, folder: Path) -> None:
    (folder / VALIDATION).write_text("{")
    (folder / HEALTH_LOG).unlink()
    (folder / REPORT).write_text("# Report of something else\n")

    with pytest.raises(InvalidInputError) as caught:
        read()

    assert [problem.split(":")[0] for problem in caught.value.problems] == list(REQUIRED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b'{"release_id": "shop-1.1.0", "sta', "half-written", id="half-written"),
        pytest.param(b"passed", "half-written or no JSON", id="no JSON"),
        pytest.param(b"[]", "must be a JSON object", id="list"),
        pytest.param(b'{"a": 1, "a": 2}', "written twice", id="key twice"),
        pytest.param(b'{"a": NaN}', "no JSON number", id="NaN"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="deep"),
        pytest.param(b"\xff\xfe{}", "not UTF-8", id="bytes"),
        pytest.param(b'{"a": "\x00"}', "binary", id="zero byte"),
        pytest.param(b"{}" + b" " * 5_000_001, "at most 5000000", id="too large"),
    ],
)
def test_a_validation_document_that_is_none_is_refused(
    read: Read, folder: Path, content: bytes, said: str
) -> None:
    (folder / VALIDATION).write_bytes(content)

    with pytest.raises(InvalidInputError, match=said):
        read()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param(
            {"release_id": "shop-1.0.0"}, "release_id: 'shop-1.0.0': belongs to another release", id="release"
        ),
        pytest.param({"deployment_id": "dep-2"}, "another release; expected 'dep-1'", id="deployment"),
        pytest.param({"version": "1.0.0"}, "another release", id="version"),
        pytest.param({"environment": "staging"}, "another release", id="environment"),
        pytest.param(
            {"release_id": None, "deployment_id": None}, "name the release shop-1.1.0", id="anonymous"
        ),
        pytest.param({"validated_at": "2026-01-02T02:59:58Z"}, "older than the deployment", id="before"),
        pytest.param({"validated_at": "yesterday"}, "validated_at", id="no time"),
        pytest.param({"validated_at": "2026-01-02T03:01:00"}, "timezone", id="no zone"),
        pytest.param({"status": None}, "status: missing", id="no status"),
        pytest.param(
            {"services": [{"status": "passed"}]}, "services.0.service: missing", id="nameless service"
        ),
    ],
)
def test_a_validation_of_something_else_is_refused_by_field(
    read: Read, change: Callable[..., None], fields: dict[str, Any], said: str
) -> None:
    change(**fields)

    with pytest.raises(InvalidInputError, match=said):
        read()


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ({}, True),
        ({"status": "Success"}, True),
        ({"status": None, "result": "OK"}, True),
        ({"services": {"checkout": "passed", "payments": {"status": "green"}}}, True),
        ({"services": [{"name": "checkout", "result": "failed"}]}, False),
        ({"status": "failed"}, False),
        ({"status": "pending"}, False),
        ({"status": "passed?"}, False),
    ],
)
def test_a_deployment_passed_only_where_all_of_it_did(
    read: Read, change: Callable[..., None], fields: dict[str, Any], passed: bool
) -> None:
    change(**fields)

    assert read().validation.passed is passed


def test_evidence_older_than_the_policy_allows_is_refused(folder: Path, release: Release) -> None:
    with pytest.raises(InvalidInputError, match=r"older than evidence\.max_age P1D"):
        read_evidence(folder, release, Policies(), at=release.deployed_at + timedelta(days=2))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        pytest.param(REPORT, "report: shop-1.1.0", "report: shop-9", "", id="named by deployment"),
        pytest.param(
            REPORT, "- Deployment: dep-1", "- Deployment: dep-2", "another release", id="other deployment"
        ),
        pytest.param(
            HEALTH_LOG,
            "- Release: shop-1.1.0",
            "- **Release ID**: `x-2`",
            "another release",
            id="other release",
        ),
        pytest.param(
            HEALTH_LOG, "2026-01-02T03:00:10", "2026-01-02T02:58:10", "older than the deployment", id="old"
        ),
        pytest.param(
            HEALTH_LOG,
            "- Environment: production",
            "- Environment: staging",
            "another release",
            id="elsewhere",
        ),
        pytest.param(
            HEALTH_LOG,
            "- Release: shop-1.1.0",
            "\n| Release | shop-1.0.0 |\n|-|-|\n",
            "another release",
            id="in a table",
        ),
        pytest.param(
            HEALTH_LOG,
            "# Deployment",
            "---\nversion: 1.0.0\n---\n# Deployment",
            "another release",
            id="front matter",
        ),
        pytest.param(
            HEALTH_LOG, "- Release", "- Written at: 2027-01-01\n- Release", "lies in the future", id="to come"
        ),
        pytest.param(
            HEALTH_LOG, " 12 | answered 500 |\n", " 12 | answ", "breaks off in a table row", id="half a row"
        ),
        pytest.param(
            REPORT, "## Summary", "```\n## Summary", "breaks off in a code block", id="half a block"
        ),
    ],
)
def test_a_markdown_document_must_be_whole_and_of_this_release(
    read: Read, folder: Path, name: str, old: str, new: str, said: str
) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))

    if not said:
        assert read().report.file == name
        return
    with pytest.raises(InvalidInputError, match=f"{name}: .*{said}"):
        read()


@pytest.mark.parametrize(
    "identity",
    [
        "- Release: v1.1.0\n- Deployment: dep-1 (blue/green)",
        "| Deployment | dep-1 |\n|---|---|\n| Environment | Prod |",
        "---\nrelease: shop-1.1.0\nenvironment: production\n---",
        "**Release ID**: `shop-1.1.0`  \n**Environment** – production",
        "Deployment: of the whole shop, dep-1\nNext release: shop-1.2.0",
    ],
    ids=["version", "table", "front matter", "bold", "prose"],
)
def test_a_document_names_its_release_in_many_ways(read: Read, folder: Path, identity: str) -> None:
    log = (folder / HEALTH_LOG).read_text().split("| time", 1)[1]
    (folder / HEALTH_LOG).write_text(f"{identity}\n\n# Log of dep-1\n\n| time{log}")

    assert read().health_log.file == HEALTH_LOG


@pytest.mark.parametrize("name", ["shop-1.1.0-rc1", "my-shop-1.1.0", "shop-1.1.01", "shop-1.1.0.2"])
def test_a_longer_name_is_the_name_of_another_release(read: Read, folder: Path, name: str) -> None:
    (folder / REPORT).write_text(f"# Report of {name}\n\nAt 2026-01-02T03:00:10Z.\n")

    with pytest.raises(InvalidInputError, match="not named anywhere"):
        read()


def test_what_is_planned_makes_an_old_document_no_newer(read: Read, folder: Path) -> None:
    old = "# shop-1.1.0\n\nWritten 2026-01-01T10:00:00Z. The sale begins on 2026-12-01.\n"
    (folder / REPORT).write_text(old)

    with pytest.raises(InvalidInputError, match="older than the deployment"):
        read()


@pytest.mark.parametrize("sign", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_bytes_that_editors_add_change_nothing(read: Read, folder: Path, sign: str) -> None:
    plain = read()
    for name in (HEALTH_LOG, REPORT):
        text = (folder / name).read_text().replace("- ", "-\u00a0 ").replace("-\u00a0 ", "- ")
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", sign).encode())

    changed = read()

    assert changed.model_dump(exclude={"sha256"}) == plain.model_dump(exclude={"sha256"})


def test_every_line_of_every_document_is_accounted_for(read: Read, folder: Path) -> None:
    for account in read().accounts:
        if not account.file.endswith(".md"):
            continue
        said = {n for passage in account.passages for n in range(passage.first, passage.last + 1)}
        lines = (folder / account.file).read_text().splitlines()
        unsaid = [line for number, line in enumerate(lines, start=1) if number not in said]
        assert all(not line or line.startswith("#") or line.startswith(("| time", "|---")) for line in unsaid)


def test_what_is_said_of_other_services_is_kept_under_their_names(folder: Path, release: Release) -> None:
    extra = "\n## Known issues\n\n- storefront is slow\n\n## New endpoints of storefront\n\n- GET /news\n"
    (folder / REPORT).write_text((folder / REPORT).read_text() + extra)

    at = release.deployed_at + timedelta(minutes=5)
    evidence = read_evidence(folder, release, Policies(), at=at, known=("storefront", "checkout"))

    assert "storefront" in {risk.service for risk in evidence.risks}
    assert evidence.endpoints_by_service()["storefront"] == ("GET /news",)


def test_optional_documents_are_read_and_a_broken_one_is_left_out_and_listed(
    read: Read, folder: Path
) -> None:
    findings = [
        {
            "finding_id": "QA-1",
            "severity": "HIGH",
            "service": "payments",
            "title": "no error series",
            "status": "open",
        },
        {"finding_id": "QA-2", "severity": "low", "title": "old", "status": "closed"},
    ]
    (folder / "quality-audit-findings.json").write_text(
        json.dumps({"release_id": "shop-1.1.0", "findings": findings})
    )
    (folder / "performance-baselines.json").write_text(
        json.dumps({"release_id": "shop-1.0.0", "services": []})
    )
    (folder / "observability-configuration.yaml").write_text("a: &a [1]\nb: *a\n")
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "checkout.md").write_text("# Runbook\n\nCall us.\n")

    evidence = read()

    assert [(f.severity, f.service, f.source) for f in evidence.findings] == [
        ("high", "payments", "quality-audit-findings.json:1 (QA-1)")
    ]
    assert [(runbook.service, runbook.sections) for runbook in evidence.runbooks] == [
        ("checkout", ("Runbook",))
    ]
    assert (evidence.baselines, evidence.observed) == ((), ())
    assert set(evidence.sha256) == {*REQUIRED, "quality-audit-findings.json", "runbooks/checkout.md"}
    assert [problem.split(":")[0] for problem in evidence.problems] == [
        "performance-baselines.json",
        "observability-configuration.yaml",
    ]


def test_what_is_not_understood_is_listed_with_its_line(read: Read, folder: Path) -> None:
    text = (folder / REPORT).read_text().replace("- payments: `POST /refunds`", "- and a few more")
    (folder / REPORT).write_text(text)

    assert f"{REPORT}:13: not understood as an endpoint: and a few more" in read().problems


def test_html_is_not_read_and_said_so(read: Read, folder: Path) -> None:
    text = (folder / REPORT).read_text().replace("- the christmas sale", "- <script>the christmas sale")
    (folder / REPORT).write_text(text)

    evidence = read()

    (problem,) = evidence.problems
    assert problem.startswith(f"{REPORT}:23: HTML is not read; write it as Markdown: <script>the christmas")
    assert not any("christmas" in risk.text for risk in evidence.risks)
