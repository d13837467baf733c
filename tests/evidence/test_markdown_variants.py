from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.errors import InvalidInputError
from release_watch.evidence.lines import Reading
from release_watch.evidence.markdown_documents import parse_markdown
from release_watch.evidence.models import (
    Dependency,
    Endpoint,
    Extracted,
    Flag,
    LibraryChange,
    Outcome,
    Risk,
)
from release_watch.evidence.recognition import Names

NAMES = Names(("checkout", "checkout-api", "payments"), ("storefront",))
ItemT = TypeVar("ItemT", bound=Extracted)


def read(text: str) -> Reading:
    return Reading(parse_markdown(text, "R.md"), NAMES)


def only(kind: type[ItemT], text: str) -> ItemT:
    (found,) = read(text).found(kind)
    return found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("## New endpoints\n\n- checkout: `POST /orders`\n", id="bullet"),
        pytest.param("New API routes\n--------------\n* POST /orders (checkout)\n", id="setext heading"),
        pytest.param("## Endpoints added\n1. **checkout** `post /orders`\n", id="numbered"),
        pytest.param("###### New Endpoints\n\nThe checkout service now has POST /orders.\n", id="prose"),
        pytest.param("## New endpoints\n- [x] `POST` `/orders` – checkout ✅\n", id="check box"),
        pytest.param("## New endpoints\n### checkout\n- POST `/orders`\n", id="under the service"),
        pytest.param("## API changes\n- checkout\n  - added: /orders (POST)\n", id="nested"),
        pytest.param("## Endpoints\n- https://shop.example/orders via POST, in checkout\n", id="address"),
        pytest.param("**New endpoints:**\n\n- /orders [POST] of checkout\n", id="bold instead of a heading"),
        pytest.param("New endpoints:\n- checkout – /orders – POST\n", id="line instead of a heading"),
        pytest.param("## Changes\n- new endpoint: /orders (POST) in checkout\n", id="named in the line"),
        pytest.param("## Changes\n\nNew endpoint\n: POST /orders of checkout\n", id="definition"),
        pytest.param("## Changes\n- checkout adds the endpoint [POST /orders](https://x/y)\n", id="link"),
        pytest.param("## New endpoints\n|Service|Endpoint|\n|-|-|\n|checkout|`POST /orders`|\n", id="table"),
        pytest.param("# New routes\n|Verb|Route|App|\n|-|-|-|\n|POST|/orders|checkout|\n", id="columns"),
        pytest.param("## New endpoints\n\nApp | Path | Verb\n-|-|-\ncheckout | /orders | post\n", id="bare"),
    ],
)  # fmt: skip
def test_a_new_endpoint_is_found_however_it_is_written(text: str) -> None:
    reading = read(text)

    assert [(e.service, e.method, e.path) for e in reading.found(Endpoint)] == [
        ("checkout", "POST", "/orders")
    ]
    assert reading.problems == []


@pytest.mark.parametrize("words", ["none", "None.", "n/a", "No new endpoints", "-", "–", "None known so far"])
def test_no_new_endpoint_is_understood_as_none(words: str) -> None:
    reading = read(f"## New endpoints\n\n- {words}\n")

    assert (reading.found(Endpoint), reading.problems) == ((), [])


@pytest.mark.parametrize("words", ["removed: GET /old", "~~GET /old~~ deprecated", "GET /old (unchanged)"])
def test_an_endpoint_that_is_not_new_is_not_demanded(words: str) -> None:
    reading = read(f"## API changes\n\n- checkout {words}\n")

    assert (reading.found(Endpoint), reading.problems) == ((), [])


def test_several_methods_are_several_endpoints() -> None:
    found = read("## New endpoints\n- checkout: GET, PUT|DELETE /orders/{id}\n").found(Endpoint)

    assert [str(endpoint) for endpoint in found] == [
        "GET /orders/{id}",
        "PUT /orders/{id}",
        "DELETE /orders/{id}",
    ]


def test_an_endpoint_without_a_method_is_kept_without_one() -> None:
    assert str(only(Endpoint, "## New endpoints\n- checkout: /orders\n")) == "/orders"


def test_an_endpoint_of_nobody_is_listed() -> None:
    assert read("## New endpoints\n- POST /orders\n").problems == [
        "R.md:2: not understood as an endpoint of a service: POST /orders"
    ]


