from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.errors import InvalidInputError
from release_watch.identifiers import IDENTIFIER_PATTERN, identifier, is_identifier, promql_string

IDENTIFIERS = st.from_regex(IDENTIFIER_PATTERN.replace("$", r"\Z"))


@given(IDENTIFIERS)
def test_an_identifier_is_one_plain_path_segment(value: str) -> None:
    assert is_identifier(value)
    assert PurePosixPath(value).parts == (value,)
    assert ".." not in value


@given(IDENTIFIERS)
def test_an_identifier_needs_no_escape_in_promql(value: str) -> None:
    assert promql_string(value) == f'"{value}"'


@pytest.mark.parametrize(
    "value",
    [
        "",
        "..",
        "a/../b",
        "a..b",
        "../x",
        "/etc",
        "a b",
        'a"} or vector(1)',
        "a\n",
        "-a",
        ".a",
        "ä",
        "a" * 121,
        7,
        None,
    ],
)
def test_what_could_leave_its_place_is_refused_by_name_with_a_remedy(value: object) -> None:
    assert not is_identifier(value)
    with pytest.raises(InvalidInputError, match=r"release_id: .*use letters, digits"):
        identifier(value, "release_id")


def test_a_good_identifier_is_returned_unchanged() -> None:
    assert identifier("shop-1.1.0_rc", "release_id") == "shop-1.1.0_rc"


def test_a_refusal_never_repeats_an_endless_value() -> None:
    with pytest.raises(InvalidInputError) as caught:
        identifier("x" * 10_000, "release_id")

    assert len(str(caught.value)) < 400


@given(st.text())
def test_a_promql_string_has_no_quote_that_ends_it_early(value: str) -> None:
    inner = promql_string(value)[1:-1]
    unescaped = inner.replace("\\\\", "")

    assert '"' not in unescaped.replace('\\"', "")
    assert "\n" not in inner
