"""Checks of names that a rule set records: used before they are, or never recorded as they are read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from release_watch.slo.lint.expressions import RATES
from release_watch.slo.lint.findings import Remark, warning
from release_watch.slo.lint.tree import Tree
from release_watch.slo.rulefile import RuleGroup
from release_watch.telemetry.promql import name_and_matchers, parsed

if TYPE_CHECKING:
    from promql_parser import VectorSelector


_COUNTER = re.compile(r"_total(?![\w:])")


class _Recording(NamedTuple):
    group: str
    position: int
    labels: Mapping[str, str]

    def fits(self, wanted: Mapping[str, str]) -> bool:
        """Return whether its series can have these labels; those that its rule does not set are any."""
        return all(self.labels.get(label, value) == value for label, value in wanted.items())


class _Recordings:
    """The recordings of one name, found by a label that tells them apart: each SLO may have one."""

    def __init__(self) -> None:
        self._all: list[_Recording] = []
        self._by_label: defaultdict[tuple[str, str], list[_Recording]] = defaultdict(list)
        self._set: Counter[str] = Counter()

    def add(self, recording: _Recording) -> None:
        """Add one."""
        self._all.append(recording)
        self._set.update(recording.labels.keys())
        for label in recording.labels.items():
            self._by_label[label].append(recording)

    def fitting(self, wanted: Mapping[str, str]) -> list[_Recording]:
        """Return those that can have these labels."""
        set_by_all = [item for item in wanted.items() if self._set[item[0]] == len(self._all)]
        candidates = (self._by_label.get(item, []) for item in set_by_all)
        return [one for one in min(candidates, key=len, default=self._all) if one.fits(wanted)]


class RecordedNames:
    """Which names a rule set records, where, and with which labels."""

    def __init__(self, groups: Sequence[RuleGroup]) -> None:
        self._recordings: defaultdict[str, _Recordings] = defaultdict(_Recordings)
        aggregates = set()
        for group in groups:
            for position, rule in enumerate(group.rules):
                if rule.record:
                    self._recordings[rule.record].add(_Recording(group.name, position, rule.labels))
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
        return name, self._recordings[name].fitting(wanted)


def _sums_counters(expr: str) -> bool:
    """Return whether ``expr`` is an aggregate of counters that no rate was taken of."""
    import promql_parser as promql

    if not _COUNTER.search(expr):
        return False
    try:
        nodes = Tree(parsed(expr)).nodes
    except ValueError:
        return False
    rated = any(isinstance(node, promql.Call) and node.func.name in RATES for node in nodes)
    counters = any(
        isinstance(node, promql.VectorSelector) and (node.name or "").endswith("_total") for node in nodes
    )
    return counters and not rated and any(isinstance(node, promql.AggregateExpr) for node in nodes)
