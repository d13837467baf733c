"""What the command is given: SLOs from files and folders, and the rules that follow from them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.slos import Slo, slos_in
from release_watch.errors import InvalidInputError
from release_watch.identifiers import identifier
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.unit_tests import RuleSet

NO_RELEASE = "made on the command line"
"""What alerts say in place of a release."""


class Given(NamedTuple):
    """SLOs, and what in their documents is not done as it is written."""

    slos: tuple[Slo, ...]
    warnings: tuple[str, ...]


def read(paths: Sequence[Path]) -> Given:
    """Return the SLOs of files and folders, which may refer to each other.

    Raises:
        InvalidInputError: with every problem, as ``file:line: field: value: remedy``.
    """
    documents: list[Document] = []
    problems: list[str] = []
    for path in _files(paths, problems):
        found, wrong = read_documents(path, str(path))
        documents += found
        problems += wrong
    result = slos_in(documents, problems)
    if result.problems:
        raise InvalidInputError(result.problems)
    if not result.slos:
        named = ", ".join(str(path) for path in paths)
        raise InvalidInputError([f"{named}:1: file: has no SLO: docs/slos.md shows how one is written"])
    return Given(tuple(slo for slo, _ in result.slos), tuple(result.warnings))


def rule_sets(slos: Sequence[Slo], options: argparse.Namespace) -> list[RuleSet]:
    """Return the rules of each SLO, by the options of the command.

    Raises:
        InvalidInputError: with every SLO of which nothing sound can be made.
    """
    environment = identifier(options.environment, "--environment")
    text = AlertText(options.runbook_url, options.dashboard_url, NO_RELEASE)
    made: list[RuleSet] = []
    problems: list[str] = []
    for slo in slos:
        try:
            page, ticket = SloRules(slo, environment, text).groups()
            made.append((slo, (page, ticket)))
        except InvalidInputError as error:
            problems += [f"{slo.source}: {problem}" for problem in error.problems]
    if problems:
        raise InvalidInputError(problems)
    return made


def groups_of(made: Sequence[RuleSet]) -> list[RuleGroup]:
    """Return the rule groups of all SLOs, in their order."""
    return [group for _, groups in made for group in groups]


def counted(groups: Sequence[RuleGroup]) -> str:
    """Return in words how many rules there are."""
    alerts = sum(len(group.alerts) for group in groups)
    rules = sum(len(group.rules) for group in groups)
    return f"{len(groups)} groups, {rules - alerts} recording rules, {alerts} alerts"


def _files(paths: Sequence[Path], problems: list[str]) -> Iterator[Path]:
    """Yield each file once; a folder stands for the YAML files in it."""
    seen: set[Path] = set()
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            problems.append(f"{path}:1: folder: has no .yaml or .yml file: name another")
        elif not path.exists():
            problems.append(f"{path}:1: file: missing: name a YAML file, or a folder of them")
            continue
        for one in found:
            if one.resolve() not in seen:
                seen.add(one.resolve())
                yield one
