"""Which numbers of a rule are minimum numbers of events, and not limits of ratios or seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from release_watch.slo.lint.tree import bare, children
from release_watch.telemetry.promql import parsed

if TYPE_CHECKING:
    from promql_parser import Expr

COUNTING = ("increase", "changes", "resets", "count_over_time")
SHORTEST = 60
"""A rate times at least so many seconds is a number of events over a window."""


def least_events(expr: str) -> frozenset[int]:
    """Return the n of all ``> n.5`` in ``expr`` that say "more than n events"; none where it cannot be read.

    What stands before it must count: an increase, a count, or a rate times the seconds of a window. A number
    that is also the limit of something else, as 0.5 s may be, is left out.
    """
    import promql_parser as promql

    try:
        root = parsed(expr)
    except ValueError:
        return frozenset()
    counts: set[int] = set()
    others: set[int] = set()
    for node in _nodes(root):
        if isinstance(node, promql.BinaryExpr) and str(node.op) == ">":
            number = bare(node.rhs)
            if isinstance(number, promql.NumberLiteral) and number.val % 1 == 0.5:
                (counts if _is_count(node.lhs) else others).add(int(number.val))
    return frozenset(counts - others)


def _is_count(node: Expr) -> bool:
    import promql_parser as promql

    node = bare(node)
    match node:
        case promql.Call():
            return node.func.name in COUNTING
        case promql.AggregateExpr():
            return str(node.op) == "count" or _is_count(node.expr)
        case promql.BinaryExpr() if str(node.op) in ("+", "-"):
            return _is_count(node.lhs) or _is_count(node.rhs)
        case promql.BinaryExpr() if str(node.op) == "*":
            return any(map(_is_window, (node.lhs, node.rhs)))
    return False


def _is_window(node: Expr) -> bool:
    import promql_parser as promql

    node = bare(node)
    return isinstance(node, promql.NumberLiteral) and node.val >= SHORTEST and node.val % 1 == 0


def _nodes(root: Expr) -> Iterator[Expr]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)
