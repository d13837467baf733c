"""The table of an audit, as a person on call reads it in a log."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.coverage.table import coverage_table
from release_watch.coverage.table_text import WIDTH, columns, plain, shortened, wrapped
from tests.coverage.examples import audit_of, check, graded, reference, service_audit

ANY_TEXT = st.text(max_size=400)


def block(text: str, start: str) -> list[str]:
    """Return the lines of the block that begins with ``start``."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(start))
    rest = lines[first + 1 :]
    return [lines[first], *rest[: next((n for n, line in enumerate(rest) if line[:1] != " "), None)]]


def test_a_row_per_service_says_what_is_proven_and_the_scores() -> None:
    table = coverage_table(audit_of(service_audit("checkout", "critical", graded(87.5, SPA_004="roots"))))

    headers, row, *_ = table.splitlines()
    assert headers.split() == [
        *("service", "tier", "score", "metrics", "logs", "traces", "synthetics"),
        "instrumentation",
    ]
    assert row.split() == ["checkout", "critical", "100%", "PASS", "PASS", "PASS", "PASS", "88", "(2/2)"]


def test_without_instrumentation_scores_there_is_no_column_for_them() -> None:
    assert "instrumentation" not in coverage_table(audit_of(service_audit("checkout")))


def test_a_gap_is_told_with_the_query_that_shows_it_and_the_fix() -> None:
    table = coverage_table(audit_of(service_audit("checkout", logs=check("live", "FAIL"))))

    assert block(table, "FAIL") == [
        "FAIL checkout logs live: no sample",
        "     expected  samples after 03:05",
        "     query     up",
        "     fix       start the exporter",
    ]


def test_services_with_the_same_gap_share_a_block_and_critical_ones_come_first() -> None:
    services = [service_audit(f"s{n}", "standard", traces=check("live", "FAIL")) for n in range(300)]
    services.append(service_audit("checkout", "critical", traces=check("live", "FAIL")))

    table = coverage_table(audit_of(*services))

    assert table.count("start the exporter") == 1
    first, names, *_ = block(table, "FAIL")
    assert first == "FAIL 301 services, traces live: no sample"
    assert names.startswith("     services  checkout, s0, s1,")
    assert "and 271 more" in table


def test_a_fix_that_names_the_service_is_told_once_with_a_place_for_the_name() -> None:
    gaps = [
        service_audit(
            name, logs=check("mapped", "FAIL", remedy=f"give services.{name}.signals.logs a selector")
        )
        for name in ("api", "web")
    ]

    assert "fix       give services.<service>.signals.logs a selector" in coverage_table(audit_of(*gaps))
    assert "fix       give services.api.signals.logs a selector" in coverage_table(audit_of(gaps[0]))


def test_what_differs_within_a_shared_gap_is_told_for_the_first_services() -> None:
    gaps = [
        service_audit(f"s{n}", metrics=check("endpoints", "FAIL", observed=f"no series of GET /{n}"))
        for n in range(8)
    ]

    lines = block(coverage_table(audit_of(*gaps)), "FAIL")

    assert lines[:3] == [
        "FAIL 8 services, metrics endpoints",
        "     seen      s0: no series of GET /0",
        "               s1: no series of GET /1",
    ]
    assert lines[6] == "               and of s5, s6, s7"


def test_proven_gaps_come_before_those_that_could_not_be_told() -> None:
    services = [
        service_audit("a", logs=check("backend", "INCONCLUSIVE")),
        service_audit("b", "standard", logs=check("live", "FAIL")),
        service_audit("c", logs=check("live", "FAIL", remedy="another")),
    ]

    table = coverage_table(audit_of(*services))

    starts = [line.split()[:2] for line in table.splitlines() if line.startswith(("FAIL", "INCONCLUSIVE"))]
    assert starts == [["FAIL", "c"], ["FAIL", "b"], ["INCONCLUSIVE", "a"]]


def test_alerts_and_panels_without_series_are_listed() -> None:
    references = (
        reference("CheckoutErrors"),
        reference("CheckoutSlow"),
        reference("Orders", kind="panel", service=None),
        reference("Healthy", check=check("series")),
    )

    table = coverage_table(audit_of(service_audit("checkout"), references=references))

    assert "alerts    CheckoutErrors (checkout), CheckoutSlow (checkout)" in table
    assert "FAIL panel Orders series: no sample" in table
    assert "Healthy" not in table


def test_broken_rules_of_the_instrumentation_score_are_advice() -> None:
    services = [
        service_audit("a", "critical", graded(50.0, SPA_004="1 client span is a root")),
        service_audit("b", "critical", graded(50.0, SPA_004="1 client span is a root")),
    ]

    lines = block(coverage_table(audit_of(*services)), "ADVICE")

    assert lines[0] == "ADVICE 2 services, SPA-004 (important): 1 client span is a root"
    assert lines[-1] == "     fix       instrument the server"


@given(observed=ANY_TEXT, remedy=ANY_TEXT, query=ANY_TEXT, name=ANY_TEXT)
def test_nothing_from_telemetry_breaks_the_layout(observed: str, remedy: str, query: str, name: str) -> None:
    gap = check("live", "FAIL", observed=observed, remedy=remedy, query=query, expected=observed)
    services = [service_audit(name, logs=gap), service_audit("a" * 120, traces=gap)]

    table = coverage_table(audit_of(*services, references=(reference(name, check=gap),)))

    assert all(columns(line) <= WIDTH for line in table.split("\n"))
    assert not any(unicodedata.category(sign).startswith("C") for sign in table.replace("\n", ""))
    # A row per service, whatever the names hold.
    assert table.split("\n")[3].startswith("verdict: ")


@pytest.mark.parametrize(
    "text",
    ["a\x1b[2Jb", "a\rb", "a\x00b", "a\u202eb", "a\u2028b", "a\u200bb", "a\ud800b"],
    ids=["escape", "return", "null", "bidi", "line separator", "zero width", "surrogate"],
)
def test_signs_that_move_the_cursor_are_replaced(text: str) -> None:
    assert plain(text) in {"a\ufffdb", "a\ufffd[2Jb", "a b"}


def test_marks_that_the_log_view_folds_at_are_defused() -> None:
    assert "::group::" not in plain("x ::group::secret ::endgroup::")


@given(ANY_TEXT, st.integers(20, 200))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrapped(plain(text), "first ", width)

    assert "".join("".join(lines).split()) == "first" + "".join(plain(text).split())
    assert all(columns(line) <= width for line in lines)


def test_a_pattern_of_many_names_is_broken_between_them() -> None:
    pattern = "|".join(f"service-{n}" for n in range(40))

    lines = wrapped(f'up{{job=~"{pattern}"}}', "     query     ")

    assert all(line.endswith(("|", "}")) for line in lines)


@given(ANY_TEXT, st.integers(3, 60))
def test_a_shortened_text_fits(text: str, most: int) -> None:
    assert columns(shortened(plain(text), most)) <= most


@pytest.mark.parametrize("status", ["FAIL", "INCONCLUSIVE"])
def test_a_check_without_query_or_expectation_has_no_empty_lines(status: str) -> None:
    bare: dict[str, Any] = {"query": None, "remedy": None, "expected": ""}

    table = coverage_table(audit_of(service_audit("a", logs=check("mapped", status, **bare))))

    assert block(table, status) == [f"{status} a logs mapped: no sample"]
