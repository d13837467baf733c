"""PromQL taken apart: which series an expression reads, and which of them it needs.

The parser knows the language up to Prometheus 2.45 and most of what came later; an expression that it cannot
read is a ``ValueError`` here, which does not prove that a server refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.selectors import Matcher
from release_watch.identifiers import promql_string

if TYPE_CHECKING:
    from promql_parser import Expr, MatrixSelector, VectorSelector

MOST_OPERATORS = 1000
"""The parser dies of a full stack, and not with an error, somewhere above three thousand levels."""

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*", re.DOTALL)
_OPERATOR = re.compile(r"[(\[^*/%+<>=!-]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MAY_BE_MISSING = ("absent", "absent_over_time")


class SeriesSelector(NamedTuple):
    """One selector of series; ``matchers`` are in order, without the name.

    ``metric`` is empty where a pattern gives the name, which then is among the matchers as ``__name__``.
    ``range`` is how far back its samples may lie, and ``offset`` by how much they are shifted, both with the
    subqueries around it; None where there is neither.
    """

    metric: str
    matchers: tuple[Matcher, ...]
    range: timedelta | None = None
    offset: timedelta | None = None

    def __str__(self) -> str:
        """Return the bare selector, without range and offset."""
        matchers = [_matcher_text(matcher) for matcher in self.matchers]
        if not self.metric or _stands_alone(self.metric):
            return f"{self.metric}{{{','.join(matchers)}}}" if matchers else self.metric
        return f"{{{','.join([f'__name__={promql_string(self.metric)}', *matchers])}}}"

    @property
    def bare(self) -> SeriesSelector:
        """The same series, whenever."""
        return self._replace(range=None, offset=None)


class Wanted(NamedTuple):
    """Series that an expression reads; ``optional`` ones may be missing: ``absent()`` asks for them."""

    selector: SeriesSelector
    optional: bool


class AllOf(NamedTuple):
    """Needs that all have to be met; nothing is needed where there are none."""

    parts: tuple[Need, ...]


class AnyOf(NamedTuple):
    """Needs of which one is enough: the branches of an ``or``."""

    parts: tuple[Need, ...]


Need = Wanted | AllOf | AnyOf


def parsed(expression: str) -> Expr:
    """Return the syntax tree of ``expression``.

    Raises:
        ValueError: in the parser's words, if it cannot be read.
    """
    import promql_parser

    if len(_OPERATOR.findall(_QUOTED.sub("", expression))) > MOST_OPERATORS:
        raise ValueError(
            f"has more than {MOST_OPERATORS} operators and brackets; split it by recording rules"
        )
    return promql_parser.parse(_QUOTED.sub(_double_quoted, expression))


def need_of(expression: str) -> Need:
    """Return which series must exist for ``expression`` to mean something.

    What is to the right of ``unless``, and what ``absent()`` asks for, is optional.

    Raises:
        ValueError: in the parser's words, if it cannot be read.
    """
    try:
        return _need(parsed(expression), _Around())
    except RecursionError:
        raise ValueError("is nested too deeply; split it by recording rules") from None


def selectors_of(expression: str) -> tuple[SeriesSelector, ...]:
    """Return every selector of ``expression``, in the order in which they are written.

    Raises:
        ValueError: in the parser's words, if it cannot be read.
    """
    return tuple(wanted.selector for wanted in wanted_by(need_of(expression)))


def wanted_by(need: Need) -> Iterator[Wanted]:
    """Yield everything that ``need`` is made of."""
    if isinstance(need, Wanted):
        yield need
    else:
        for part in need.parts:
            yield from wanted_by(part)


class _Around(NamedTuple):
    """What stands around a part of an expression."""

    range: timedelta = timedelta(0)
    offset: timedelta = timedelta(0)
    optional: bool = False


def _double_quoted(match: re.Match[str]) -> str:
    """Write a raw string as a quoted one: the parser takes the backslashes in it for escapes."""
    text = match[0]
    return promql_string(text[1:-1]) if text.startswith("`") else text


def _need(node: Expr, around: _Around) -> Need:  # noqa: PLR0911 - one for each kind of node
    import promql_parser as promql

    match node:
        case promql.VectorSelector():
            return Wanted(_selector(node, around), around.optional)
        case promql.MatrixSelector():
            return Wanted(_ranged(node, around), around.optional)
        case promql.SubqueryExpr():
            span, shift = node.range or timedelta(0), node.offset or timedelta(0)
            return _need(node.expr, around._replace(range=around.range + span, offset=around.offset + shift))
        case promql.BinaryExpr():
            right = around._replace(optional=True) if str(node.op) == "unless" else around
            left_need, right_need = _need(node.lhs, around), _need(node.rhs, right)
            if str(node.op) != "or":
                return AllOf((left_need, right_need))
            return AnyOf((*_branches(left_need), *_branches(right_need)))
        case promql.Call():
            inner = around._replace(optional=around.optional or node.func.name in _MAY_BE_MISSING)
            return AllOf(tuple(_need(argument, inner) for argument in node.args))
        case promql.AggregateExpr():
            operands = [node.expr] if node.param is None else [node.param, node.expr]
            return AllOf(tuple(_need(operand, around) for operand in operands))
        case promql.ParenExpr() | promql.UnaryExpr():
            return _need(node.expr, around)
        case _:
            return AllOf(())


def _branches(need: Need) -> tuple[Need, ...]:
    return need.parts if isinstance(need, AnyOf) else (need,)


def _ranged(node: MatrixSelector, around: _Around) -> SeriesSelector:
    return _selector(node.vector_selector, around._replace(range=around.range + node.range))


def _selector(node: VectorSelector, around: _Around) -> SeriesSelector:
    name, matchers = name_and_matchers(node)
    offset = around.offset + (node.offset or timedelta(0))
    return SeriesSelector(name, matchers, around.range or None, offset or None)


def name_and_matchers(node: VectorSelector) -> tuple[str, tuple[Matcher, ...]]:
    """Return the metric name, empty where there is none, and the other matchers in order, each once.

    Raises:
        ValueError: if matchers are alternatives, which Prometheus does not know.
    """
    if node.matchers.or_matchers:
        raise ValueError("matchers joined by 'or' are no PromQL; join two selectors by or")
    name = node.name or ""
    matchers = set()
    for found in node.matchers.matchers:
        matcher = Matcher(found.name, _OPERATORS[str(found.op)], found.value)
        if matcher.label == "__name__" and matcher.operator == "=" and not name:
            name = matcher.value
        else:
            matchers.add(matcher)
    return name, tuple(sorted(matchers))


def _matcher_text(matcher: Matcher) -> str:
    return f"{label_text(matcher.label)}{matcher.operator}{promql_string(matcher.value)}"


def label_text(label: str) -> str:
    """Return a label name as it stands in an expression: in quotes if it is more than letters."""
    return label if _LABEL.fullmatch(label) else promql_string(label)


@lru_cache(maxsize=1024)
def _stands_alone(metric: str) -> bool:
    """Return whether a metric name needs no quotes: it is no keyword such as ``on``, and has no dots."""
    from promql_parser import VectorSelector

    try:
        node = parsed(metric)
    except ValueError:
        return False
    return isinstance(node, VectorSelector) and node.name == metric


_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
