"""Checks of one expression: counters and gauges, ranges, regular expressions, matching, histograms."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import in_words
from release_watch.slo.lint.findings import Remark, error, warning
from release_watch.slo.lint.tree import SET_OPERATORS, Labels, Tree, bare, children, is_scalar, metric_name
from release_watch.telemetry.promql import name_and_matchers

if TYPE_CHECKING:
    from promql_parser import BinaryExpr, Call, Expr, MatrixSelector, VectorSelector

RATES = ("rate", "irate", "increase")
SAMPLES_IN_A_RANGE = 4
"""``rate`` needs two samples, and one scrape in two may fail."""

_COUNTERS = ("_total", "_count", "_sum", "_bucket")
_GAUGES = ("_info", "_ratio", "_percent", "_celsius", "_timestamp", "_timestamp_seconds")
_GAUGES_NAMED = ("up", "probe_success")
_PERHAPS_GAUGES = (
    "_bytes",
    "_seconds",
    "_usage",
    "_used",
    "_free",
    "_max",
    "_min",
    "_limit",
    "_size",
    "_length",
)
_TRENDS = ("deriv", "delta", "idelta", "predict_linear")
_EXISTENCE = ("absent", "absent_over_time", "timestamp", *RATES)
_OPERATIONS = ("rate", "ratio", "increase", "sum", "avg", "min", "max", "count")
_META = frozenset(".*+?()[]{}|^$\\")


class Surroundings(NamedTuple):
    """What an expression is judged against: ``aggregates`` are recorded names that hold summed counters."""

    scrape_interval: timedelta
    aggregates: Collection[str] = ()


def expression_remarks(tree: Tree, around: Surroundings) -> Iterator[Remark]:
    """Yield what is wrong with an expression wherever it stands."""
    import promql_parser as promql

    for node in tree.nodes:
        match node:
            case promql.Call():
                yield from _call_remarks(node, tree, around)
            case promql.VectorSelector():
                yield from _regex_remarks(node)
            case promql.BinaryExpr():
                yield from _matching_remarks(node, tree)
    yield from _raw_counters(tree)


def _call_remarks(node: Call, tree: Tree, around: Surroundings) -> Iterator[Remark]:
    import promql_parser as promql

    name = node.func.name
    argument = bare(node.args[0]) if node.args else None
    if name == "histogram_quantile":
        yield from _quantile_remarks(node, tree)
    elif name in RATES and isinstance(argument, promql.SubqueryExpr):
        yield from _rate_of_subquery(name, argument.expr)
    elif name in RATES and isinstance(argument, promql.MatrixSelector):
        yield from _rate_of(name, metric_name(argument), around)
        yield from _range_remarks(name, argument, around)
    elif name in _TRENDS and argument is not None and metric_name(argument).endswith("_total"):
        why = f"{name}() of the counter {metric_name(argument)} takes its resets for falls"
        yield warning("trend of a counter", why, "use rate() or increase()")


def _rate_of(function: str, metric: str, around: Surroundings) -> Iterator[Remark]:
    if ":" in metric:
        operation = metric.rpartition(":")[2]
        if metric in around.aggregates or operation.startswith(_OPERATIONS):
            why = f"{function}() of {metric}, which is an aggregate: resets of single counters are lost in it"
            yield error("rate of an aggregate", why, "take the rate of the counters first, then aggregate")
    elif metric in _GAUGES_NAMED or metric.endswith(_GAUGES):
        why = f"{function}() of {metric}, which is a gauge by its name: every fall counts as a reset"
        yield error("rate of a gauge", why, "use deriv() or delta(), or the counter that is meant")
    elif metric.endswith(_PERHAPS_GAUGES):
        why = f"{function}() of {metric}, which is named like a gauge"
        yield warning("rate of a gauge", why, "use deriv() or delta() if it can fall")
    elif metric and not metric.endswith(_COUNTERS):
        why = f"{function}() of {metric}, which is not named like a counter (_total)"
        yield warning("rate of a gauge", why, "make sure that it only ever grows")


def _rate_of_subquery(function: str, inner: Expr) -> Iterator[Remark]:
    import promql_parser as promql

    parts = Tree(inner).nodes
    if any(isinstance(part, promql.AggregateExpr) for part in parts):
        why = f"{function}() of an aggregate: when one counter is reset, all of them seem to be"
        yield error("rate of an aggregate", why, "take the rate of the counters first: sum(rate(...))")
    elif any(isinstance(part, promql.Call) and part.func.name in RATES for part in parts):
        why = f"{function}() of a rate: a rate falls without a reset"
        yield error("rate of a rate", why, "use deriv(), or avg_over_time() of the rate")


def _range_remarks(function: str, node: MatrixSelector, around: Surroundings) -> Iterator[Remark]:
    least = SAMPLES_IN_A_RANGE * around.scrape_interval
    if node.range < least:
        yield warning(
            "short range",
            f"{function}() over {in_words(node.range)} has fewer than {SAMPLES_IN_A_RANGE} samples in it: "
            f"targets are scraped every {in_words(around.scrape_interval)}",
            f"look back {in_words(least)} at least",
        )


def _quantile_remarks(node: Call, tree: Tree) -> Iterator[Remark]:
    import promql_parser as promql

    if len(node.args) < 2:
        return
    inner = bare(node.args[1])
    buckets = any(metric_name(part).endswith("_bucket") for part in Tree(inner).nodes)
    if isinstance(inner, promql.AggregateExpr) and buckets and tree.labels(inner).lacks("le"):
        why = "histogram_quantile() of buckets whose label le is aggregated away gives nothing"
        yield error("no le", why, "aggregate by (le, ...)")


def _regex_remarks(node: VectorSelector) -> Iterator[Remark]:
    for matcher in name_and_matchers(node)[1]:
        if matcher.operator not in ("=~", "!~") or not matcher.value:
            continue
        text = f'{matcher.label}{matcher.operator}"{matcher.value}"'
        if not _META & set(matcher.value):
            plain = "=" if matcher.operator == "=~" else "!="
            remedy = f'write {matcher.label}{plain}"{matcher.value}"'
            yield warning("plain regex", f"{text} is no pattern", remedy)
        elif matcher.value.startswith("^") or matcher.value.endswith("$"):
            why = f"{text} is anchored, as every regular expression in a matcher is"
            yield warning("anchored regex", why, "leave ^ and $ out")


def _matching_remarks(node: BinaryExpr, tree: Tree) -> Iterator[Remark]:
    import promql_parser as promql

    if str(node.op) == "or" or is_scalar(node.lhs) or is_scalar(node.rhs):
        return
    matching = node.modifier.matching if node.modifier else None
    left, right = tree.labels(node.lhs), tree.labels(node.rhs)
    if matching is None or (matching.type != promql.LabelModifierType.Include and not matching.labels):
        compared = _all(left, right)
    elif matching.type == promql.LabelModifierType.Include:
        compared = frozenset(matching.labels)
    else:
        compared = _all(left, right) - frozenset(matching.labels)
    unlike = sorted(
        label
        for label in compared
        if (left.lacks(label) and _certainly(right, label))
        or (right.lacks(label) and _certainly(left, label))
    )
    if unlike:
        named = ", ".join(unlike)
        why = f"the sides of {node.op} can never match: only one of them has the label {named}"
        how = "unless" if str(node.op) in SET_OPERATORS else "group_left()"
        remedy = f"aggregate both by the same labels, or match on () what both have (with {how} where meant)"
        yield error("matching", why, remedy)


def _all(left: Labels, right: Labels) -> frozenset[str]:
    return (left.known or frozenset()) | (right.known or frozenset())


def _certainly(labels: Labels, label: str) -> bool:
    return labels.known is not None and label in labels.known


def _raw_counters(tree: Tree) -> Iterator[Remark]:
    """Yield counters whose value, and not only their existence or growth, makes the result."""
    import promql_parser as promql

    waiting = [tree.root]
    while waiting:
        node = bare(waiting.pop())
        if isinstance(node, promql.VectorSelector) and metric_name(node).endswith(("_total", "_bucket")):
            why = f"the value of the counter {metric_name(node)} depends on when its process was started"
            yield warning("raw counter", why, "use rate() or increase() of it")
        waiting += _valued(node)


def _valued(node: Expr) -> list[Expr]:
    import promql_parser as promql

    match node:
        case promql.Call() if node.func.name in _EXISTENCE:
            return []
        case promql.AggregateExpr() if str(node.op) in ("count", "group"):
            return []
        case promql.BinaryExpr() if str(node.op) in ("and", "unless"):
            return [node.lhs]
        case promql.MatrixSelector():
            return []
    return children(node)
