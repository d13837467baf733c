from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.watch.log_lines import LONGEST, is_grave, masked, message_of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"level":"error","message":"it broke","status":500}', "it broke", id="json"),
        pytest.param('level=error msg="it broke" id=7', "it broke", id="logfmt"),
        pytest.param("2026-03-02 ERROR it broke", "2026-03-02 ERROR it broke", id="plain"),
        pytest.param('{"level":"error"', '{"level":"error"', id="cut-json"),
        pytest.param('["a"]', '["a"]', id="a-list"),
    ],
)
def test_the_message_of_a_line(text: str, message: str) -> None:
    assert message_of(text) == message


@pytest.mark.parametrize(
    ("text", "labels", "grave"),
    [
        pytest.param('{"level":"error","message":"x"}', {}, True, id="json"),
        pytest.param('{"level":"info","message":"no error at all"}', {}, False, id="info-about-an-error"),
        pytest.param("level=warn msg=error", {}, False, id="logfmt-warning"),
        pytest.param("java.lang.NullPointerException: x", {}, False, id="a-name-that-ends-in-exception"),
        pytest.param("Unhandled Exception in x", {}, True, id="words"),
        pytest.param("all fine", {"level": "error"}, True, id="label"),
        pytest.param("ERROR x", {"detected_level": "unknown"}, True, id="label-that-knows-nothing"),
        pytest.param("errors: 0", {}, False, id="a-count"),
    ],
)
def test_which_lines_are_errors(text: str, labels: dict[str, str], grave: bool) -> None:
    assert is_grave(text, labels) is grave


@pytest.mark.parametrize(
    "message",
    [
        "order 17 of 2026-03-02T09:00:00.123Z failed",
        "order 993 of 2026-11-22T21:00:00.000Z failed",
    ],
)
def test_numbers_and_times_are_masked(message: str) -> None:
    assert masked(message) == "order <*> of <*> failed"


@pytest.mark.parametrize(
    "secret",
    [
        "password=hunter2",
        "Authorization: abc.def",
        "api_key: 0a1b2c",
        "ada@example.com",
        "5b1fa1a0-7a3c-4f6e-9d57-3b0c9f0f6a11",
        "deadbeef01",
        "https://u:p@host/x?token=1",
        "eyJhbGciOiJIUzI1NiJ9abcDEF123",
    ],
)
def test_what_may_tell_on_somebody_is_masked(secret: str) -> None:
    assert masked(f"cannot log in {secret} now") == "cannot log in <*> now"


@given(text=st.text(max_size=2_000))
def test_any_line_can_be_read(text: str) -> None:
    message = message_of(text)

    assert len(message) <= LONGEST
    assert masked(masked(message)) == masked(message)
    is_grave(text, {})
