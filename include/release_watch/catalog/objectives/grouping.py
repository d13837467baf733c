"""Error budgets per label value: whether the series of a query still have the label at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from release_watch.catalog.objectives.places import Place, gather
from release_watch.catalog.objectives.queries import Query
from release_watch.catalog.selectors import Matcher
from release_watch.telemetry.promql import selectors_of

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, BinaryExpr, Call, Expr

OURS = frozenset(
    [
        *("alertname", "alertstate", "slo", "service", "environment", "severity", "burn_tier", "drill"),
        *("newborn", "tile"),
    ]
)
"""Labels that recorded series and alerts have from Release Watch."""

_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_KEEPS_ALL = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_LOSES_ALL = frozenset({"absent", "absent_over_time", "vector", "scalar", "time", "pi"})
_WRITES = frozenset({"label_replace", "label_join"})


def read_labels(place: Place, text: str) -> tuple[str, ...]:
    """Return the labels of a list such as ``http_route,method``.

    Raises:
        InvalidInputError: with every name that cannot be grouped by.
    """
    labels = tuple(part.strip() for part in text.split(","))
    gather(*(partial(_check_name, place, text, label, labels) for label in dict.fromkeys(labels)))
    return labels


def check_grouping(queries: Sequence[Query], labels: tuple[str, ...]) -> None:
    """Refuse queries whose series do not have one of the labels that budgets are kept by.

    Raises:
        InvalidInputError: with every such query and label.
    """
    gather(*(partial(_check, query, label) for query in queries for label in labels))


def _check_name(place: Place, text: str, label: str, labels: tuple[str, ...]) -> None:
    if not _LABEL.fullmatch(label):
        raise place.refusal(text, f"{label!r} is no label name; write labels with commas: http_route,method")
    if label in OURS or label == "le":
        raise place.refusal(text, f"{label} cannot be grouped by: Release Watch or the histogram uses it")
    if labels.count(label) > 1:
        raise place.refusal(text, f"{label} is written twice; keep one")


def _check(query: Query, label: str) -> None:
    if query.counter:
        fixed = query.counter.fixed(label)
    else:
        found = {_fixed_in(s.matchers, label) for s in selectors_of(query.over("1m"))}
        fixed = found.pop() if len(found) == 1 else None
    if fixed is not None:
        remedy = f"is grouped by {label}, which it fixes to {fixed!r}; leave the matcher or the grouping out"
        raise query.refusal(remedy)
    if not _keeps(query.tree, label):
        remedy = (
            f"is grouped by {label}, which its series have lost; write sum by ({label}) (...), without "
            "'or vector(0)', or leave the grouping out"
        )
        raise query.refusal(remedy)


def _fixed_in(matchers: Iterable[Matcher], label: str) -> str | None:
    return next((m.value for m in matchers if m.label == label and m.operator == "="), None)


def _keeps(node: Expr, label: str) -> bool:
    """Return whether the result of an expression has a label that all series that it reads have."""
    import promql_parser as promql

    match node:
        case promql.VectorSelector() | promql.MatrixSelector():
            return True
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _keeps(node.expr, label)
        case promql.AggregateExpr():
            return _aggregation_keeps(node, label)
        case promql.BinaryExpr():
            return _operation_keeps(node, label)
        case promql.Call():
            return _call_keeps(node, label)
    return False


def _aggregation_keeps(node: AggregateExpr, label: str) -> bool:
    import promql_parser as promql

    if node.modifier is None:
        named = str(node.op) in _KEEPS_ALL
    else:
        by = node.modifier.type == promql.AggModifierType.By
        named = (label in node.modifier.labels) == by or str(node.op) in _KEEPS_ALL
    return named and _keeps(node.expr, label)


def _operation_keeps(node: BinaryExpr, label: str) -> bool:
    left, right = _keeps(node.lhs, label), _keeps(node.rhs, label)
    if str(node.op) == "or":
        return left and right
    if str(node.op) in ("and", "unless"):
        return left
    if _is_number(node.lhs) or _is_number(node.rhs):
        return left or right
    return _match_keeps(node, label, left, right)


def _match_keeps(node: BinaryExpr, label: str, left: bool, right: bool) -> bool:
    import promql_parser as promql

    modifier = node.modifier
    if modifier is None:
        return left and right
    many = str(modifier.card)
    if many in ("VectorMatchCardinality.ManyToOne", "VectorMatchCardinality.OneToMany"):
        kept = left if many.endswith("ManyToOne") else right
        return kept or label in (modifier.group_labels or ())
    if modifier.matching is None:
        return left and right
    only = modifier.matching.type == promql.LabelModifierType.Include
    return left and (label in modifier.matching.labels) == only


def _call_keeps(node: Call, label: str) -> bool:
    import promql_parser as promql

    name = node.func.name
    if name in _LOSES_ALL:
        return False
    literals = [argument.val for argument in node.args if isinstance(argument, promql.StringLiteral)]
    if name in _WRITES and literals and literals[0] == label:
        return True
    return any(_keeps(argument, label) for argument in node.args)


def _is_number(node: Expr) -> bool:
    """Return whether an operand is a scalar, which has no labels to match."""
    import promql_parser as promql

    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_number(node.expr)
        case promql.Call():
            return node.func.name in ("scalar", "time", "pi")
        case promql.BinaryExpr():
            return _is_number(node.lhs) and _is_number(node.rhs)
    return False
