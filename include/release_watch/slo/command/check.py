"""``check``: promtool, our lint, the unit tests, and a server's word, in one result."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from release_watch.errors import InvalidInputError
from release_watch.slo.command.inputs import counted, groups_of, read, rule_sets
from release_watch.slo.command.server import live_problems
from release_watch.slo.command.trial import try_tests
from release_watch.slo.lint import errors, lint
from release_watch.slo.promtool import check_rules
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from release_watch.slo.unit_tests import UnitTests, unit_tests
from release_watch.telemetry.backends import find_tool

DESCRIPTION = """\
Check SLOs and the rules that follow from them. Runs promtool check rules, a lint of what promtool accepts
and yet never works, and the generated unit tests with promtool test rules; with --prometheus, asks the
server what only it can tell. promtool comes with Prometheus; RELEASE_WATCH_PROMTOOL names it, else PATH."""

Outcome = Literal["ok", "FAILED", "left out"]


class Step(NamedTuple):
    """One check: its name, what came of it, and the lines that say more."""

    name: str
    outcome: Outcome
    summary: str = ""
    lines: tuple[str, ...] = ()


def run(options: argparse.Namespace) -> bool:
    """Print what is found; returns whether all is fine.

    Raises:
        InvalidInputError: if there is a problem with any SLO, or the rules to be judged are no rule file.
        ReleaseWatchError: if promtool is missing or the server does not answer.
        OSError: if the rules to be judged cannot be read.
    """
    given = read(options.paths)
    made = rule_sets(given.slos, options)
    groups = _from_file(options.rules) if options.rules else groups_of(made)
    promtool = find_tool("promtool")
    tests = unit_tests(made, dict(options.example))
    steps = [
        _promtool_step(groups, promtool),
        _lint_step(groups),
        _test_step(groups, tests, promtool, wanted=not options.no_tests),
        _live_step(live_problems(given.slos, options.prometheus) if options.prometheus else None),
    ]
    if options.json:
        content = {
            "fine": _fine(steps),
            "slos": [slo.name for slo in given.slos],
            "checks": [step._asdict() for step in steps],
            "not_tested": tests.untested,
            "warnings": given.warnings,
        }
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    else:
        head = f"{len(given.slos)} SLOs: {counted(groups)}"
        also = [f"not tested: {line}" for line in tests.untested]
        also += [f"warning: {line}" for line in given.warnings]
        sys.stdout.write("\n".join([head, *_drawn(steps), *also]) + "\n")
    return _fine(steps)


def _from_file(path: Path) -> list[RuleGroup]:
    try:
        return from_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            [f"{path}:1: file: byte {error.start} is not UTF-8: save it as UTF-8 text"]
        ) from error
    except InvalidInputError as error:
        raise InvalidInputError([f"{path}:1: {problem}" for problem in error.problems]) from error


def _fine(steps: Sequence[Step]) -> bool:
    return all(step.outcome != "FAILED" for step in steps)


def _promtool_step(groups: Sequence[RuleGroup], promtool: Path) -> Step:
    try:
        check_rules(to_yaml(groups), promtool)
    except InvalidInputError as error:
        return Step("promtool check rules", "FAILED", lines=error.problems)
    return Step("promtool check rules", "ok")


def _lint_step(groups: Sequence[RuleGroup]) -> Step:
    found = lint(groups)
    wrong = len(errors(found))
    summary = f"{wrong} errors, {len(found) - wrong} warnings" if found else ""
    return Step("lint", "FAILED" if wrong else "ok", summary, tuple(map(str, found)))


def _test_step(groups: Sequence[RuleGroup], tests: UnitTests, promtool: Path, *, wanted: bool) -> Step:
    name = "promtool test rules"
    if not wanted:
        return Step(name, "left out", "by --no-tests")
    if not tests.scenes:
        return Step(name, "left out", "no series could be made up for any SLO")
    failures = try_tests(to_yaml(groups), tests._replace(groups=tuple(one.name for one in groups)), promtool)
    shown = sum(len(story.checks) for scene in tests.scenes for _, story in scene.stories)
    return Step(name, "FAILED" if failures else "ok", f"{len(tests.scenes)} tests, {shown} moments", failures)


def _live_step(problems: tuple[str, ...] | None) -> Step:
    if problems is None:
        return Step("server", "left out", "retention, buckets and numbers are asked with --prometheus URL")
    return Step("server", "FAILED" if problems else "ok", lines=problems)


def _drawn(steps: Sequence[Step]) -> list[str]:
    width = max(len(step.name) for step in steps)
    lines = []
    for step in steps:
        lines.append(f"{step.name.ljust(width)}  {step.outcome.ljust(8)}  {step.summary}".rstrip())
        lines += [f"  {line}" for line in step.lines]
    return lines
