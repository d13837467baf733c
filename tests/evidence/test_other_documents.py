from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from release_watch.catalog.policies import Policies
from release_watch.evidence.baselines import quantity_of
from release_watch.evidence.documents import described_services
from release_watch.evidence.models import Evidence
from release_watch.release import Release
from tests.evidence.conftest import AT

Read = Callable[[], Evidence]


@pytest.fixture
def write(folder: Path) -> Callable[[str, Any], None]:
    """Puts a document into the folder."""

    def written(name: str, content: Any) -> None:
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content, indent=1))

    return written


@pytest.mark.parametrize(
    "content",
    [
        {
            "services": [
                {"service": "checkout", "p95_latency_seconds": 0.12, "samples": 9, "queries": {"a": "b"}}
            ]
        },
        {"services": {"checkout": {"p95_latency_seconds": "120 ms"}}},
        {
            "services": [
                {"name": "checkout", "metrics": {"p95_latency_seconds": {"value": 120, "unit": "ms"}}}
            ]
        },
        {
            "services": {
                "checkout": {"metrics": [{"name": "p95_latency_seconds", "value": "0,12", "unit": "s"}]}
            }
        },
        {
            "baselines": [
                {"service": "checkout", "metric": "p95_latency_seconds", "value": 0.12, "unit": "seconds"}
            ]
        },
    ],
    ids=["by name", "with its unit", "mapping", "list", "one list"],
)
def test_a_baseline_is_a_number_in_base_units_however_it_is_written(
    read: Read, write: Callable[[str, Any], None], content: Any
) -> None:
    write("performance-baselines.json", content)

    (found,) = read().baselines

    assert (found.service, found.metric, found.unit) == ("checkout", "p95_latency_seconds", "s")
    assert found.value == pytest.approx(0.12)
    assert found.source.startswith("performance-baselines.json:")


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (1.5, "%", (0.015, "ratio")),
        ("99.9 %", "", (0.999, "ratio")),
        (120, "rpm", (2.0, "1/s")),
        (3, "MiB", (3 * 1024 * 1024.0, "bytes")),
        (5, "", None),
        (5, "furlongs", None),
        ("fast", "s", None),
        (True, "s", None),
        (None, "s", None),
        (-1, "s", None),
        (1.2, "ratio", None),
        ([1], "s", None),
        ("9" * 400, "s", None),
    ],
    ids=repr,
)
def test_a_value_without_a_unit_or_that_cannot_be_is_none(
    number: object, unit: str, expected: tuple[float, str] | None
) -> None:
    found = quantity_of(number, unit)

    assert found == (expected and (pytest.approx(expected[0]), expected[1]))


def test_a_baseline_that_is_none_is_listed_with_its_line(
    read: Read, write: Callable[[str, Any], None]
) -> None:
    write(
        "performance-baselines.json",
        {"services": [{"service": "checkout", "p95_seconds": "fast", "p99_ms": 7}]},
    )

    evidence = read()

    assert [one.metric for one in evidence.baselines] == ["p99_ms"]
    assert "performance-baselines.json:5: not understood as a number with a unit: fast" in evidence.problems


@pytest.mark.parametrize(
    "content",
    [
        {"findings": [{"id": "Q1", "severity": "MAJOR", "service": "payments", "title": "no probe"}]},
        {"issues": [{"key": "Q1", "priority": "P1", "component": "payments", "summary": "no probe"}]},
        {"findings": {"high": [{"id": "Q1", "service": "payments", "name": "no probe"}]}},
    ],
    ids=["findings", "issues", "by severity"],
)
def test_an_audit_finding_is_understood_however_it_is_written(
    read: Read, write: Callable[[str, Any], None], content: Any
) -> None:
    write("quality-audit-findings.json", content)

    (found,) = read().findings

    assert (found.severity, found.service, found.title) == ("high", "payments", "no probe")
    assert found.source.endswith("(Q1)")


@pytest.mark.parametrize("state", ["closed", "Resolved", "false positive"])
def test_a_closed_finding_is_none(read: Read, write: Callable[[str, Any], None], state: str) -> None:
    write("quality-audit-findings.json", {"findings": [{"title": "x", "status": state}]})

    assert (read().findings, read().problems) == ((), ())


