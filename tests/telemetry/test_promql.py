from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.selectors import Matcher
from release_watch.identifiers import promql_string
from release_watch.telemetry.promql import (
    MOST_OPERATORS,
    AllOf,
    AnyOf,
    SeriesSelector,
    need_of,
    selectors_of,
    wanted_by,
)
from release_watch.telemetry.promql_text import normalised

JOB = Matcher("job", "=", "shop")


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        pytest.param("sum by (job) (rate(a[5m]))", ["a"], id="aggregation"),
        pytest.param("max_over_time(rate(a[5m])[1h:1m])", ["a"], id="subquery"),
        pytest.param("a @ end() + b @ 1609746000 offset -5m", ["a", "b"], id="at"),
        pytest.param("absent(a) or absent_over_time(b[5m])", ["a", "b"], id="absent"),
        pytest.param("a or b unless c and d", ["a", "b", "c", "d"], id="set operators"),
        pytest.param("topk(scalar(a), -b ^ (c))", ["a", "b", "c"], id="parameter and sign"),
        pytest.param('{__name__="a"} / {__name__="on"}', ["a", "on"], id="name as a matcher"),
        pytest.param("vector(1) + time()", [], id="no series"),
        pytest.param("a # b\n + c", ["a", "c"], id="comment"),
    ],
)
def test_every_selector_of_an_expression_is_found(expression: str, metrics: list[str]) -> None:
    assert [selector.metric for selector in selectors_of(expression)] == metrics


def test_a_selector_has_its_matchers_in_order_and_unescaped() -> None:
    (selector,) = selectors_of(r'a{z!="1", job="shop", path=~"\\d+\"", job="shop"}')
    assert selector.matchers == (JOB, Matcher("path", "=~", '\\d+"'), Matcher("z", "!=", "1"))


def test_a_raw_string_keeps_its_backslashes() -> None:
    (selector,) = selectors_of(r"a{path=~`\d+`}")
    assert selector.matchers == (Matcher("path", "=~", r"\d+"),)


def test_a_pattern_of_names_stays_a_matcher() -> None:
    (selector,) = selectors_of('{__name__=~"a|b",job="shop"}')
    assert selector == SeriesSelector("", (Matcher("__name__", "=~", "a|b"), JOB))


def test_range_and_offset_hold_those_of_the_subqueries_around() -> None:
    (selector,) = selectors_of("max_over_time(rate(a[5m] offset 1m)[1h:1m] offset 10m)")
    assert (selector.range, selector.offset) == (timedelta(minutes=65), timedelta(minutes=11))


def test_an_instant_selector_has_neither_range_nor_offset() -> None:
    assert selectors_of("a") == (SeriesSelector("a", ()),)


