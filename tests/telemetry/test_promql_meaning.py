"""Two expressions are the same if they give the same samples from the same series, and only then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.telemetry.promql_meaning import (
    read,
    same_but_for_numbers,
    same_meaning,
    without_layout,
)

SAME = [
    ("sum by (a, b) (x)", "sum(x) by (b, a)"),
    ("a + b", "b + a"),
    ("up > 5", "5 < up"),
    ("up >= bool 5", "5 <= bool up"),
    ('a{x=~"5"}', 'a{x="5"}'),
    ('a{x!~"5"}', 'a{x!="5"}'),
    ('a{x=~"p|q"}', 'a{x=~"q|p"}'),
    ('a{x=~".*",y="1"}', 'a{y="1"}'),
    ("x * on (l) group_left (m) y", "y * on (l) group_right (m) x"),
    ("sum by (x) (a) * on (x) sum by (x) (b)", "sum by (x) (b) * on (x) sum by (x) (a)"),
    ("up > 1 - 0.75", "up > 0.25"),
    ("rate(a[60m])", "rate(a[1h])"),
    ("((up)) == 0", "up == 0"),
    ("up > 1e3", "up > 1000"),
    ("-5 < up", "up > (-5)"),
    ("a > 1 # why", "a > 1"),
    ("up > time() * 2", "2 * time() < up"),
    ('{__name__="up"}', "up"),
]
DIFFERENT = [
    ("a - b", "b - a"),
    ("a and b", "b and a"),
    ("a or b", "b or a"),
    ("a > b", "b < a"),
    ("a + on (x) b", "b + on (x) a"),
    ('{__name__=~"a|b"} + c', 'c + {__name__=~"a|b"}'),
    ("x * on (l) group_left y", "y * on (l) group_left x"),
    ("(a + b) + c", "a + (b + c)"),
    ("up > 14.4 * 0.001", "up > 0.0144"),
    ("up > 5", "up >= 5"),
    ("up > 5", "up > bool 5"),
    ("sum by (a) (x)", "sum without (a) (x)"),
    ("rate(a[5m])", "rate(a[5m] offset 5m)"),
    ("max_over_time(a[1h:5m])", "max_over_time(a[1h:1m])"),
    ("sum(a or b)", "sum(aorb)"),
    ("a # x\n+ c", "a # x + c"),
    ('a{x="p , q",y="r , s"}', 'a{x="p , s",y="r , q"}'),
    ('a{x="p|q"}', 'a{x="q|p"}'),
    ('a{x=~"(p|q)r"}', 'a{x=~"(q|p)s"}'),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_gives_the_same_samples_is_the_same(one: str, other: str) -> None:
    assert same_meaning(one, other)
    assert same_meaning(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_may_give_other_samples_is_another(one: str, other: str) -> None:
    assert not same_meaning(one, other)


def test_only_numbers_differ_in_another_threshold() -> None:
    assert same_but_for_numbers("up > 1", "up > 2")
    assert not same_but_for_numbers("up > 1", "up >= 1")
    assert not same_but_for_numbers("up > 1", "up >")


def test_what_cannot_be_read_is_the_same_only_as_text() -> None:
    assert read("of_tomorrow(up[").problem
    assert same_meaning("of_tomorrow( up", "of_tomorrow(up")
    assert not same_meaning("of_tomorrow(up", "of_tomorrow(down")


names = st.sampled_from(["a", "b", "c_total"])
values = st.text(alphabet='ab{},="|.+ #', max_size=6).map(lambda text: text.replace('"', ""))
selectors = st.builds(
    lambda name, pairs: f"{name}{{{','.join(f'{k}={chr(34)}{v}{chr(34)}' for k, v in pairs)}}}",
    names,
    st.lists(st.tuples(st.sampled_from("xyz"), values), max_size=3),
)
expressions = st.recursive(
    selectors,
    lambda inner: st.one_of(
        st.builds(lambda a, b, op: f"({a} {op} {b})", inner, inner, st.sampled_from(["+", "-", "*", "and"])),
        st.builds(lambda a, by: f"sum by ({by}) ({a})", inner, st.sampled_from(["x", "x, y"])),
        st.builds(lambda a, n: f"({a} > {n})", inner, st.integers(0, 3)),
    ),
    max_leaves=5,
)


@given(expressions, expressions)
def test_the_quick_look_at_the_text_agrees_with_the_parser(one: str, other: str) -> None:
    if without_layout(one) == without_layout(other):
        assert read(one).meaning == read(other).meaning


@given(expressions)
def test_other_layout_is_never_another_meaning(one: str) -> None:
    spread = one.replace(" + ", "\n  +\n").replace(" by (", " by(").replace("(", "( ")
    if '"' not in one:
        assert same_meaning(one, spread)
    assert same_meaning(one, f"(({one}))")
