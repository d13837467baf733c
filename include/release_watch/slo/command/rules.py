"""``rules``: the rule file, and the files of its unit tests."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection
from pathlib import Path, PurePath

from release_watch.errors import InvalidInputError
from release_watch.files import write_whole
from release_watch.slo.command.inputs import counted, groups_of, read, rule_sets
from release_watch.slo.rulefile import to_yaml
from release_watch.slo.unit_tests import MARK, UnitTests, unit_tests

DESCRIPTION = """\
Write the rules of SLOs, and unit tests that prove them. The rules are a file for Prometheus' rule_files or
Mimir's ruler; the tests are files for promtool test rules, and say at their top what they try, and which
alerts of which SLO they cannot try, and why. Each file is seen whole or not at all; nothing is written if any
SLO has to be corrected."""


def run(options: argparse.Namespace) -> bool:
    """Write what is asked for, and print what was written; returns True.

    Raises:
        InvalidInputError: if there is a problem with any SLO, or two outputs are one file.
        OSError: if a file cannot be written.
    """
    if options.tests and options.tests.resolve() == options.out.resolve():
        raise InvalidInputError([f"--tests: {options.tests}: is also the file of the rules; name another"])
    given = read(options.paths)
    made = rule_sets(given.slos, options)
    files = {options.out: to_yaml(groups_of(made))}
    tests = unit_tests(made, dict(options.example)) if options.tests else None
    if tests:
        files |= _test_files(tests, options.out, options.tests)
    for path, text in files.items():
        write_whole(path, text.encode())
    if tests:
        _remove_former(options.tests, files)
    content = {
        "slos": len(given.slos),
        "rules": str(options.out),
        "written": counted(groups_of(made)),
        "tests": [str(path) for path in files if path != options.out],
        "not_tested": list(tests.untested) if tests else [],
        "warnings": list(given.warnings),
    }
    sys.stdout.write(json.dumps(content, indent=2) + "\n" if options.json else _lines(content))
    return True


def _test_files(tests: UnitTests, rules: Path, first: Path) -> dict[Path, str]:
    beside = os.path.relpath(rules.resolve(), first.resolve().parent)
    return {first.parent / name: text for name, text in tests.files(beside, PurePath(first.name)).items()}


def _remove_former(first: Path, kept: Collection[Path]) -> None:
    """Remove test files of a former time that were made beside ``first`` and are none now."""
    for path in first.parent.glob(f"{first.stem}-*{first.suffix}"):
        with path.open("rb") as file:
            ours = file.readline().decode(errors="replace").strip() == MARK
        if ours and path not in kept:
            path.unlink()


def _lines(content: dict[str, object]) -> str:
    tests, untested, warnings = content["tests"], content["not_tested"], content["warnings"]
    lines = [f"{content['rules']}: {content['slos']} SLOs, {content['written']}"]
    if isinstance(tests, list) and tests:
        lines.append(f"tests: promtool test rules {' '.join(tests)}")
    lines += [f"not tested: {line}" for line in untested] if isinstance(untested, list) else []
    lines += [f"warning: {line}" for line in warnings] if isinstance(warnings, list) else []
    return "\n".join(lines) + "\n"
