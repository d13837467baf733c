from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.selectors import Matcher, joined, one_of, parse_counter, parse_selector

LABELS = st.from_regex(r"\A[a-z_][a-z0-9_]{0,9}\Z")


@given(st.lists(st.builds(Matcher, LABELS, st.sampled_from(["=", "!="]), st.text(min_size=1)), min_size=1))
def test_what_is_written_is_read_back(matchers: list[Matcher]) -> None:
    demanding = [*matchers, Matcher("job", "=", "x")]

    assert parse_selector(joined(demanding)) == tuple(demanding)


@given(st.text())
def test_whatever_is_accepted_is_nothing_but_matchers(text: str) -> None:
    try:
        matchers = parse_selector(text)
    except ValueError:
        return
    assert parse_selector(joined(matchers)) == matchers


@pytest.mark.parametrize(
    "text",
    [
        'job="shop/checkout"',
        '{job="shop/checkout"}',
        " { job = 'shop/checkout' , } ",
        "{job=`shop/checkout`}",
    ],
)
def test_the_ways_to_write_a_selector_are_one(text: str) -> None:
    assert joined(parse_selector(text)) == 'job="shop/checkout"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "job",
        'job="a" or vector(1)',
        'job="a"} or {b="c"',
        'job="a" b="c"',
        'job="a\\q"',
        'job=""',
        'job!="a"',
        'job=~".*"',
        'job=~"a|"',
        '1job="a"',
        'job="a"[5m]',
    ],
)
def test_what_is_no_selector_or_matches_everything_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|asks for a value|is not known"):
        parse_selector(text)


@pytest.mark.parametrize(
    ("text", "name", "matchers"),
    [
        ("requests_total", "requests_total", ""),
        ('requests_total{code=~"5.."}', "requests_total", 'code=~"5.."'),
        (' a:b_total { x="y}" } ', "a:b_total", 'x="y}"'),
    ],
)
def test_a_bare_counter_is_a_name_with_matchers(text: str, name: str, matchers: str) -> None:
    found_name, found = parse_counter(text)

    assert (found_name, joined(found)) == (name, matchers)


@pytest.mark.parametrize(
    "text",
    ["rate(x[5m])", "x + y", 'x{a="b"} or y', "", "x[5m]", 'x{a="b"}[5m]', "sum(x)", 'x{a="b"} or y{c="d"}'],
)
def test_an_expression_is_no_bare_counter(text: str) -> None:
    with pytest.raises(ValueError, match=r"no bare counter|cannot be read"):
        parse_counter(text)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.text())
def test_a_pattern_of_values_matches_these_and_no_others(values: list[str], other: str) -> None:
    pattern = one_of(values)

    assert all(re.fullmatch(pattern, value) for value in values)
    assert bool(re.fullmatch(pattern, other)) == (other in values)
