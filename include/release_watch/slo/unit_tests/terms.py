"""What an SLO's expression adds up: counters or gauges, each with a factor; told from its syntax tree."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple

from release_watch.catalog.slos import WINDOW, Slo
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry.promql import SeriesSelector, name_and_matchers, parsed

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, BinaryExpr, Call, Expr

_RATES = ("rate", "irate", "increase")


class UntestableError(ReleaseWatchError):
    """No series can be made up for an SLO, or not without help."""


class Term(NamedTuple):
    """Series that are counted, and how often each event of them is."""

    selector: SeriesSelector
    factor: Fraction


class Sum(NamedTuple):
    """A number of events, as a sum of terms. Counters rise; the value of a gauge is added each minute."""

    kind: Literal["counter", "gauge"]
    terms: tuple[Term, ...]

    @property
    def selectors(self) -> tuple[SeriesSelector, ...]:
        """What is read."""
        return tuple(term.selector for term in self.terms)


class Ratio(NamedTuple):
    """The bad (or, if ``good``, the good) events and all events of an SLO.

    ``sampled``: the rules do not see the events, but a ratio of them, sampled each minute.
    """

    part: Sum
    total: Sum
    good: bool
    sampled: bool = False


class GaugeBound(NamedTuple):
    """A gauge of which each sample is good or bad, and a good and a bad value."""

    selector: SeriesSelector
    good: float
    bad: float


class GaugeRatio(NamedTuple):
    """A gauge that is itself the share of bad (or, if ``good``, of good) events."""

    selector: SeriesSelector
    good: bool


Shape = Ratio | GaugeBound | GaugeRatio


def shape_of(slo: Slo) -> Shape:
    """Return what the events of ``slo`` are made of.

    Raises:
        UntestableError: saying what in an expression is not understood.
    """
    part, good = slo.good or slo.bad or "", slo.good is not None
    if not slo.templated:
        sums = [Sum("counter", (Term(_selector(_tree(text)), Fraction(1)),)) for text in (part, slo.total)]
        return Ratio(sums[0], sums[1], good)
    part_tree, total_tree = (_inner(_tree(text), slo.group_by) for text in (part, slo.total))
    if bound := _gauge_bound(part_tree, total_tree, good):
        return bound
    if ready := _ready_made(part_tree, total_tree, slo.group_by, good):
        return ready
    sums = [_sum(tree, slo.group_by) for tree in (part_tree, total_tree)]
    if sums[0].kind != sums[1].kind:
        raise UntestableError("one query counts events and the other samples")
    return Ratio(sums[0], sums[1], good)


def _tree(text: str) -> Expr:
    return parsed(text.replace(WINDOW, "5m"))


def _inner(node: Expr, group_by: Sequence[str]) -> Expr:
    """Return what is inside of parentheses, and of sums that keep no label but those of the grouping."""
    import promql_parser as promql

    while isinstance(node, promql.ParenExpr | promql.AggregateExpr):
        if isinstance(node, promql.AggregateExpr):
            _check_sum(node, group_by)
        node = node.expr
    return node


def _check_sum(node: AggregateExpr, group_by: Sequence[str]) -> None:
    import promql_parser as promql

    modifier = node.modifier
    plain = modifier is None or (
        modifier.type == promql.AggModifierType.By and set(modifier.labels) <= set(group_by)
    )
    if str(node.op) != "sum" or not plain:
        raise UntestableError(f"aggregates by {node.op} over labels that the SLO does not group by")


def _sum(node: Expr, group_by: Sequence[str]) -> Sum:
    terms = _terms(node, group_by, Fraction(1))
    kinds = {kind for kind, _ in terms}
    if len(kinds) != 1:
        raise UntestableError("adds up counters and gauges")
    return Sum(kinds.pop(), tuple(term for _, term in terms))


_Terms = list[tuple[Literal["counter", "gauge"], Term]]


def _terms(node: Expr, group_by: Sequence[str], factor: Fraction) -> _Terms:
    import promql_parser as promql

    match node:
        case promql.ParenExpr():
            return _terms(node.expr, group_by, factor)
        case promql.AggregateExpr():
            _check_sum(node, group_by)
            return _terms(node.expr, group_by, factor)
        case promql.Call():
            return _called(node, group_by, factor)
        case promql.BinaryExpr():
            return _joined(node, group_by, factor)
    raise UntestableError("holds something other than sums of rates, increases and samples")


def _called(node: Call, group_by: Sequence[str], factor: Fraction) -> _Terms:
    import promql_parser as promql

    name, first = node.func.name, node.args[0] if node.args else None
    if name in _RATES and isinstance(first, promql.MatrixSelector):
        return [("counter", Term(_selector(first.vector_selector), factor))]
    if name == "sum_over_time" and isinstance(first, promql.SubqueryExpr):
        sampled = _at_least_zero(first.expr)
        if isinstance(sampled, promql.VectorSelector):
            return [("gauge", Term(_selector(sampled), factor))]
    if name == "clamp_min" and first is not None and _number(node.args[1]) == 0:
        return _terms(first, group_by, factor)
    raise UntestableError(f"uses {name}() in a way that is not understood here")


def _joined(node: BinaryExpr, group_by: Sequence[str], factor: Fraction) -> _Terms:
    operator = str(node.op)
    left, right = _number(node.lhs), _number(node.rhs)
    if operator in (">", ">=") and right == 0 and not (node.modifier and node.modifier.return_bool):
        return _terms(node.lhs, group_by, factor)
    if operator == "or" and _is_zero(node.rhs):
        return _terms(node.lhs, group_by, factor)
    if operator == "*" and left is not None:
        return _terms(node.rhs, group_by, factor * left)
    if operator in ("*", "/") and right:
        return _terms(node.lhs, group_by, factor * right if operator == "*" else factor / right)
    if operator in ("+", "-") and _summed(node.lhs) and _summed(node.rhs):
        other = factor if operator == "+" else -factor
        return [*_terms(node.lhs, group_by, factor), *_terms(node.rhs, group_by, other)]
    raise UntestableError(f"joins series by {operator!r} in a way that is not understood here")


def _gauge_bound(part: Expr, total: Expr, good: bool) -> GaugeBound | None:
    """Return the gauge of ``count_over_time((gauge < 5)[w:1m])``, where all of its samples are the total."""
    import promql_parser as promql

    counted, everything = (_subqueried(tree, "count_over_time") for tree in (part, total))
    if not isinstance(counted, promql.BinaryExpr) or not isinstance(everything, promql.BinaryExpr):
        return None
    limit = _number(counted.rhs)
    if limit is None or not isinstance(counted.lhs, promql.VectorSelector):
        return None
    below, above = float(limit - abs(limit) - 1), float(limit + abs(limit) + 1)
    low_is_good = (str(counted.op) in ("<", "<=")) == good
    values = (below, above) if low_is_good else (above, below)
    return GaugeBound(_selector(counted.lhs), *values)


def _ready_made(part: Expr, total: Expr, group_by: Sequence[str], good: bool) -> Shape | None:
    """Return what a ready-made ratio is made of, where the samples of it are counted as events."""
    import promql_parser as promql

    counted = _subqueried(total, "count_over_time")
    if counted is None:
        return None
    gauge = _at_least_zero(_subqueried(part, "sum_over_time"))
    if isinstance(gauge, promql.VectorSelector):
        return GaugeRatio(_selector(gauge), good)
    if not isinstance(part, promql.BinaryExpr) or str(part.op) != "*":
        return None
    ratio = _bare(_at_least_zero(_bare(part.lhs)))
    if isinstance(ratio, promql.BinaryExpr) and str(ratio.op) == "-" and _number(ratio.lhs) == 1:
        ratio, good = _bare(ratio.rhs), not good
    if not isinstance(ratio, promql.BinaryExpr) or str(ratio.op) != "/":
        raise UntestableError("is a ready-made ratio that is no quotient of two sums")
    if not (_summed(ratio.lhs) and _summed(ratio.rhs)):
        raise UntestableError("divides series one by one; sum them first")
    return Ratio(_sum(ratio.lhs, group_by), _sum(ratio.rhs, group_by), good, sampled=True)


def _subqueried(node: Expr | None, function: str) -> Expr | None:
    """Return what ``function`` is taken of, over a subquery."""
    import promql_parser as promql

    if not isinstance(node, promql.Call) or node.func.name != function:
        return None
    return _bare(node.args[0].expr) if isinstance(node.args[0], promql.SubqueryExpr) else None


def _at_least_zero(node: Expr | None) -> Expr | None:
    """Return what is compared in ``… >= 0``; None for anything else."""
    import promql_parser as promql

    bare = _bare(node)
    if isinstance(bare, promql.BinaryExpr) and str(bare.op) == ">=" and _number(bare.rhs) == 0:
        return _bare(bare.lhs)
    return None


def _bare(node: Expr | None) -> Expr | None:
    import promql_parser as promql

    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def _summed(node: Expr) -> bool:
    """Return whether no labels are left to match by, but those of the grouping."""
    import promql_parser as promql

    bare = _bare(node)
    if isinstance(bare, promql.BinaryExpr):
        sides = [side for side in (bare.lhs, bare.rhs) if _number(side) is None and not _is_zero(side)]
        return all(_summed(side) for side in sides)
    if isinstance(bare, promql.Call) and bare.func.name == "clamp_min":
        return _summed(bare.args[0])
    return isinstance(bare, promql.AggregateExpr)


def _is_zero(node: Expr) -> bool:
    """Return whether a part is ``vector(0)`` or ``0 * …``."""
    import promql_parser as promql

    bare = _bare(node)
    if isinstance(bare, promql.Call):
        return bare.func.name == "vector" and _number(bare.args[0]) == 0
    return isinstance(bare, promql.BinaryExpr) and str(bare.op) == "*" and _number(bare.lhs) == 0


def _number(node: Expr) -> Fraction | None:
    import promql_parser as promql

    bare = _bare(node)
    if isinstance(bare, promql.UnaryExpr):
        inner = _number(bare.expr)
        return None if inner is None else -inner
    if not isinstance(bare, promql.NumberLiteral) or abs(bare.val) == float("inf"):
        return None
    return Fraction(str(bare.val))


def _selector(node: Expr) -> SeriesSelector:
    import promql_parser as promql

    if not isinstance(node, promql.VectorSelector) or node.offset or node.at:
        raise UntestableError("reads another time, by offset or @")
    name, matchers = name_and_matchers(node)
    if not name:
        raise UntestableError("names its metric by a pattern")
    return SeriesSelector(name, matchers)
