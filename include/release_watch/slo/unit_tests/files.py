"""Unit tests as files for ``promtool test rules``, one for each interval at which the rules are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import PurePath
from textwrap import wrap
from typing import Any, NamedTuple

import yaml

from release_watch.catalog.slos import Slo
from release_watch.identifiers import promql_string
from release_watch.slo.rulefile import RuleGroup, duration
from release_watch.slo.unit_tests.batches import batches
from release_watch.slo.unit_tests.cells import Examples
from release_watch.slo.unit_tests.notation import written
from release_watch.slo.unit_tests.scenes import DAY_TICKET, Scene, scenes, untested
from release_watch.slo.unit_tests.sources import source_of
from release_watch.slo.unit_tests.stories import Check
from release_watch.slo.unit_tests.subjects import ABSENT, Subject, subject_of
from release_watch.slo.unit_tests.terms import UntestableError

MARK = "# Unit tests of SLO alert rules, generated with the rules by Release Watch."
_NAN = 'count(sum by (slo) ({__name__=~"slo:.+"}) != sum by (slo) ({__name__=~"slo:.+"}))'
_SHOWN_WIDTH = 110
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

RuleSet = tuple[Slo, tuple[RuleGroup, RuleGroup]]
"""An SLO and its rules: the group of the page, and that of the ticket."""


class UnitTests(NamedTuple):
    """The tests of a set of rules.

    ``untested`` says, per SLO, which of its alerts, or what of them, no test shows, and why.
    """

    groups: tuple[str, ...]
    scenes: tuple[Scene, ...]
    untested: tuple[str, ...]

    def files(self, rule_file: str, first: PurePath) -> dict[str, str]:
        """Return the test files by name: the quickest tests in ``first``, others beside it.

        promtool knows one interval of evaluation in a file, and not those of the groups.

        Args:
            rule_file: the rules, relative to the folder of the tests.
            first: the name of the first file.
        """
        by_interval: dict[timedelta, list[Scene]] = {}
        for scene in self.scenes:
            by_interval.setdefault(scene.every, []).append(scene)
        names = {
            every: first.name if number == 0 else f"{first.stem}-{duration(every)}{first.suffix}"
            for number, every in enumerate(sorted(by_interval))
        }
        return {
            names[every]: self._file(rule_file, list(names.values()), every, found)
            for every, found in sorted(by_interval.items())
        }

    def _file(self, rule_file: str, names: Sequence[str], every: timedelta, found: Sequence[Scene]) -> str:
        content = {
            "rule_files": [rule_file],
            "evaluation_interval": duration(every),
            "group_eval_order": list(self.groups),
            "tests": [_test(scene) for scene in found],
        }
        body = yaml.dump(content, Dumper=_DUMPER, sort_keys=False, width=10_000, allow_unicode=True)
        return f"{self._head(names, every, found)}\n{body}"

    def _head(self, names: Sequence[str], every: timedelta, found: Sequence[Scene]) -> str:
        lines = [MARK, f"# Run them: promtool test rules {' '.join(names)}", "#"]
        lines += _comment(f"All rules are evaluated every {duration(every)} here.")
        if any(scene.name == DAY_TICKET for scene in found):
            lines += _comment(
                "In life they are evaluated more often; rarer evaluations take so much less of a window for "
                "known, and the error ratios and moments below are reckoned with that."
            )
        lines += ["#", "# What happens:"]
        for name in dict.fromkeys(scene.name for scene in found):
            lines += _comment(f"{name}:", "  ")
            for subject, story in (told for scene in found if scene.name == name for told in scene.stories):
                lines += _comment(f"{subject.name}: {story.summary}", "    ")
        lines += ["#", "# Not tested:" if self.untested else "# Nothing is left out."]
        for line in self.untested:
            lines += _comment(line, "  ")
        return "\n".join(lines)


def unit_tests(rule_sets: Sequence[RuleSet], given: Examples | None = None) -> UnitTests:
    """Return tests for the alerts of SLOs, on series made up from the SLOs' own selectors.

    Args:
        rule_sets: SLOs, each with its rules.
        given: values of labels, where a pattern's own example will not do.
    """
    subjects: list[Subject] = []
    left_out: list[str] = []
    for slo, groups in rule_sets:
        try:
            subjects.append(subject_of(slo, groups, source_of(slo, given or {})))
        except (UntestableError, ValueError) as reason:
            left_out.append(f"{slo.name}: no alert: {reason}")
    found = [scene for batch in batches(subjects, given or {}) for scene in scenes(batch)]
    for subject in subjects:
        left_out += [f"{subject.name}: {what}" for what in untested(subject, found)]
    names = tuple(group.name for _, groups in rule_sets for group in groups)
    return UnitTests(names, tuple(found), tuple(left_out))


def _test(scene: Scene) -> dict[str, Any]:
    gone = [scene.is_gone(number * scene.step) for number in range(scene.end // scene.step + 1)]
    return {
        "name": scene.name,
        "interval": duration(scene.step),
        "input_series": [
            {
                "series": name,
                "values": written([None if none else v for v, none in zip(values, gone, strict=True)]),
            }
            for name, values in scene.values().items()
        ],
        "promql_expr_test": [
            *(
                query
                for subject, story in scene.stories
                for c in story.checks
                for query in _asked(subject, c)
            ),
            {"expr": _NAN, "eval_time": duration(scene.end), "exp_samples": []},
        ],
    }


def _asked(subject: Subject, check: Check) -> Iterator[dict[str, Any]]:
    """Yield the questions whether an alert fires: for the group that is sick, and for the healthy one."""
    sick = {} if check.tier == ABSENT else dict(subject.source.groups)
    yield _question(subject, check, sick, fires=check.fires)
    if check.fires and sick and (healthy := dict(subject.source.healthy_groups)):
        yield _question(subject, check, healthy, fires=False)


def _question(subject: Subject, check: Check, group: dict[str, str], *, fires: bool) -> dict[str, Any]:
    rule = subject.alerts[check.tier]
    labels = {
        "alertname": rule.name,
        "alertstate": "firing",
        **{name: rule.labels[name] for name in ("slo", "service", "environment", "severity", "burn_tier")},
        **group,
    }
    matchers = ",".join(f"{name}={promql_string(value)}" for name, value in labels.items())
    return {
        "expr": f"count(ALERTS{{{matchers}}}) or vector(0)",
        "eval_time": duration(check.at),
        "exp_samples": [{"labels": "{}", "value": int(fires)}],
    }


def _comment(text: str, indent: str = "") -> list[str]:
    whole = text.replace(" %", "\0%")  # no line begins with the sign
    lines = wrap(whole, _SHOWN_WIDTH - len(indent), subsequent_indent="  ")
    return [f"# {indent}{line}".replace("\0", " ") for line in lines]
