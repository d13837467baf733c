"""Many made-up histories tried on one set of rules by a single ``promtool test rules``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from release_watch.slo.rulefile import RuleGroup, to_yaml


class Wanted(NamedTuple):
    """What a query gives at a moment: one sample without labels, or none at all (None)."""

    query: str
    moment: str
    value: float | None


class History(NamedTuple):
    """Made-up series, and what must come of them."""

    series: Mapping[str, str]
    wanted: Sequence[Wanted]


class Firing(NamedTuple):
    """Alerts of a name at a moment, each with all its labels and annotations."""

    alert: str
    moment: str
    alerts: Sequence[Mapping[str, Mapping[str, str]]]


def fires(alert: str, moments: Mapping[str, bool]) -> list[Wanted]:
    """Return that alerts whose name matches fire at these moments, or that none does."""
    firing = f'count(count by (alertname) (ALERTS{{alertname=~"{alert}",alertstate="firing"}})) or vector(0)'
    return [Wanted(firing, moment, int(wanted)) for moment, wanted in moments.items()]


def try_rules(
    promtool: Path,
    folder: Path,
    groups: Sequence[RuleGroup],
    histories: Sequence[History],
    *,
    step: str = "30s",
    firing: Sequence[Firing] = (),
) -> None:
    """Assert what comes of each history, with a sample and an evaluation of all rules every ``step``."""
    done = run(promtool, folder, groups, histories, step=step, firing=firing)
    assert done.returncode == 0, done.stderr + done.stdout


def answers(
    promtool: Path, folder: Path, groups: Sequence[RuleGroup], history: History, *, step: str = "30s"
) -> str:
    """Return what promtool found other than wanted: ask for the impossible to see what there is."""
    done = run(promtool, folder, groups, [history], step=step)
    return re.sub(r"[ \t]+", " ", done.stderr + done.stdout)


def run(
    promtool: Path,
    folder: Path,
    groups: Sequence[RuleGroup],
    histories: Sequence[History],
    *,
    step: str = "30s",
    firing: Sequence[Firing] = (),
) -> subprocess.CompletedProcess[str]:
    """Run the trial and return the finished process."""
    tests: list[dict[str, Any]] = [
        {
            "interval": step,
            "input_series": [{"series": name, "values": values} for name, values in history.series.items()],
            "promql_expr_test": [
                {
                    "expr": one.query,
                    "eval_time": one.moment,
                    "exp_samples": [] if one.value is None else [{"labels": "{}", "value": one.value}],
                }
                for one in history.wanted
            ],
        }
        for history in histories
    ]
    tests[0]["alert_rule_test"] = [
        {
            "alertname": one.alert,
            "eval_time": one.moment,
            "exp_alerts": [
                {"exp_labels": dict(alert["labels"]), "exp_annotations": dict(alert["annotations"])}
                for alert in one.alerts
            ],
        }
        for one in firing
    ]
    content = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": step,
        "group_eval_order": [group.name for group in groups],
        "tests": tests,
    }
    folder.joinpath("rules.yaml").write_text(to_yaml(groups))
    folder.joinpath("tests.yaml").write_text(yaml.safe_dump(content))
    return subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True
    )
