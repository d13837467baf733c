"""Checks across the rules of a set: duplicates, and names of recording rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from release_watch.slo.lint.findings import Finding, Remark, warning
from release_watch.slo.rulefile import Rule, RuleGroup

_LEVEL_METRIC_OPERATIONS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*:[a-zA-Z0-9_]+:[a-zA-Z0-9_]+")


def duplicates(groups: Sequence[RuleGroup]) -> Iterator[Finding]:
    """Yield groups and rules that are there twice."""
    names: set[str] = set()
    seen: dict[tuple[str, str, frozenset[tuple[str, str]]], str] = {}
    for group in groups:
        if group.name in names:
            why = "there is another group of this name in the set"
            yield Finding("error", group.name, "", "duplicate group", why, "give each group its own name")
        names.add(group.name)
        for rule in group.rules:
            key = ("record" if rule.record else "alert", rule.name, frozenset(rule.labels.items()))
            if key in seen:
                why = f"the same {key[0]} with the same labels is in group {seen[key]}: one spoils the other"
                remedy = "remove one, or tell them apart by a label"
                yield Finding("error", group.name, rule.name, "duplicate rule", why, remedy)
            seen.setdefault(key, group.name)


def naming_remarks(rule: Rule) -> Iterator[Remark]:
    """Yield a remark on a recorded name that does not say level, metric and operations."""
    if rule.record and not _LEVEL_METRIC_OPERATIONS.fullmatch(rule.record):
        why = f"{rule.record} does not say what it was made of"
        yield warning("name", why, "name recording rules level:metric:operations")
