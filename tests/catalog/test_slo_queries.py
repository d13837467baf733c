"""A query is a bare selector, or an expression with a window for every range; both are told how to write."""

from __future__ import annotations

import re

import pytest

from release_watch.catalog.documents import Document
from release_watch.catalog.objectives.events import counted
from release_watch.catalog.objectives.places import Place
from release_watch.catalog.objectives.queries import Query, read_query
from release_watch.errors import InvalidInputError

PLACE = Place(Document("slo.yaml", {}, {("q",): 7}), ("q",))
WINDOW = "{{.window}}"


def query(text: str) -> Query:
    return read_query(PLACE, text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("x_total", "x_total", id="bare"),
        pytest.param('x_total{ job = "a", code=~"5..", }', 'x_total{job="a",code=~"5.."}', id="matchers"),
        pytest.param("x_total{path=`/a\\d`}", 'x_total{path="/a\\\\d"}', id="raw string"),
        pytest.param("rate(x[{{.window}}])", f"rate(x[{WINDOW}])", id="window"),
        pytest.param("rate(x[{{ .window }}])", f"rate(x[{WINDOW}])", id="window with spaces"),
        pytest.param("rate(x[{{- .window -}}])", f"rate(x[{WINDOW}])", id="window trimmed"),
        pytest.param(
            "sum(\n  rate(x[{{.window}}])  # all of them\n)", f"sum(rate(x[{WINDOW}]))", id="several lines"
        ),
        pytest.param(
            "sum_over_time((count(x < 1))[{{.window}}:1m]) OR on() vector(0)",
            f"sum_over_time(count(x < 1)[{WINDOW}:1m]) or on () vector(0)",
            id="subquery",
        ),
    ],
)
def test_both_forms_are_brought_to_one_text(text: str, read: str) -> None:
    assert query(text).text == read
    assert query(query(text).text).text == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("sum(rate(x[5m]))", "has a range of its own", id="fixed range"),
        pytest.param("x_total[5m]", "has a range of its own", id="bare range"),
        pytest.param("sum(x)", "an expression without a range", id="no range"),
        pytest.param("x_total offset 5m", "an expression without a range", id="offset"),
        pytest.param("rate(x[{{.window}}]) / rate(y[5m])", "range of its own beside", id="two ranges"),
        pytest.param("rate(x[{{.window}}]) / rate(y[86399s])", "where no range goes", id="the stand-in"),
        pytest.param("max_over_time(rate(x[5m])[{{.window}}:])", "range of its own beside", id="subquery"),
        pytest.param('rate(x{job="{{.window}}"}[{{.window}}])', "where no range goes", id="in a label"),
        pytest.param("rate(x[{{.window}}] offset {{.window}})", "where no range goes", id="in an offset"),
        pytest.param("rate(x[{{.window}}])[{{.window}}:]", "is a range and no number", id="range vector"),
        pytest.param("x[{{.window}}]", "is a range and no number", id="no function"),
        pytest.param("rate({{ .Values.metric }}[{{.window}}])", "only template", id="Helm"),
        pytest.param("rate(x[$__rate_interval])", "is no bare counter", id="Grafana"),
        pytest.param("rate(x[{{.window}}]", "is no PromQL expression", id="unbalanced"),
        pytest.param("vector(1)[{{.window}}]", "ranges only allowed for vector", id="range of a number"),
        pytest.param("bool", "write a bare selector", id="keyword"),
        pytest.param("   ", "needs a query", id="empty"),
    ],
)
def test_anything_else_is_refused_and_both_forms_are_shown(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        query(text)

    (problem,) = refused.value.problems
    assert problem.startswith("slo.yaml:7: q: ")
    assert said in problem
    assert 'http_requests_total{job="shop",code=~"5.."}' in problem
    assert 'sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))' in problem


@pytest.mark.parametrize(
    ("part", "total", "per_second"),
    [
        pytest.param("a_total", "b_total", True, id="counters"),
        pytest.param("rate(a[{{.window}}])", "irate(b[{{.window}}])", True, id="rate"),
        pytest.param("increase(a[{{.window}}])", "increase(b[{{.window}}])", False, id="increase"),
        pytest.param("sum_over_time(a[{{.window}}])", "count_over_time(a[{{.window}}])", False, id="samples"),
    ],
)
def test_whether_events_are_per_second_is_told_by_the_function(
    part: str, total: str, per_second: bool
) -> None:
    events = counted(query(part), None, query(total), ())

    assert events.per_second is per_second


@pytest.mark.parametrize(
    ("part", "total", "said"),
    [
        pytest.param("a_total", "rate(b[{{.window}}])", "write both alike", id="two forms"),
        pytest.param("rate(a[{{.window}}])", "increase(b[{{.window}}])", "same function in both", id="paces"),
        pytest.param(
            "rate(a[{{.window}}]) + increase(b[{{.window}}])", "rate(b[{{.window}}])", "mixes", id="mixed"
        ),
        pytest.param(
            "avg_over_time(a[{{.window}}])", "rate(b[{{.window}}])", "avg_over_time() over", id="mean"
        ),
        pytest.param("a_total", "a_total", "the same query", id="same"),
        pytest.param("a_total", 'a_total{code="200"}', 'demands code="200"; good and total look', id="swap"),
        pytest.param(
            "sum(rate(a[{{.window}}]))", 'sum(rate(a{code="200"}[{{.window}}]))', "swapped", id="swap in sum"
        ),
        pytest.param("h_count", 'h_bucket{le="1"}', "total only a bucket; good and", id="swapped bucket"),
        pytest.param("h_bucket", "h_count", "adds up all buckets", id="no le"),
        pytest.param('h_bucket{le="fast"}', "h_count", "is no number", id="le in words"),
        pytest.param('h_bucket{le="+Inf"}', "h_count", "counts every event", id="all"),
        pytest.param(
            "sum(rate(h_bucket[{{.window}}]))", "sum(rate(h_count[{{.window}}]))", "all buckets", id="sum"
        ),
    ],
)
def test_queries_that_do_not_make_a_share_are_refused(part: str, total: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        counted(query(part), None, query(total), ())


@pytest.mark.parametrize(
    "text",
    [
        "x_total",
        "sum by (route) (rate(x[{{.window}}]))",
        "sum without (pod) (rate(x[{{.window}}]))",
        "rate(x[{{.window}}]) * 2",
        "rate(x[{{.window}}]) / on (route) group_left rate(y[{{.window}}])",
        'label_replace(sum(rate(x[{{.window}}])), "route", "all", "", "")',
        "topk(3, rate(x[{{.window}}]))",
        'sum by (route) (rate(x{route="/a"}[{{.window}}])) or sum by (route) (rate(x[{{.window}}]))',
    ],
)
def test_an_expression_that_keeps_the_label_can_be_grouped_by_it(text: str) -> None:
    part = query(text)

    assert counted(part, None, query(f"{text} + {text}" if not part.counter else "y_total"), ("route",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("sum(rate(x[{{.window}}]))", "its series have lost", id="sum"),
        pytest.param("sum by (job) (rate(x[{{.window}}]))", "its series have lost", id="by another"),
        pytest.param("sum without (route) (rate(x[{{.window}}]))", "its series have lost", id="without"),
        pytest.param(
            "sum by (route) (rate(x[{{.window}}])) or vector(0)", "without 'or vector(0)'", id="or vector"
        ),
        pytest.param(
            "rate(x[{{.window}}]) / on (job) rate(y[{{.window}}])", "its series have lost", id="on another"
        ),
        pytest.param("rate(x[{{.window}}]) / ignoring (route) rate(y[{{.window}}])", "lost", id="ignored"),
        pytest.param('sum by (route) (rate(x{route="/a"}[{{.window}}]))', "fixes to '/a'", id="one value"),
        pytest.param('x_total{route="/a"}', "fixes to '/a'", id="one value of a counter"),
    ],
)
def test_an_expression_that_loses_the_label_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        counted(query(text), None, query("y_total" if "[" not in text else f"{text} + {text}"), ("route",))
