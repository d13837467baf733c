"""A parsed expression to walk over, and which labels its result can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from release_watch.telemetry.promql import name_and_matchers

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, BinaryExpr, Call, Expr

SET_OPERATORS = ("and", "or", "unless")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_KEEP_LABELS = ("topk", "bottomk", "limitk", "limit_ratio")
_WITHOUT_LABELS = ("vector", "time", "scalar", "pi")


class Labels(NamedTuple):
    """Which labels a result can have: only ``known``, where it is not None, and never those in ``gone``."""

    known: frozenset[str] | None = None
    gone: frozenset[str] = frozenset()

    def lacks(self, label: str) -> bool:
        """Return whether the result certainly has no such label."""
        return label in self.gone or (self.known is not None and label not in self.known)


NONE = Labels(frozenset())


class Tree:
    """A parsed expression."""

    def __init__(self, root: Expr) -> None:
        self.root = root
        self.nodes: tuple[Expr, ...] = tuple(_nodes(root))

    def labels(self, node: Expr | None = None) -> Labels:
        """Return which labels the result of a part, or of the whole, can have."""
        return _labels(bare(self.root if node is None else node))


def bare(node: Expr) -> Expr:
    """Return a node without the parentheses around it."""
    import promql_parser as promql

    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def children(node: Expr) -> list[Expr]:
    """Return the parts that a node is made of."""
    import promql_parser as promql

    match node:
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return [node.expr]
        case promql.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql.AggregateExpr():
            return [node.expr] if node.param is None else [node.param, node.expr]
        case promql.Call():
            return list(node.args)
        case promql.MatrixSelector():
            return [node.vector_selector]
    return []


def metric_name(node: Expr) -> str:
    """Return the metric that a selector names; empty for other nodes and where a pattern gives the name."""
    import promql_parser as promql

    selector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
    return name_and_matchers(selector)[0] if isinstance(selector, promql.VectorSelector) else ""


def is_scalar(node: Expr) -> bool:
    """Return whether a part is a number and not a set of series."""
    import promql_parser as promql

    match bare(node):
        case promql.NumberLiteral() | promql.StringLiteral():
            return True
        case promql.UnaryExpr() as sign:
            return is_scalar(sign.expr)
        case promql.BinaryExpr() as pair:
            return is_scalar(pair.lhs) and is_scalar(pair.rhs)
        case promql.Call() as call:
            return call.func.name in ("time", "scalar", "pi")
    return False


def _nodes(root: Expr) -> Iterator[Expr]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(children(node))


def _labels(node: Expr) -> Labels:
    import promql_parser as promql

    match node:
        case promql.AggregateExpr():
            return _aggregated(node)
        case promql.BinaryExpr():
            return _joined(node)
        case promql.Call():
            return _called(node)
        case promql.UnaryExpr() | promql.SubqueryExpr() | promql.ParenExpr():
            return _labels(bare(node.expr))
        case promql.NumberLiteral() | promql.StringLiteral():
            return NONE
    return Labels()


def _aggregated(node: AggregateExpr) -> Labels:
    import promql_parser as promql

    inner = _labels(bare(node.expr))
    if str(node.op) in _KEEP_LABELS:
        return inner
    added = frozenset({_text(node.param)} if str(node.op) == "count_values" and node.param else ())
    if node.modifier is None:
        return Labels(added)
    named = frozenset(node.modifier.labels)
    if node.modifier.type == promql.AggModifierType.By:
        return Labels(named | added, inner.gone - added)
    known = None if inner.known is None else (inner.known - named) | added
    return Labels(known, (inner.gone | named) - added)


def _joined(node: BinaryExpr) -> Labels:
    left, right = bare(node.lhs), bare(node.rhs)
    if is_scalar(left) or is_scalar(right):
        return _labels(right if is_scalar(left) else left)
    if str(node.op) == "or":
        one, other = _labels(left), _labels(right)
        known = None if one.known is None or other.known is None else one.known | other.known
        return Labels(known, one.gone & other.gone)
    if str(node.op) in ("and", "unless"):
        return _labels(left)
    return _matched(node, left, right)


def _matched(node: BinaryExpr, left: Expr, right: Expr) -> Labels:
    import promql_parser as promql

    modifier = node.modifier
    if modifier is None:
        return _labels(left)
    card = str(modifier.card)
    if card.endswith(("ManyToOne", "OneToMany")):
        many = _labels(left if card.endswith("ManyToOne") else right)
        copied = frozenset(modifier.group_labels or ())
        return Labels(None if many.known is None else many.known | copied, many.gone - copied)
    if modifier.matching is None:
        return _labels(left)
    named = frozenset(modifier.matching.labels)
    if modifier.matching.type == promql.LabelModifierType.Include:
        return Labels(named)
    one = _labels(left)
    return Labels(None if one.known is None else one.known - named, one.gone | named)


def _called(node: Call) -> Labels:
    name = node.func.name
    if name in _WITHOUT_LABELS:
        return NONE
    if name in ("absent", "absent_over_time"):
        return _absent_labels(node)
    if name in ("label_replace", "label_join"):
        inner, written = _labels(bare(node.args[0])), _text(node.args[1])
        return Labels(None if inner.known is None else inner.known | {written}, inner.gone - {written})
    inner = next((_labels(bare(argument)) for argument in node.args if not is_scalar(argument)), NONE)
    if name == "histogram_quantile":
        return Labels(None if inner.known is None else inner.known - {"le"}, inner.gone | {"le"})
    return inner


def _absent_labels(node: Call) -> Labels:
    import promql_parser as promql

    asked = bare(node.args[0])
    selector = asked.vector_selector if isinstance(asked, promql.MatrixSelector) else asked
    if not isinstance(selector, promql.VectorSelector):
        return NONE
    return Labels(frozenset(one.label for one in name_and_matchers(selector)[1] if one.operator == "="))


def _text(node: Expr) -> str:
    import promql_parser as promql

    found = bare(node)
    return found.val if isinstance(found, promql.StringLiteral) else ""