def test_a_row_with_a_bar_too_many_is_listed_not_misread() -> None:
    reading = read("## New endpoints\n|Method|Path|Service|\n|-|-|-|\n|GET|`/a|b`|payments|\n")

    assert reading.found(Endpoint) == ()
    assert "R.md:4: has more cells than columns" in reading.problems[0]


@pytest.mark.parametrize(
    ("line", "service", "severity"),
    [
        ("- [HIGH] checkout may be slow", "checkout", "high"),
        ("- payments: **medium** – cache is cold", "payments", "medium"),
        ("- ⚠️ the sale begins", None, "medium"),
        ("- 🔴 storefront is slow", "storefront", "high"),
        ("- severity: critical, payments", "payments", "critical"),
        ("- payments (low risk)", "payments", "low"),
        ("1. the checkouts", None, "unknown"),
        ("|Severity|Component|What|\n|-|-|-|\n|P1|payments|double charge|", "payments", "high"),
        ("|Risk|Impact|\n|-|-|\n|payments is new|major|", "payments", "high"),
        ("- payments\n  - is new", "payments", "unknown"),
    ],
)
@pytest.mark.parametrize("heading", ["## Risks", "Known issues\n====", "**Watch out:**\n", "# Concerns"])
def test_a_risk_is_found_with_its_service_and_severity(
    heading: str, line: str, service: str | None, severity: str
) -> None:
    found = only(Risk, f"{heading}\n\n{line}\n")

    assert (found.service, found.severity) == (service, severity)


def test_a_heading_may_say_how_grave_the_risks_below_it_are() -> None:
    assert only(Risk, "## Known issues\n\n### Critical\n\n- payments is new\n").severity == "critical"


def test_headings_inside_code_are_no_headings() -> None:
    assert read("## Notes\n\n```\n## Risks\n- not a risk\n```\n").found(Risk) == ()


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("checkout-api may be slow", "checkout-api"),
        ("slow: Checkout", "checkout"),
        ("payments, then checkout", "payments"),
        ("storefront calls checkout", "checkout"),
        ("storefront alone", "storefront"),
        ("checkout's cart", "checkout"),
        ("POST /payments fails", None),
        ("the checkouts", None),
        ("", None),
    ],
)
def test_the_service_that_a_sentence_names_is_the_whole_name(text: str, service: str | None) -> None:
    assert NAMES.mentioned(text) == service


@pytest.mark.parametrize(
    ("line", "active"),
    [
        ("refunds: active from 2026-01-02", True),
        ("refunds: active from never", False),
        ("refunds – inactive", False),
        ("refunds - disabled", False),
        ("refunds = enabled", True),
        ("refunds (on)", True),
        ("refunds is not yet active", False),
        ("[x] refunds", True),
        ("[ ] refunds", False),
        ("refunds ✅", True),
        ("❌ refunds", False),
        ("refunds: rolled out to 10 %", None),
    ],
)
def test_a_flag_is_active_only_where_the_words_say_so(line: str, active: bool | None) -> None:
    flag = only(Flag, f"## Feature flags\n\n- {line}\n")

    assert (flag.name, flag.active) == ("refunds", active)


def test_flags_may_stand_in_a_table() -> None:
    text = "## Toggles\n|State|Flag|Plan|\n|-|-|-|\n|ON|a|100 %|\n|off|b|off until May|\n|❌|c| |\n"

    flags = read(text).found(Flag)

    assert [(f.name, f.active, f.planned_off) for f in flags] == [
        ("a", True, False),
        ("b", False, True),
        ("c", False, False),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "a -> b, c",
        "a calls b and c",
        "a depends on b; c",
        "a → b, c.",
        "a ==> `b`, c",
        "A service\n- a uses b & c",
    ],
)
def test_a_dependency_may_be_said_in_several_ways(line: str) -> None:
    reading = read(f"## Dependencies\n- {line}\n")

    assert [(d.service, d.on) for d in reading.found(Dependency)] == [("a", "b"), ("a", "c")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("checkout now calls payments", ("checkout", "payments", "added")),
        ("The checkout service no longer calls payments.", ("checkout", "payments", "removed")),
        ("payments is now called by checkout", ("checkout", "payments", "added")),
        ("checkout → kafka", ("checkout", "kafka", "calls")),
        ("checkout now calls payments, which is new", ("checkout", "payments", "added")),
    ],
)
def test_who_calls_whom_is_understood_wherever_it_stands(line: str, expected: tuple[str, str, str]) -> None:
    found = only(Dependency, f"## What is new\n\n- {line}\n")

    assert (found.service, found.on, found.change) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Upgraded library `requests`",
        "requests 2.31 → 2.32",
        "bumped log4j 2.17 to 2.20",
        "the driver was replaced",
    ],
)
def test_a_changed_library_is_understood_wherever_it_stands(line: str) -> None:
    assert only(LibraryChange, f"## What is new\n\n- {line}\n").text == line.replace("`", "")