@pytest.mark.parametrize(
    ("content", "active"),
    [
        ({"flags": [{"name": "cart", "state": "active"}]}, True),
        ({"flags": [{"key": "cart", "enabled": False}]}, False),
        ({"flags": {"cart": True}}, True),
        ({"features": {"cart": "off"}}, False),
        ({"flags": {"cart": {"status": "at 10 %"}}}, None),
    ],
)
def test_the_state_of_a_flag_is_understood_however_it_is_written(
    read: Read, write: Callable[[str, Any], None], content: Any, active: bool | None
) -> None:
    write("feature-flags.json", content)

    flag = next(flag for flag in read().flags if flag.source.startswith("feature-flags.json"))

    assert (flag.name, flag.active) == ("cart", active)


def test_a_flag_status_from_before_the_deployment_is_left_out(
    read: Read, write: Callable[[str, Any], None]
) -> None:
    write("feature-flags.json", {"as_of": "2026-01-01T00:00:00Z", "flags": {"cart": False}})

    evidence = read()

    assert not any(flag.name == "cart" for flag in evidence.flags)
    assert "older than the deployment" in evidence.problems[0]


@pytest.mark.parametrize(
    ("name", "content", "described"),
    [
        (
            "observability-configuration.json",
            {"services": {"checkout": {"metrics": {"job": "x"}}}},
            {"checkout"},
        ),
        (
            "observability-configuration.json",
            {"services": [{"name": "payments", "tracing": True}]},
            {"payments"},
        ),
        (
            "observability-configuration.yaml",
            "services:\n- service: payments\n  signals: [logs]\n",
            {"payments"},
        ),
        (
            "observability-configuration.yml",
            "metrics: {port: 9090}\nlogging: json\n",
            {"checkout", "payments"},
        ),
        ("observability-configuration.yaml", "services:\n- service: payments\n  logs: false\n", set()),
        (
            "observability-configuration.yaml",
            "services:\n- service: payments\n  logs: {enabled: false}\n",
            set(),
        ),
        ("observability-configuration.yaml", "version: 1.0.0\nservices: [checkout]\n", set()),
        ("observability-configuration.yaml", "nothing here", set()),
    ],
    ids=["mapping", "list", "YAML", "all of them", "off", "switched off", "other release", "no mapping"],
)
def test_a_service_is_described_by_at_least_one_signal(
    folder: Path,
    release: Release,
    write: Callable[[str, Any], None],
    name: str,
    content: Any,
    described: set[str],
) -> None:
    write(name, content)

    found, problems = described_services(folder, release, Policies(), at=AT)

    assert found == described
    assert bool(problems) == (not described)


def test_a_version_in_yaml_is_the_text_that_stands_there(
    folder: Path, release: Release, write: Callable[[str, Any], None]
) -> None:
    ten = release.model_copy(update={"version": "1.10"})
    write("observability-configuration.yaml", "version: 1.10\nservices:\n- service: checkout\n  logs: yes\n")

    assert described_services(folder, ten, Policies(), at=AT) == (frozenset({"checkout"}), ())


def test_risks_and_failed_checks_of_the_validation_are_risks(read: Read, change: Callable[..., None]) -> None:
    change(
        known_issues=[{"title": "slow cache", "service": "checkout", "severity": "low"}, "payments is new"],
        checks=[
            {"name": "payments smoke", "passed": False, "detail": "HTTP 500"},
            {"name": "x", "passed": True},
        ],
    )

    risks = [(r.service, r.severity, r.text) for r in read().risks if r.source.startswith("post-deployment")]

    assert risks == [
        ("checkout", "low", "slow cache"),
        ("payments", "unknown", "payments is new"),
        ("payments", "high", "validation check failed: payments smoke, HTTP 500"),
    ]


def test_fields_that_nobody_reads_are_listed(read: Read, write: Callable[[str, Any], None]) -> None:
    write("quality-audit-findings.json", {"findings": [], "auditor": "ada", "release_id": "shop-1.1.0"})

    account = next(one for one in read().accounts if one.file == "quality-audit-findings.json")

    assert [(p.lines, p.section, p.understood_as) for p in account.unread()] == [
        ("3", "auditor", "not understood")
    ]
