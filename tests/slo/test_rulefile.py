"""Rule files: written, read back, and refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import (
    Rule,
    RuleGroup,
    duration,
    from_yaml,
    parse_prometheus_duration,
    to_yaml,
)

TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60)


@given(expr=TEXTS, label=TEXTS, note=TEXTS)
def test_whatever_text_a_rule_holds_survives_the_file(expr: str, label: str, note: str) -> None:
    timing = {"hold": "5m", "keep_firing_for": "10m"}
    rule = Rule(alert="A", expr=expr, labels={"slo": label}, annotations={"summary": note}, **timing)
    groups = [RuleGroup(name="g", interval="30s", rules=(rule, Rule(record="r:x", expr="1")))]
    assert from_yaml(to_yaml(groups)) == groups


@pytest.mark.parametrize(
    "text",
    [
        "- 1",
        "groups: 3",
        "groups: [{name: g, rules: [{expr: x}]}]",
        "groups: [",
        "groups: [{name: g, rules: [{alert: a}]}]",
    ],
    ids=["a list", "groups no list", "rule without name", "no YAML", "rule without expr"],
)
def test_what_is_no_rule_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="rule file"):
        from_yaml(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(minutes=5), "5m"),
        (timedelta(days=3), "3d"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=30), "30s"),
    ],
    ids=["5m", "3d", "1h30m", "30s"],
)
def test_durations_are_prometheus_own(length: timedelta, text: str) -> None:
    assert duration(length) == text
    assert parse_prometheus_duration(text) == length


def test_timing_is_spelled_as_prometheus_does() -> None:
    rule = Rule(alert="A", expr="up == 0", hold="5m", keep_firing_for="10m")
    text = to_yaml([RuleGroup(name="g", rules=(rule,))])
    assert yaml.safe_load(text)["groups"][0]["rules"] == [
        {"alert": "A", "expr": "up == 0", "for": "5m", "keep_firing_for": "10m"}
    ]


def test_no_time_needs_no_unit() -> None:
    assert parse_prometheus_duration("0") == parse_prometheus_duration("0s") == timedelta(0)


def test_a_duration_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        duration(timedelta(0))