def test_dependencies_may_stand_in_a_table() -> None:
    text = "## Dependencies\n|To|From|Change|\n|-|-|-|\n|ledger|checkout|added|\n|bank|payments|removed|\n"

    assert [(d.service, d.on, d.change) for d in read(text).found(Dependency)] == [
        ("checkout", "ledger", "added"),
        ("payments", "bank", "removed"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "- ❌ payments answers",
        "- payments smoke test: FAILED",
        "- Payments – failed",
        "- [FAIL] payments",
        "| Service | Status |\n|-|-|\n| payments | HTTP 500 |",
        "| Result | Component |\n|-|-|\n| ✖ | payments |",
        "```\n03:01 ERROR payments refused\n```",
        "- :x: payments",
    ],
)
def test_a_check_that_failed_is_a_risk(line: str) -> None:
    found = only(Risk, f"# Health log\n\n{line}\n")

    assert (found.service, found.severity) == ("payments", "high")


@pytest.mark.parametrize(
    "line", ["- ✅ payments", "- payments: OK", "- [x] payments", "- 0 failed", "- no errors"]
)
def test_a_check_that_passed_is_none(line: str) -> None:
    assert read(f"# Health log\n\n{line}\n").found(Risk) == ()


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("# Log\n\n**Status:** ✅ Passed\n", True),
        ("# Log\n\nStatus - Failed\n", False),
        ("# Log\n\n## Summary\n\n| Result | Success |\n|-|-|\n", True),
        ("---\nstatus: failed\n---\n# Log\n", False),
        ("# Log\n\n## Overview\n\n- Deployment status: rolled back\n", False),
    ],
)
def test_a_document_says_how_all_of_it_went(text: str, passed: bool) -> None:
    assert only(Outcome, text).passed is passed


@pytest.mark.parametrize("text", ["```\nabc", "```\nabc\n", "a\n```", "```\na\n```\n\n~~~\nb"])
def test_a_code_block_that_is_not_closed_is_half_a_document(text: str) -> None:
    with pytest.raises(InvalidInputError, match="breaks off in a code block"):
        parse_markdown(text, "R.md")


@pytest.mark.parametrize(
    "text", ["```\nabc\n```", "```\n```\n", "~~~\n```\n~~~\n", "````\n```\n````", "- ```\n  a\n"]
)
def test_a_code_block_that_is_closed_is_whole(text: str) -> None:
    assert parse_markdown(text, "R.md").file == "R.md"


def test_what_one_section_says_is_not_said_of_all() -> None:
    assert read("# Log\n\n## Smoke test\n\n- Status: failed\n").found(Outcome) == ()


def test_the_account_says_of_each_line_what_it_was_understood_as() -> None:
    text = "# R\n\nWords.\n\n## Risks\n\n- payments is new\n- checkout is old\n\n## Dependencies\n\n- what?\n"

    account = read(text).account

    assert [(p.lines, p.understood_as) for p in account.merged()] == [
        ("3", "prose, not read"),
        ("7-8", "risk"),
        ("12", "not understood"),
    ]
    assert account.summary() == (
        "R.md: understood 2 × risk; not understood: line 12; prose, not read: line 3"
    )


@given(st.text(alphabet="#-*|> `\n\t:ab1[](){}<>\\\f\u2028\x85é✅→–", max_size=300))
def test_no_text_breaks_the_reader_and_every_line_number_exists(text: str) -> None:
    try:
        document = parse_markdown(text, "R.md")
    except InvalidInputError as error:
        assert "breaks off" in str(error)
        return
    last = text.count("\n") + 1
    for piece in document.pieces:
        assert 1 <= piece.line <= piece.last_line <= last
    for field in document.fields:
        assert 1 <= field.line <= last
    assert Reading(document, NAMES).account.file == "R.md"
