"""All checks over all rules of a rule set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from release_watch.slo.lint.alerts import alert_remarks
from release_watch.slo.lint.expressions import Surroundings, expression_remarks
from release_watch.slo.lint.findings import Finding, Remark, warning
from release_watch.slo.lint.recorded import RecordedNames
from release_watch.slo.lint.rulesets import duplicates, naming_remarks
from release_watch.slo.lint.tree import Tree
from release_watch.slo.rulefile import Rule, RuleGroup
from release_watch.telemetry.promql import parsed

SCRAPE_INTERVAL = timedelta(minutes=1)
"""Prometheus' default."""


def lint(groups: Sequence[RuleGroup], *, scrape_interval: timedelta = SCRAPE_INTERVAL) -> list[Finding]:
    """Return what is wrong with the rules of ``groups``, in their order.

    Args:
        groups: a rule set.
        scrape_interval: how often the targets are scraped, for ranges that are too short.
    """
    recorded = RecordedNames(groups)
    found = list(duplicates(groups))
    for group in groups:
        for position, rule in enumerate(group.rules):
            remarks = _remarks(rule, group, position, recorded, scrape_interval)
            found += [Finding(r.severity, group.name, rule.name, r.what, r.why, r.remedy) for r in remarks]
    return found


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those findings that no rule set may be activated with."""
    return [finding for finding in findings if finding.severity == "error"]


def _remarks(
    rule: Rule, group: RuleGroup, position: int, recorded: RecordedNames, scrape_interval: timedelta
) -> Iterator[Remark]:
    yield from naming_remarks(rule)
    try:
        tree = Tree(parsed(rule.expr))
        remarks = [
            *expression_remarks(tree, Surroundings(scrape_interval, recorded.aggregates)),
            *recorded.remarks(tree, group, position),
            *(alert_remarks(rule, tree, group.interval) if rule.alert else ()),
        ]
    except (ValueError, RecursionError) as cause:
        why = f"the expression cannot be read here: {cause}"
        yield warning("unread", why, "promtool and the server must judge it; see whether it can be simpler")
        return
    yield from dict.fromkeys(remarks)
