"""What will read the telemetry of a release: its alerts, the panels of its dashboards, its SLOs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from release_watch.catalog.slos import WINDOW, Slo
from release_watch.dashboards.models import Dashboard
from release_watch.slo.rulefile import Rule, RuleGroup

_SHORTEST = "5m"
"""The shortest window over which the alerts of an SLO count."""


class Reads(NamedTuple):
    """One PromQL expression and who reads it; ``service`` is None where it belongs to no single one.

    ``recorded`` are the metrics that the rules themselves record: before the activation they are not there.
    """

    kind: Literal["alert", "panel", "slo"]
    name: str
    service: str | None
    expression: str
    recorded: frozenset[str] = frozenset()


def recorded_names(groups: Sequence[RuleGroup]) -> frozenset[str]:
    """Return the metrics that these rules record."""
    return frozenset(rule.record for group in groups for rule in group.rules if rule.record)


def reads_of_rules(groups: Sequence[RuleGroup]) -> list[Reads]:
    """Return what the alerts of ``groups`` read; those of one name are told apart by SLO or metric."""
    recorded = recorded_names(groups)
    return [
        Reads("alert", _alert_name(rule), rule.service, rule.expr, recorded)
        for group in groups
        for rule in group.alerts
    ]


def reads_of_boards(
    boards: Sequence[Dashboard], recorded: frozenset[str] = frozenset(), services: Collection[str] = ()
) -> list[Reads]:
    """Return what the panels of ``boards`` read, once per query.

    Args:
        boards: the dashboards.
        recorded: what the rules record that the panels show (:func:`recorded_names`).
        services: the names by which a panel's title tells its service, as in ``checkout: requests``.
    """
    return [
        Reads("panel", name, _service_of(query.panel, services), query.query, recorded)
        for board in boards
        for queries in [Counter(query.panel for query in board.queries)]
        for query in board.queries
        for line in [f" ({query.legend})" if queries[query.panel] > 1 else ""]
        for name in [f"{board.kind}: {query.panel}{line}"]
    ]


def reads_of_slos(slos: Sequence[Slo]) -> list[Reads]:
    """Return what each of ``slos`` reads: the events that are good or bad, and all of them."""
    return [Reads("slo", slo.name, slo.service, _ratio(slo)) for slo in slos]


def counted(slo: Slo) -> str:
    """Return what is compared with the total: the counter of good events, or else of bad ones."""
    return slo.good or slo.bad or slo.total


def over(expression: str, window: str) -> str:
    """Return an expression of an SLO with ``window``, such as ``5m``, where ``{{.window}}`` stands."""
    return expression.replace(WINDOW, window)


def _ratio(slo: Slo) -> str:
    if slo.templated:
        return f"({over(counted(slo), _SHORTEST)}) / ({over(slo.total, _SHORTEST)})"
    return f"{counted(slo)} / {slo.total}"


def _alert_name(rule: Rule) -> str:
    of = rule.labels.get("slo") or rule.labels.get("metric") or rule.service
    return f"{rule.name} ({of})" if of else rule.name


def _service_of(panel: str, services: Collection[str]) -> str | None:
    name = panel.partition(":")[0]
    return name if name in services else None
