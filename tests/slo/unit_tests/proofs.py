"""Rules of SLOs, their generated tests, and what promtool makes of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.unit_tests import UnitTests, unit_tests

Change = Callable[[Rule], Rule | None]
"""What becomes of a rule; None if it is left out."""


def rules_of(slo: Slo) -> tuple[RuleGroup, RuleGroup]:
    page, ticket = SloRules(slo, "production", AlertText("", "", "")).groups()
    return page, ticket


def proof_of(*slos: Slo) -> UnitTests:
    return unit_tests([(slo, rules_of(slo)) for slo in slos])


def failure(
    promtool: Path, folder: Path, groups: Sequence[RuleGroup], tests: UnitTests, *, scenes: Sequence[str] = ()
) -> str:
    """Return what the first failing file of tests says of the rules; nothing if all pass.

    Only the named scenes are tried, where some are named.
    """
    if scenes:
        tests = tests._replace(scenes=tuple(one for one in tests.scenes if one.name in scenes))
    folder.joinpath("rules.yaml").write_text(to_yaml(groups))
    for name, text in tests.files("rules.yaml", PurePath("tests.yaml")).items():
        folder.joinpath(name).write_text(text)
        done = subprocess.run([promtool, "test", "rules", name], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            return done.stderr + done.stdout
    return ""


def changed(groups: Sequence[RuleGroup], change: Change) -> list[RuleGroup]:
    return [
        group.model_copy(update={"rules": tuple(rule for old in group.rules if (rule := change(old)))})
        for group in groups
    ]
