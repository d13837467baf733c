"""What a PromQL expression means: two of the same meaning give the same samples from the same series.

Beyond layout and order (:mod:`release_watch.telemetry.promql_text`) these are one and the same:

- ``a + b`` and ``b + a``, also ``*``, where matching finds the same pairs on either side
- ``x * on (l) group_left y`` and ``y * on (l) group_right x``
- ``up > 5`` and ``5 < up``: the sample that stays is the vector's in both
- ``1 - 0.75`` and ``0.25``: where the number that comes of it is the same to the last bit
- ``=~"5"`` and ``="5"``, ``=~"a|b"`` and ``=~"b|a"``, and ``=~".*"`` or no matcher

Sums of three are not reordered: floats that are added in another order differ in the last bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.catalog.selectors import Matcher
from release_watch.telemetry.promql import name_and_matchers, parsed

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, BinaryExpr, Expr, MatrixSelector, SubqueryExpr, VectorSelector

REMEMBERED = 65_536
"""Expressions whose meaning is kept: those of a night over many releases are mostly the same."""

Meaning = tuple[Any, ...]

_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_COMMUTATIVE = ("+", "*")
_FOLDED: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else float("nan"),
}
_MANY = {"VectorMatchCardinality.ManyToOne": "left", "VectorMatchCardinality.OneToMany": "right"}
_MORE_THAN_ONE = ("topk", "bottomk", "limitk", "limit_ratio", "count_values")
"""Aggregations whose result is not one series per group."""
_EXACT = {"=~": "=", "!~": "!="}
_LITERALS = re.compile(r"[A-Za-z0-9_ :/@%-]*(?:\|[A-Za-z0-9_ :/@%-]*)*")
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|[\w.:]+|\S")


class Read(NamedTuple):
    """An expression as it was understood: the digest of what it means, or why that cannot be told."""

    meaning: bytes | None
    problem: str = ""


@lru_cache(maxsize=REMEMBERED)
def read(expression: str) -> Read:
    """Return what ``expression`` means; one that cannot be read has no meaning and a problem."""
    try:
        return Read(sha256(repr(_tree(expression)).encode()).digest())
    except ValueError as error:
        return Read(None, f"cannot be read: {' '.join(str(error).split())}")


@lru_cache(maxsize=REMEMBERED)
def without_layout(expression: str) -> str:
    """Return the text with its words one space apart, and the matchers in each pair of braces in order.

    Servers write expressions anew: mostly this is all they change, and it is told without a parser.
    """
    if "#" in expression:
        return expression  # where a comment ends decides what the rest means: that is for the parser
    done: list[str] = []
    matchers: list[list[str]] = []
    for part in _TOKEN.findall(expression):
        if part == "{":
            matchers = [[]]
        elif part == "}":
            done += ["{", *sorted({" ".join(one) for one in matchers if one}), "}"]
            matchers = []
        elif not matchers:
            done.append(part)
        elif part == ",":
            matchers.append([])
        else:
            matchers[-1].append(part)
    return " ".join([*done, *chain.from_iterable(matchers)])


def same_meaning(one: str, other: str) -> bool:
    """Return whether two expressions mean the same; what cannot be read is the same only as text."""
    if one == other or without_layout(one) == without_layout(other):
        return True
    first = read(one).meaning
    return first is not None and first == read(other).meaning


def same_but_for_numbers(one: str, other: str) -> bool:
    """Return whether two expressions differ in nothing but numbers: in a threshold, mostly."""
    try:
        return bool(_numberless(_tree(one)) == _numberless(_tree(other)))
    except ValueError:
        return False


def _tree(expression: str) -> Meaning:
    try:
        return _meaning(parsed(expression))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _numberless(meaning: Hashable) -> Hashable:
    if not isinstance(meaning, tuple):
        return meaning
    if meaning and meaning[0] == "number":
        return ("number",)
    return tuple(_numberless(part) for part in meaning)


def _meaning(node: Expr) -> Meaning:  # noqa: PLR0911 - one for each kind of node
    import promql_parser as promql

    match node:
        case promql.ParenExpr():
            return _meaning(node.expr)
        case promql.VectorSelector() | promql.MatrixSelector() | promql.SubqueryExpr():
            return _read_series(node)
        case promql.UnaryExpr():
            inner = _meaning(node.expr)
            return _number(-inner[1]) if _is_number(inner) else ("-", inner)
        case promql.BinaryExpr():
            return _binary(node)
        case promql.AggregateExpr():
            return _aggregation(node)
        case promql.Call():
            return ("call", node.func.name, *map(_meaning, node.args))
        case promql.NumberLiteral():
            return _number(node.val)
        case promql.StringLiteral():
            return ("text", node.val)
    raise ValueError(f"holds a {type(node).__name__}, which is not known here")


def _read_series(node: VectorSelector | MatrixSelector | SubqueryExpr) -> Meaning:
    import promql_parser as promql

    if isinstance(node, promql.VectorSelector):
        return _series(node)
    if isinstance(node, promql.MatrixSelector):
        return ("range", _series(node.vector_selector), node.range)
    return ("subquery", _meaning(node.expr), node.range, node.step, node.offset or None, _at(node))


def _number(value: float) -> Meaning:
    # NaN differs from itself, and 0.0 equals -0.0: the text tells both as they are.
    return ("number", "NaN") if isnan(value) else ("number", value, repr(value))


def _is_number(meaning: Meaning) -> bool:
    return meaning[0] == "number" and len(meaning) == 3


def _series(node: VectorSelector) -> Meaning:
    name, matchers = name_and_matchers(node)
    plain = tuple(sorted({one for one in map(_plain, matchers) if one is not None}))
    return ("series", name, plain, node.offset or None, _at(node))


def _at(node: VectorSelector | SubqueryExpr) -> str | None:
    found = node.at
    if found is None:
        return None
    return str(found.at.timestamp()) if found.at is not None else str(found.type)


def _plain(matcher: Matcher) -> Matcher | None:
    """Return the simplest matcher of the same meaning; None for one that everything matches."""
    if matcher.operator not in _EXACT:
        return matcher
    if matcher == Matcher(matcher.label, "=~", ".*"):
        return None
    if not _LITERALS.fullmatch(matcher.value):
        return matcher
    values = sorted(set(matcher.value.split("|")))
    if len(values) == 1:
        return Matcher(matcher.label, _EXACT[matcher.operator], values[0])
    return matcher._replace(value="|".join(values))


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(labels)))


def _aggregation(node: AggregateExpr) -> Meaning:
    import promql_parser as promql

    grouping: Hashable = ("by", ())
    if node.modifier is not None:
        by = node.modifier.type == promql.AggModifierType.By
        grouping = ("by" if by else "without", _in_order(node.modifier.labels))
    param = None if node.param is None else _meaning(node.param)
    return ("aggregate", str(node.op), grouping, param, _meaning(node.expr))


def _binary(node: BinaryExpr) -> Meaning:
    op, left, right = str(node.op), _meaning(node.lhs), _meaning(node.rhs)
    modifier = node.modifier
    returns_bool = bool(modifier and modifier.return_bool)
    if _is_number(left) and _is_number(right) and op in _FOLDED:
        return _number(_FOLDED[op](left[1], right[1]))
    if _is_scalar(left) or _is_scalar(right):
        return _with_scalar(op, left, right, returns_bool)
    matching, many = _matching(node)
    fill = _fill(node)
    if op in _COMMUTATIVE and fill == (None, None):
        if many and many[0] == "right":
            left, right, many = right, left, ("left", *many[1:])
        elif not many and _is_single(left, matching) and _is_single(right, matching):
            left, right = sorted((left, right), key=repr)
    return ("binary", op, left, right, matching, many, fill, returns_bool)


def _with_scalar(op: str, left: Meaning, right: Meaning, returns_bool: bool) -> Meaning:
    if _is_scalar(left) and not _is_scalar(right):
        if op in _COMMUTATIVE:
            left, right = right, left
        elif op in _MIRRORED:
            op, left, right = _MIRRORED[op], right, left
    elif _is_scalar(left) and op in _COMMUTATIVE:
        left, right = sorted((left, right), key=repr)
    return ("binary", op, left, right, returns_bool)


def _is_scalar(meaning: Meaning) -> bool:
    if meaning[0] == "number" or meaning[:2] in (("call", "scalar"), ("call", "time"), ("call", "pi")):
        return True
    if meaning[0] == "-":
        return _is_scalar(meaning[1])
    return meaning[0] == "binary" and len(meaning) == 5 and all(map(_is_scalar, meaning[2:4]))


def _matching(node: BinaryExpr) -> tuple[Meaning, Meaning]:
    import promql_parser as promql

    modifier = node.modifier
    if modifier is None:
        return ("ignoring", ()), ()
    matching: Meaning = ("ignoring", ())
    if modifier.matching is not None:
        only = modifier.matching.type == promql.LabelModifierType.Include
        matching = ("on" if only else "ignoring", _in_order(modifier.matching.labels))
    side = _MANY.get(str(modifier.card))
    return matching, (side, _in_order(modifier.group_labels or ())) if side else ()


def _fill(node: BinaryExpr) -> tuple[float | None, float | None]:
    values = node.modifier.fill_values if node.modifier else None
    return (values.lhs, values.rhs) if values else (None, None)


def _is_single(meaning: Meaning, matching: Meaning) -> bool:
    """Return whether an operand has at most one series per match group, whatever the data is.

    Where it may have more, Prometheus objects to one side and not always to the other.
    """
    kind, labels = matching
    match meaning:
        case ("aggregate", op, (grouping, names), _, _) if op not in _MORE_THAN_ONE:
            if grouping == "without":
                return kind == "ignoring" and not labels
            within = set(names) & set(labels)
            return len(within) == len(names) if kind == "on" else not within
        case ("series", name, *_):
            return bool(name) and kind == "ignoring" and not labels
        case ("call", function, ("range", ("series", name, *_), _)) if function != "last_over_time":
            return bool(name) and kind == "ignoring" and not labels
    return False
