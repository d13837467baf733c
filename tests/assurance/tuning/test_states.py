"""``for`` and ``keep_firing_for`` as Prometheus does them, by promtool over random series."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.tuning.replay import Activity, replay
from release_watch.assurance.tuning.states import Fired, Run, fired
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml

START = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
EVALUATIONS = 40
TIMINGS = [(hold, keep) for hold in (0, 30, 60, 90, 180, 300) for keep in (0, 45, 60, 150, 300)]
SERIES_PER_TIMING = 8


def runs(held: list[bool]) -> list[Run]:
    found = []
    for holds, numbers in groupby(range(len(held)), key=lambda number: held[number]):
        row = list(numbers)
        if holds:
            found.append(Run(row[0], row[-1]))
    return found


def firing_at(held: list[bool], hold: int, keep: int) -> set[int]:
    found = fired(runs(held), step=STEP, hold=timedelta(seconds=hold), keep=timedelta(seconds=keep))
    return {n for one in found for n in range(one.first, one.last + 1) if n < len(held)}


def random_series(source: random.Random) -> list[bool]:
    """Return conditions that hold and do not hold for a while, and sometimes flicker."""
    held: list[bool] = []
    while len(held) < EVALUATIONS:
        held += [source.random() < 0.5] * source.choice([1, 1, 2, 3, 6, 10])
    return held[:EVALUATIONS]


def replayed_at(held: list[bool], rule: Rule) -> set[int]:
    """Return the evaluations at which ``rule`` fires, replayed as a back-test does it."""
    seen = Activity(START, STEP, EVALUATIONS, {"{}": tuple(runs(held))})
    return {
        number
        for one in replay(seen, rule)
        for number in range((one.start - START) // STEP, (one.end - START) // STEP + 1)
    }


def test_fires_at_exactly_the_evaluations_at_which_prometheus_does(promtool: Path, tmp_path: Path) -> None:
    source = random.Random(20261122)
    rules: list[Rule] = []
    series, firing = [], {}
    for hold, keep in TIMINGS * SERIES_PER_TIMING:
        held = random_series(source)
        name = f"A{len(rules)}"
        rule = Rule(alert=name, expr=f"held_{name} > 0", hold=f"{hold}s", keep_firing_for=f"{keep}s")
        rules.append(rule)
        series.append({"series": f"held_{name}", "values": " ".join("1" if one else "0" for one in held)})
        firing[name] = replayed_at(held, rule)
    asked = [
        {
            "expr": 'sum by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{number}m",
            "exp_samples": [
                {"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing if number in firing[name]
            ],
        }
        for number in range(EVALUATIONS)
    ]
    assert sum(map(len, firing.values())) > len(rules)
    (tmp_path / "rules.yaml").write_text(to_yaml([RuleGroup(name="g", rules=tuple(rules))]))
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize(
    ("hold", "keep", "expected"),
    [
        pytest.param(0, 0, [Fired(2, 2, 4), Fired(6, 6, 9)], id="no for: at once"),
        pytest.param(120, 0, [Fired(2, 4, 4), Fired(6, 8, 9)], id="for: at the evaluation that completes it"),
        pytest.param(121, 0, [Fired(6, 9, 9)], id="a second more: one evaluation later"),
        pytest.param(600, 0, [], id="too long"),
        pytest.param(0, 60, [Fired(2, 2, 10)], id="kept until it comes back: one firing"),
        pytest.param(180, 60, [Fired(6, 9, 10)], id="what never fired is not kept"),
    ],
)
def test_each_rule_of_the_state_machine(hold: int, keep: int, expected: list[Fired]) -> None:
    found = fired(
        [Run(2, 4), Run(6, 9)], step=STEP, hold=timedelta(seconds=hold), keep=timedelta(seconds=keep)
    )
    assert found == expected


def stepwise(held: list[bool], hold: int, keep: int) -> set[int]:
    """Return what ``AlertingRule.Eval`` does, evaluation by evaluation."""
    active: int | None = None
    firing, absent_since = False, None
    seen: set[int] = set()
    for number, holds in enumerate(held):
        if holds:
            active = number if active is None else active
            absent_since = None
            firing = firing or (number - active) * 60 >= hold
        else:
            absent_since = number if absent_since is None else absent_since
            if not (firing and (number - absent_since) * 60 < keep):
                active, firing, absent_since = None, False, None
        if firing:
            seen.add(number)
    return seen


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 900), st.integers(0, 900))
def test_runs_and_single_evaluations_come_to_the_same(held: list[bool], hold: int, keep: int) -> None:
    assert firing_at(held, hold, keep) == stepwise(held, hold, keep)
