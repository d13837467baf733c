"""One range query for many metrics: those whose queries differ in nothing but the values of labels.

``sum(rate(x{job="a"}[4m]))`` and the same of ``b`` are ``sum by (job) (rate(x{job=~"a|b"}[4m]))``. A query
joins others only where every part of it is known to mean the same when grouped; any other is asked alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.selectors import Matcher, joined
from release_watch.coverage.batches import batches
from release_watch.judge.spec import MetricSpec
from release_watch.telemetry.metrics import series_name
from release_watch.telemetry.promql import name_and_matchers, parsed, selectors_of

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, VectorSelector

MOST_CHARACTERS = 50_000
"""Of the values that one query lists: Prometheus takes more, but proxies before it and their logs may not."""

_MERGING = {"sum", "avg", "min", "max", "count", "group", "quantile", "stddev", "stdvar"}
_PER_SERIES = {
    *("rate", "increase", "irate", "delta", "idelta", "deriv", "changes", "resets"),
    *(f"{what}_over_time" for what in ("sum", "avg", "min", "max", "count", "last", "present", "stddev")),
    *("quantile_over_time", "histogram_quantile", "histogram_sum", "histogram_count", "histogram_avg"),
    *("abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "sqrt", "ln", "log2", "log10"),
}
"""What treats each series, or each histogram, by itself, and leaves the labels that are grouped by."""

_OWN_MEANING = ("le", "__name__", "quantile")
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

_NUMBER, _RAW, _MERGED = "number", "series", "merged"


class Batch(NamedTuple):
    """One query for several metrics; ``specs`` are by the name that their column has in the answer."""

    query: str
    specs: Mapping[str, tuple[MetricSpec, ...]]


class _Grouped(NamedTuple):
    """How selectors and aggregations are written: ``matchers`` in place of those of ``labels``."""

    labels: tuple[str, ...]
    matchers: str


class _AloneError(ValueError):
    """A query that cannot be joined with others."""


def groups(specs: Iterable[MetricSpec], most: int) -> Iterator[tuple[MetricSpec, ...]]:
    """Yield the metrics in groups of at most ``most``, each of which :func:`batch` can ask for at once."""
    alike: dict[str, list[MetricSpec]] = defaultdict(list)
    for number, spec in enumerate(specs):
        alike[_form(spec.query) or f"alone {number}"].append(spec)
    for members in alike.values():
        yield from _chunks(members, most)


def batch(specs: Sequence[MetricSpec]) -> Batch:
    """Return the query for a group that :func:`groups` gave.

    Raises:
        ValueError: if their queries are not alike.
    """
    if len({_form(spec.query) for spec in specs}) != 1 or _form(specs[0].query) is None:
        raise ValueError("these queries cannot be one; ask for each alone")
    selectors = {str(number): joined(sorted(_identity(spec.query))) for number, spec in enumerate(specs)}
    (one,) = batches(selectors)
    grouped = _Grouped(one.labels, one.matchers)
    columns = {
        series_name(dict(zip(one.labels, values, strict=True))): tuple(specs[int(n)] for n in numbers)
        for values, numbers in one.services.items()
    }
    return Batch(_text(parsed(specs[0].query), grouped)[0], columns)


def _chunks(members: Sequence[MetricSpec], most: int) -> Iterator[tuple[MetricSpec, ...]]:
    chunk: list[MetricSpec] = []
    length = 0
    for spec in members:
        if chunk and (len(chunk) == most or length + len(spec.query) > MOST_CHARACTERS):
            yield tuple(chunk)
            chunk, length = [], 0
        chunk.append(spec)
        length += len(spec.query)
    if chunk:
        yield tuple(chunk)


def _form(query: str) -> str | None:
    """Return what queries must have in common to be one; None for one that stays alone."""
    try:
        identity = _identity(query)
        labels = tuple(sorted(matcher.label for matcher in identity))
        text, kind = _text(parsed(query), _Grouped(labels, "?"))
    except (ValueError, RecursionError):  # what cannot be read here may still be answered
        return None
    return text if identity and kind == _MERGED else None


def _identity(query: str) -> frozenset[Matcher]:
    """Return the matchers for one value that every selector of a query has: they say whose it is."""
    sets = [_single(selector.matchers) for selector in selectors_of(query)]
    return frozenset.intersection(*sets) if sets else frozenset()


def _single(matchers: Sequence[Matcher]) -> frozenset[Matcher]:
    labels = [matcher.label for matcher in matchers]
    return frozenset(
        matcher
        for matcher in matchers
        if matcher.operator == "=" and matcher.value and labels.count(matcher.label) == 1
        if matcher.label not in _OWN_MEANING
    )


def _text(node: Expr, grouped: _Grouped) -> tuple[str, str]:  # noqa: PLR0911 - one for each kind of node
    """Return the text of a part, and whether it is a number, series as they are, or merged ones."""
    import promql_parser as promql

    match node:
        case promql.ParenExpr() | promql.UnaryExpr():
            text, kind = _text(node.expr, grouped)
            return (f"(-({text}))" if isinstance(node, promql.UnaryExpr) else f"({text})"), kind
        case promql.NumberLiteral():
            return repr(node.val), _NUMBER
        case promql.VectorSelector():
            return _selector(node, grouped) + _offset(node), _RAW
        case promql.MatrixSelector():
            series = node.vector_selector
            span = promql.display_duration(node.range)
            return f"{_selector(series, grouped)}[{span}]{_offset(series)}", _RAW
        case promql.AggregateExpr():
            return _aggregation(node, grouped), _MERGED
        case promql.Call():
            return _call(node, grouped)
        case promql.BinaryExpr():
            return _operation(node, grouped)
    raise _AloneError(f"holds a {type(node).__name__}")


def _selector(node: VectorSelector, grouped: _Grouped) -> str:
    name, matchers = name_and_matchers(node)
    if not _PLAIN_NAME.fullmatch(name) or node.at is not None:
        raise _AloneError("selects by more than a name and labels")
    others = [m for m in matchers if m.label not in grouped.labels]
    return f"{name}{{{','.join(filter(None, [grouped.matchers, joined(others)]))}}}"


def _offset(node: VectorSelector) -> str:
    import promql_parser as promql

    if not node.offset:
        return ""
    if node.offset.total_seconds() < 0:
        raise _AloneError("looks ahead")
    return f" offset {promql.display_duration(node.offset)}"


def _aggregation(node: AggregateExpr, grouped: _Grouped) -> str:
    import promql_parser as promql

    by = [] if node.modifier is None else list(node.modifier.labels)
    without = node.modifier is not None and node.modifier.type != promql.AggModifierType.By
    if str(node.op) not in _MERGING or without:
        raise _AloneError(f"merges by {node.op}")
    inner, kind = _text(node.expr, grouped)
    parameter = "" if node.param is None else f"{_number(node.param, grouped)}, "
    if kind == _NUMBER:
        raise _AloneError("merges no series")
    names = ", ".join(dict.fromkeys((*grouped.labels, *by)))
    return f"{node.op} by ({names}) ({parameter}{inner})"


def _number(node: Expr, grouped: _Grouped) -> str:
    text, kind = _text(node, grouped)
    if kind != _NUMBER:
        raise _AloneError("has a parameter that is no number")
    return text


def _call(node: Call, grouped: _Grouped) -> tuple[str, str]:
    if node.func.name not in _PER_SERIES:
        raise _AloneError(f"calls {node.func.name}")
    texts, kinds = zip(*(_text(argument, grouped) for argument in node.args), strict=True)
    return f"{node.func.name}({', '.join(texts)})", _one_kind(kinds)


def _operation(node: BinaryExpr, grouped: _Grouped) -> tuple[str, str]:
    modifier, boolean = node.modifier, ""
    if modifier is not None:
        filled = modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None
        if modifier.matching is not None or modifier.group_labels or filled:
            raise _AloneError("matches series in a way of its own")
        boolean = " bool" if modifier.return_bool else ""
    (left, left_kind), (right, right_kind) = _text(node.lhs, grouped), _text(node.rhs, grouped)
    return f"({left}) {node.op}{boolean} ({right})", _one_kind((left_kind, right_kind))


def _one_kind(kinds: Iterable[str]) -> str:
    """Return what parts together are; series as they are do not match merged ones the same when grouped."""
    series = set(kinds) - {_NUMBER}
    if len(series) > 1:
        raise _AloneError("matches series with merged ones")
    return series.pop() if series else _NUMBER