@pytest.mark.parametrize(
    "expression",
    ["a", 'a{job="x"}', '{__name__="on"}', '{__name__="http.requests",job="x"}', '{__name__=~"a.+"}'],
)
def test_the_text_of_a_selector_selects_the_same(expression: str) -> None:
    (selector,) = selectors_of(expression)
    assert selectors_of(str(selector)) == (selector,)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("sum(rate(a[5m])", "unclosed left parenthesis", id="bracket"),
        pytest.param("rate(a)", "expected type matrix", id="type"),
        pytest.param("", "no expression", id="empty"),
        pytest.param("{}", "at least one non-empty matcher", id="everything"),
        pytest.param('a{b="1" or c="2"}', "no PromQL", id="alternatives"),
        pytest.param("a" + "+a" * (MOST_OPERATORS + 1), "more than", id="operators"),
        pytest.param("(" * 9_000 + "a" + ")" * 9_000, "more than", id="deep"),
        pytest.param("abs(" * 900 + "a" + ")" * 900, "nested", id="nested"),
    ],
)
def test_what_cannot_be_read_is_refused_with_words(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        selectors_of(expression)


def test_what_absent_asks_for_and_what_unless_takes_away_is_optional() -> None:
    wanted = wanted_by(need_of("a + absent(b) unless c"))
    assert {w.selector.metric: w.optional for w in wanted} == {"a": False, "b": True, "c": True}


def test_the_branches_of_an_or_are_alternatives_however_they_nest() -> None:
    need = need_of("a or (b or c * d)")
    assert isinstance(need, AnyOf)
    assert [type(part).__name__ for part in need.parts] == ["Wanted", "Wanted", "AllOf"]


def test_an_or_with_a_constant_needs_nothing() -> None:
    need = need_of("a or vector(0)")
    assert isinstance(need, AnyOf)
    assert AllOf(()) in [AllOf(tuple(wanted_by(part))) for part in need.parts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a / ignoring () b", "a / b", id="ignoring nothing"),
        pytest.param('a{x="1",b=~"2"}', "a{ b=~'2', x='1', }", id="matchers"),
        pytest.param("sum(a) by (y, x)", "sum by (x, y) (a)", id="labels"),
        pytest.param("a * on (y,x) group_left (q,p) b", "a * on(x,y) group_left(p,q) (b)", id="matching"),
        pytest.param("((a + (b))) * (c)", "(a+b)*c", id="parentheses"),
        pytest.param("(a - b) - c", "a - b - c", id="left first"),
        pytest.param("2 ^ (3 ^ a)", "2 ^ 3 ^ a", id="right first"),
        pytest.param("a[90s] offset 60s", "a[1m30s] offset 1m", id="durations"),
        pytest.param('{__name__="a"}', "a", id="name"),
        pytest.param("a > 1.0 # why", "a > 1", id="numbers and comments"),
        pytest.param(r"a{x=~`\d`}", r'a{x=~"\\d"}', id="raw strings"),
        pytest.param("sum by () (a)", "sum(a)", id="empty grouping"),
    ],
)
def test_expressions_of_the_same_meaning_have_the_same_text(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a - (b - c)", "a - b - c", id="order"),
        pytest.param("(a + b) * c", "a + b * c", id="precedence"),
        pytest.param("(-a) ^ 2", "-a ^ 2", id="sign"),
        pytest.param("(2 ^ 3) ^ a", "2 ^ 3 ^ a", id="power"),
        pytest.param("a > bool 1", "a > 1", id="bool"),
        pytest.param("a and on () b", "a and b", id="matching on nothing"),
        pytest.param("sum without () (a)", "sum(a)", id="without nothing"),
        pytest.param("a offset 5m", "a", id="offset"),
        pytest.param('a{x="1"}', 'a{x=~"1"}', id="operator"),
        pytest.param("rate(a[5m])", "rate(a[6m])", id="range"),
        pytest.param("a[1h:1m]", "a[1h:]", id="step"),
        pytest.param("a @ start()", "a @ end()", id="at"),
        pytest.param("a / fill_left(1) b", "a / fill_right(1) b", id="fill"),
        pytest.param("a unless b", "b unless a", id="sides"),
    ],
)
def test_expressions_of_another_meaning_have_another_text(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


# -- properties ------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "on_", "level:metric:sum", "up", "sum"])
labels = st.sampled_from(["job", "le", "instance", "service", "bool"])
values = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=5) | st.sampled_from(
    ["", 'say "x"', "back\\slash", "line\nbreak"]
)
durations = st.sampled_from(["1s", "90s", "5m", "1h", "1d12h"])
matchers = st.builds(
    lambda label, operator, value: f"{label}{operator}{promql_string(value)}",
    labels,
    st.sampled_from(["=", "!="]),
    values,
)


@st.composite
def selectors(draw: st.DrawFn) -> str:
    inner = draw(st.lists(matchers, max_size=4))
    shift = draw(st.sampled_from(["", " offset 5m", " offset -90s", " @ 5", " @ start() offset 1m"]))
    return f"{draw(names)}{{{', '.join(inner)}}}{shift}"


@st.composite
def larger(draw: st.DrawFn, smaller: st.SearchStrategy[str]) -> str:
    one, other = draw(smaller), draw(smaller)
    chosen = draw(st.lists(labels, max_size=3))
    span = draw(durations)
    listed = ", ".join(chosen)
    return draw(
        st.sampled_from(
            [
                f"({one})",
                f"-({one})",
                f"({one}) ^ ({other})",
                f"({one}) - ({other})",
                f"({one}) * on ({listed}) ({other})",
                f"({one}) / ignoring ({listed}) group_left (pod, host) ({other})",
                f"({one}) > bool ({other})",
                f"({one}) or ({other})",
                f"({one}) unless on ({listed}) ({other})",
                f"sum by ({listed}) ({one})",
                f"topk without ({listed}) (3, {one})",
                f"absent({one})",
                f"max_over_time(({one})[{span}:30s] offset 5m)",
                f"clamp({one}, -1, 1.5e3) + 0.1",
            ]
        )
    )


ranges = st.builds(
    lambda selector, span: f"rate({selector[: selector.rindex('}') + 1]}[{span}])", selectors(), durations
)
expressions = st.recursive(selectors() | ranges, larger, max_leaves=8)


@given(expressions)
def test_the_canonical_text_selects_the_same(expression: str) -> None:
    assert selectors_of(normalised(expression)) == selectors_of(expression)


@given(expressions)
def test_the_canonical_text_needs_the_same(expression: str) -> None:
    assert need_of(normalised(expression)) == need_of(expression)


@given(expressions)
def test_the_canonical_text_is_its_own(expression: str) -> None:
    assert normalised(normalised(expression)) == normalised(expression)


@given(
    st.lists(matchers, min_size=1, max_size=5).flatmap(lambda m: st.tuples(st.just(m), st.permutations(m)))
)
def test_the_order_of_matchers_does_not_matter(orders: tuple[list[str], list[str]]) -> None:
    one, other = (f"sum(rate(a{{{','.join(order)}}}[5m]))" for order in orders)
    assert normalised(one) == normalised(other)
