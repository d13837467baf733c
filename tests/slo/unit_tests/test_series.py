"""Made-up series: texts that patterns match, labels that selectors find, and promtool's notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.selectors import Matcher
from release_watch.slo.unit_tests.cells import cells_of
from release_watch.slo.unit_tests.mixing import solve
from release_watch.slo.unit_tests.notation import written
from release_watch.slo.unit_tests.regexes import examples
from release_watch.telemetry.promql import SeriesSelector


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("5..", "500"),
        ("5..|429", "500"),
        ("(5..|429)", "500"),
        ("2[0-9]{2}", "200"),
        (r"0\.25", "0.25"),
        (r"/api/v\d+/.*", "/api/v1/a"),
        ("(?i:get)", "get"),
        ("[^2].+", "aa"),
        ("colou?r", "colour"),
    ],
)
def test_a_text_is_found_that_a_pattern_matches(pattern: str, first: str) -> None:
    assert examples(pattern)[0] == first


@pytest.mark.parametrize("pattern", ["(?=5).", "(", "[", r"\p{L}", "(a)(", "a{2"], ids=repr)
def test_a_pattern_beyond_what_is_read_has_no_or_fitting_examples(pattern: str) -> None:
    assert all(re.fullmatch(pattern, text) for text in examples(pattern))


@given(st.from_regex(r"[a-c0-9.|()\[\]?*+\\{}^$-]{0,12}", fullmatch=True))
def test_no_pattern_breaks_the_search_and_every_example_fits(pattern: str) -> None:
    for text in examples(pattern):
        assert re.fullmatch(pattern, text)


def selector(metric: str, *matchers: tuple[str, str, str]) -> SeriesSelector:
    return SeriesSelector(metric, tuple(Matcher(*one) for one in matchers))


def test_a_series_is_made_for_each_set_of_selectors_that_one_can_fit() -> None:
    bad, total = (
        selector("a", ("code", "=~", "5..")),
        selector("a", ("job", "=", "shop"), ("code", "!=", "404")),
    )

    found = {str(cell): set(cell.fits) for cell in cells_of([bad, total], {})}

    assert sorted(map(sorted, found.values())) == [[0], [0, 1], [1]]
    assert found['a{code="500",job="shop"}'] == {0, 1}


def test_rates_are_found_that_give_each_slo_its_numbers() -> None:
    one, none = Fraction(1), Fraction(0)
    # the first series is bad and counted, the second only counted
    rates = solve([((one, none), (none, one)), ((one, one), (one, none))], parameters=2)

    assert rates == [(none, one), (one, -one)]


def test_rates_that_would_fall_are_none() -> None:
    one, none = Fraction(1), Fraction(0)
    assert solve([((one,), (none, one)), ((one,), (one, none))], parameters=2) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0, 0, 0, 0], "0+0x3"),
        ([0, 10, 20, 25], "0+10x2 25"),
        ([5, 4, 3], "5-1x2"),
        ([1, 2, None, None, 9], "1 2 stale _x1 9"),
        ([None, None, 3], "_x2 3"),
        ([0.5, 0.5, 0.5], "0.5+0x2"),
        ([7], "7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_are_written_as_promtool_reads_them(values: Sequence[float | None], text: str) -> None:
    assert written(values) == text
