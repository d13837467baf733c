"""Checks of names that a rule set records: used before they are, or never recorded as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from release_watch.slo.lint.expressions import RATES
from release_watch.slo.lint.findings import Remark, warning
from release_watch.slo.lint.tree import Tree
from release_watch.slo.rulefile import RuleGroup
from release_watch.telemetry.promql import name_and_matchers, parsed

if TYPE_CHECKING:
    from promql_parser import VectorSelector


class _Recording(NamedTuple):
    group: str
    position: int
    labels: Mapping[str, str]


class RecordedNames:
    """Which names a rule set records, where, and with which labels."""

    def __init__(self, groups: Sequence[RuleGroup]) -> None:
        self._recordings: dict[str, list[_Recording]] = {}
        aggregates = set()
        for group in groups:
            for position, rule in enumerate(group.rules):
                if rule.record:
                    recording = _Recording(group.name, position, rule.labels)
                    self._recordings.setdefault(rule.record, []).append(recording)
                    if _sums_counters(rule.expr):
                        aggregates.add(rule.record)
        self.aggregates = frozenset(aggregates)

    def remarks(self, tree: Tree, group: RuleGroup, position: int) -> Iterator[Remark]:
        """Yield what is wrong with the recorded series that a rule of ``group`` reads."""
        import promql_parser as promql

        rule = group.rules[position]
        for node in tree.nodes:
            if not isinstance(node, promql.VectorSelector):
                continue
            name, recordings = self._of(node)
            if recordings is None or name == rule.record:
                continue
            if not recordings:
                why = f"{name} is recorded here, but never with the labels that are asked for"
                yield warning("never recorded", why, "ask for the labels that its rule sets")
            elif all(one.group == group.name and one.position > position for one in recordings):
                why = f"{name} is recorded further down in this group, so it is one evaluation old"
                yield warning("used before recorded", why, "put the recording rule first")

    def _of(self, node: VectorSelector) -> tuple[str, list[_Recording] | None]:
        name, matchers = name_and_matchers(node)
        if name not in self._recordings:
            return name, None
        wanted = {one.label: one.value for one in matchers if one.operator == "="}
        fitting = [
            one
            for one in self._recordings[name]
            if all(one.labels.get(label, value) == value for label, value in wanted.items())
        ]
        return name, fitting


def _sums_counters(expr: str) -> bool:
    """Return whether ``expr`` is an aggregate of counters that no rate was taken of."""
    import promql_parser as promql

    try:
        nodes = Tree(parsed(expr)).nodes
    except ValueError:
        return False
    rated = any(isinstance(node, promql.Call) and node.func.name in RATES for node in nodes)
    counters = any(
        isinstance(node, promql.VectorSelector) and (node.name or "").endswith("_total") for node in nodes
    )
    return counters and not rated and any(isinstance(node, promql.AggregateExpr) for node in nodes)
