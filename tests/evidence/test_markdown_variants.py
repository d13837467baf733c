from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.evidence import extraction
from release_watch.evidence.markdown_documents import parse_markdown
from release_watch.evidence.models import Endpoint, ValidationDocument

SERVICES = ("checkout", "checkout-api", "payments")
NOTHING_NEW = ValidationDocument.model_validate({"status": "passed", "validated_at": "2026-01-02T03:04:05Z"})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("## New endpoints\n\n- checkout: `POST /orders`\n", id="bullet"),
        pytest.param("New API routes\n--------------\n* POST /orders (checkout)\n", id="setext heading"),
        pytest.param("## Endpoints added\n1. **checkout** `post /orders`\n", id="numbered"),
        pytest.param(
            "### New Endpoints\n\nThe checkout service now has POST /orders.\n".replace("orders.", "orders"),
            id="prose",
        ),
        pytest.param(
            "## New endpoints\n\n| Service | Endpoint |\n|---|---|\n| checkout | `POST /orders` |\n",
            id="table",
        ),
        pytest.param(
            "# New endpoints\n|Method|Route|Component|\n|-|-|-|\n|POST|/orders|checkout|\n",
            id="columns in another order",
        ),
    ],
)
def test_a_new_endpoint_is_found_however_it_is_written(text: str) -> None:
    found, problems = extraction.endpoints(NOTHING_NEW, parse_markdown(text, "R.md"), SERVICES)

    assert [(e.service, e.method, e.path) for e in found] == [("checkout", "POST", "/orders")]
    assert problems == []


@pytest.mark.parametrize("words", ["none", "None.", "n/a", "No new endpoints", "-"])
def test_no_new_endpoint_is_understood_as_none(words: str) -> None:
    document = parse_markdown(f"## New endpoints\n\n- {words}\n", "R.md")

    assert extraction.endpoints(NOTHING_NEW, document, SERVICES) == ((), [])


@pytest.mark.parametrize(
    "entry", ["checkout: POST /orders", {"service": "checkout", "endpoint": "POST /orders"}]
)
def test_the_validation_document_may_write_endpoints_in_other_ways(entry: object) -> None:
    fields = {"status": "passed", "validated_at": "2026-01-02T03:04:05Z", "new_endpoints": [entry]}
    validation = ValidationDocument.model_validate(fields)

    found, _ = extraction.endpoints(validation, parse_markdown("", "R.md"), SERVICES)

    source = "post-deployment-validation.json:new_endpoints.0"
    assert found == (Endpoint(service="checkout", method="POST", path="/orders", source=source),)


def test_headings_inside_code_are_no_headings() -> None:
    document = parse_markdown("## Notes\n\n```\n## Risks\n- not a risk\n```\n", "R.md")

    assert extraction.risks(document, document, SERVICES) == ()


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("checkout-api may be slow", "checkout-api"),
        ("slow: Checkout", "checkout"),
        ("payments, then checkout", "payments"),
        ("the checkouts", None),
        ("", None),
    ],
)
def test_the_service_that_a_sentence_names_is_the_whole_name(text: str, service: str | None) -> None:
    assert extraction.mentioned(text, SERVICES) == service


@pytest.mark.parametrize(
    ("words", "active"),
    [
        ("active from 2026-01-02", True),
        ("active from never", False),
        ("inactive", False),
        ("disabled", False),
        ("enabled", True),
        ("rolled out to 10 %", None),
    ],
)
def test_a_flag_is_active_only_where_the_words_say_so(words: str, active: bool | None) -> None:
    document = parse_markdown(f"## Feature flags\n\n- refunds: {words}\n", "R.md")

    (flag,) = extraction.flags(document, None)

    assert flag.active is active


@pytest.mark.parametrize("line", ["a -> b, c", "a calls b and c", "a depends on b; c", "a → b, c."])
def test_a_dependency_may_be_said_in_several_ways(line: str) -> None:
    found, problems = extraction.dependencies(parse_markdown(f"## Dependencies\n- {line}\n", "R.md"))

    assert [(d.service, d.on) for d in found] == [("a", "b"), ("a", "c")]
    assert problems == []


@given(st.text(alphabet="#-*|> `\n\t:ab1[](){}<>\\", max_size=300))
def test_no_text_breaks_the_reader_and_every_line_number_exists(text: str) -> None:
    document = parse_markdown(text, "R.md")

    last = len(text.split("\n"))
    for item in (*document.headings, *document.items, *document.rows):
        assert 1 <= int(item.source.split(":")[1]) <= last
