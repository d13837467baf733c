"""The lint: each check finds what it is for, and is silent on the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from release_watch.slo.lint import Finding, errors, lint
from release_watch.slo.rulefile import Rule, RuleGroup

TEXTS = {"summary": "it is down", "runbook_url": "https://runbooks.example.com/#a"}
HALF_MINUTE = timedelta(seconds=30)


def findings(*rules: Rule, interval: str | None = "30s", scraped: timedelta = HALF_MINUTE) -> list[Finding]:
    return lint([RuleGroup(name="g", interval=interval, rules=rules)], scrape_interval=scraped)


def alert(expr: str, **fields: Any) -> Rule:
    fields = {"hold": "5m", "annotations": TEXTS, **fields}
    return Rule(alert="A", expr=expr, **fields)


def record(expr: str, name: str = "level:metric:operation") -> Rule:
    return Rule(record=name, expr=expr)


def said(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.what) for one in found]


@pytest.mark.parametrize(
    ("expr", "severity", "what"),
    [
        ("rate(up[5m])", "error", "rate of a gauge"),
        ("increase(build_info[5m])", "error", "rate of a gauge"),
        ("rate(process_resident_memory_bytes[5m])", "warning", "rate of a gauge"),
        ("rate(requests[5m])", "warning", "rate of a gauge"),
        ("deriv(requests_total[5m])", "warning", "trend of a counter"),
        ("rate(sum(requests_total)[5m:30s])", "error", "rate of an aggregate"),
        ("rate(job:requests_total:sum[5m])", "error", "rate of an aggregate"),
        ("rate(rate(requests_total[5m])[1h:5m])", "error", "rate of a rate"),
        ("sum(requests_total)", "warning", "raw counter"),
        ("requests_total{code='500'} / ignoring(code) requests_total", "warning", "raw counter"),
        ("sum(rate(requests_total[1m]))", "warning", "short range"),
        ("histogram_quantile(0.9, sum by (job) (rate(x_bucket[5m])))", "error", "no le"),
        ("histogram_quantile(0.9, sum without (le) (rate(x_bucket[5m])))", "error", "no le"),
        ('up{job=~"shop"}', "warning", "plain regex"),
        ('up{job!~"shop"}', "warning", "plain regex"),
        ('up{job=~"^shop.*"}', "warning", "anchored regex"),
        ("sum(up) / sum by (job) (up)", "error", "matching"),
        ("sum by (job) (up) and sum by (instance) (up)", "error", "matching"),
        ("sum(up) / on (job) sum by (job) (up)", "error", "matching"),
        ("sum by (a, b) (up) / ignoring (c) sum by (a) (up)", "error", "matching"),
    ],
)
def test_an_expression_that_does_not_do_what_it_says_is_found(expr: str, severity: str, what: str) -> None:
    assert said(findings(record(expr))) == [(severity, what)]


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (job) (rate(requests_total[5m]))",
        "deriv(process_resident_memory_bytes[1h])",
        "max_over_time(sum(rate(requests_total[5m]))[1h:5m])",
        "count(requests_total)",
        "sum(rate(a_total[5m])) unless requests_total",
        "sum(min_over_time(requests_total[5m]) unless requests_total offset 5m)",
        "timestamp(requests_total)",
        "histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m])))",
        "histogram_quantile(0.9, rate(x_bucket[5m]))",
        "histogram_quantile(0.9, sum(rate(native_histogram_seconds_sum[5m])))",
        'up{job=~"a|b", code=~"5.."}',
        "sum by (job) (up) / on () group_left () sum(up)",
        "sum by (a, b) (up) / ignoring (b) group_left () sum by (a) (up)",
        "sum by (a, b) (up) / ignoring (b) sum by (a) (up)",
        "sum by (job) (up) / up",
        "sum(up) or sum by (job) (up)",
        "1 - sum by (job) (up)",
        "sum by (a) (label_replace(up, 'a', '$1', 'b', '(.*)')) / sum by (a) (up)",
    ],
)
def test_what_does_what_it_says_is_not_found_fault_with(expr: str) -> None:
    assert findings(record(expr)) == []


@pytest.mark.parametrize(
    "expr",
    ["up", "vector(1)", "sum(up)", "up > bool 0", "up + up", "(up == 0) or up", "clamp_min(up, 0)", "3"],
)
def test_an_alert_that_compares_nothing_is_an_error(expr: str) -> None:
    assert ("error", "no condition") in said(findings(alert(expr)))


@pytest.mark.parametrize(
    "expr",
    [
        "up == 0",
        "absent(up)",
        "up unless on (job) probe_success",
        "sum(up == 0)",
        "sum(up) > 3 or absent(up)",
        "max_over_time((up == 0)[5m:30s])",
        "job:errors:high",
        'ALERTS{alertname="B"}',
    ],
)
def test_an_alert_with_a_condition_is_none(expr: str) -> None:
    assert said(findings(alert(expr))) == []


@pytest.mark.parametrize("name", ["Watchdog", "DeadMansSwitch"])
def test_the_dead_mans_switch_always_fires(name: str) -> None:
    assert findings(Rule(alert=name, expr="vector(1)", annotations={"summary": "fires"})) == []


@pytest.mark.parametrize(
    ("fields", "severity", "what"),
    [
        ({"labels": {"value": "{{ $value }}"}}, "error", "changing label"),
        ({"labels": {"now": '{{ query "time()" }}'}}, "error", "changing label"),
        ({"labels": {"commit": "abc"}}, "error", "changing label"),
        ({"labels": {"origin": "a" * 40}}, "error", "changing label"),
        ({"labels": {"version": "1.2"}}, "warning", "changing label"),
        ({"hold": "10s"}, "warning", "short for"),
        ({"annotations": {"summary": "x"}}, "warning", "annotation"),
        ({"annotations": {"runbook_url": "x"}}, "warning", "annotation"),
        ({"annotations": {**TEXTS, "d": "on {{ $labels.instance }}"}}, "error", "template"),
        ({"labels": {"host": "{{ $labels.instance }}"}}, "error", "template"),
    ],
)
def test_what_is_wrong_around_an_alert_is_found(fields: dict[str, Any], severity: str, what: str) -> None:
    assert said(findings(alert("sum by (job) (up) < 1", **fields))) == [(severity, what)]


@pytest.mark.parametrize(
    ("expr", "label", "there"),
    [
        ("sum by (job) (up) < 1", "job", True),
        ("sum without (instance) (up) < 1", "job", True),
        ("sum without (instance) (up) < 1", "instance", False),
        ('absent(up{job="a"})', "job", True),
        ('absent(up{job=~"a"})', "job", False),
        ("topk(1, up) == 0", "instance", True),
        ("sum by (a) (up) * on (a) group_left (b) up > 1", "b", True),
        ("up / on (a) up > 1", "job", False),
        ("up / ignoring (b) up > 1", "b", False),
        ('count_values("version", build) > 1', "version", True),
        ("sum(up) < 1 or up == 0", "instance", True),
        ('label_replace(sum(up), "a", "b", "", "") > 0', "a", True),
    ],
)
def test_a_template_may_show_the_labels_that_are_left(expr: str, label: str, there: bool) -> None:
    found = findings(alert(expr, annotations={**TEXTS, "d": f"{{{{ $labels.{label} }}}}"}))
    assert (("error", "template") not in said(found)) is there


@pytest.mark.parametrize(("hold", "found"), [(None, True), ("30s", True), ("2m", False)])
def test_absence_is_waited_for(hold: str | None, found: bool) -> None:
    assert (("warning", "fragile absent") in said(findings(alert("absent(up)", hold=hold)))) is found


def test_absence_of_an_expression_is_fragile() -> None:
    assert said(findings(alert("absent(sum(up) > 1)"))) == [("warning", "fragile absent")]


def test_what_is_there_twice_is_an_error() -> None:
    one = RuleGroup(name="g", rules=(record("up"), alert("up == 0")))
    found = lint([one, one])
    assert said(found) == [
        ("error", what) for what in ("duplicate group", "duplicate rule", "duplicate rule")
    ]


def test_rules_that_a_label_tells_apart_are_no_duplicates() -> None:
    rules = [alert("up == 0", labels={"tier": tier}) for tier in ("fast", "slow")]
    assert findings(*rules) == []


@pytest.mark.parametrize(
    ("name", "found"), [("errors", True), ("job:errors", True), ("job:errors:rate5m", False)]
)
def test_a_recorded_name_says_level_metric_and_operations(name: str, found: bool) -> None:
    assert (said(findings(record("up", name))) == [("warning", "name")]) is found


def test_what_is_read_before_it_is_recorded_is_one_evaluation_old() -> None:
    used, recorded = record("a:b:c * 2", "d:e:f"), record("up", "a:b:c")
    assert said(findings(used, recorded)) == [("warning", "used before recorded")]
    assert findings(recorded, used) == []
    other = RuleGroup(name="other", rules=(recorded,))
    assert lint([RuleGroup(name="g", rules=(used,)), other]) == []


def test_a_series_that_is_asked_for_with_other_labels_than_it_is_recorded_with() -> None:
    recorded = Rule(record="a:b:c", expr="up", labels={"slo": "x"})
    assert said(findings(recorded, record('a:b:c{slo="y"} * 2', "d:e:f"))) == [("warning", "never recorded")]
    assert findings(recorded, record('a:b:c{slo="x",job="shop"} * 2', "d:e:f")) == []


def test_a_rate_of_what_is_recorded_as_a_sum_of_counters_is_an_error() -> None:
    recorded = record("sum(requests_total)", "job:requests:all")
    found = findings(recorded, record("rate(job:requests:all[5m])", "d:e:f"))
    assert ("error", "rate of an aggregate") in said(found)


@pytest.mark.parametrize("expr", ["sum(", "newer_function(up)", "(" * 2000 + "up" + ")" * 2000])
def test_what_cannot_be_read_here_is_left_to_promtool(expr: str) -> None:
    assert said(findings(record(expr))) == [("warning", "unread")]


def test_a_finding_says_where_why_and_what_to_do() -> None:
    (found,) = errors(findings(alert("up")))
    assert str(found) == (
        "g/A: error: no condition: the expression compares nothing, so the alert fires whenever there are "
        "series; compare with a threshold, without bool"
    )
