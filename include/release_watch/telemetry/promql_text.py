"""The canonical text of PromQL: two expressions of the same text mean the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from math import isinf, isnan
from typing import TYPE_CHECKING

from release_watch.identifiers import promql_string
from release_watch.telemetry.promql import SeriesSelector, label_text, name_and_matchers, parsed

if TYPE_CHECKING:
    from promql_parser import AggregateExpr, AtModifier, BinaryExpr, Expr

_PRECEDENCE = {
    **dict.fromkeys(("or",), 1),
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_SIGN, _HIGHEST = 5, 7
_MANY = {"VectorMatchCardinality.ManyToOne": "left", "VectorMatchCardinality.OneToMany": "right"}


def normalised(expression: str) -> str:
    """Return the canonical text of ``expression``: two of the same text mean the same.

    One line, with matchers and label lists in order, and without comments and needless parentheses.

    Raises:
        ValueError: in the parser's words, if it cannot be read.
    """
    try:
        return _text(parsed(expression))
    except RecursionError:
        raise ValueError("is nested too deeply; split it by recording rules") from None


def _text(node: Expr) -> str:  # noqa: PLR0911 - one for each kind of node
    import promql_parser as promql

    match node:
        case promql.ParenExpr():
            return _text(node.expr)
        case promql.VectorSelector() | promql.MatrixSelector() | promql.SubqueryExpr():
            return _series_text(node)
        case promql.UnaryExpr():
            number = _number(node)
            return f"-{_operand(node.expr, _SIGN + 1)}" if number is None else _number_text(number)
        case promql.BinaryExpr():
            own = _PRECEDENCE[str(node.op)]
            right_first = str(node.op) == "^"
            left = _operand(node.lhs, own + right_first)
            return f"{left} {_operator_text(node)} {_operand(node.rhs, own + 1 - right_first)}"
        case promql.AggregateExpr():
            operands = [node.expr] if node.param is None else [node.param, node.expr]
            return f"{_aggregation_text(node)}({', '.join(map(_text, operands))})"
        case promql.Call():
            return f"{node.func.name}({', '.join(map(_text, node.args))})"
        case promql.NumberLiteral():
            return _number_text(node.val)
        case promql.StringLiteral():
            return promql_string(node.val)
    raise ValueError(f"holds a {type(node).__name__}, which is not known here")


def _operand(node: Expr, least: int) -> str:
    """Return the text of an operand, in parentheses if it binds more loosely than ``least``."""
    text = _text(node)
    return text if _precedence(node) >= least else f"({text})"


def _precedence(node: Expr) -> int:
    import promql_parser as promql

    number = _number(node)
    if number is not None:
        return _SIGN if _number_text(number).startswith("-") else _HIGHEST
    match node:
        case promql.ParenExpr():
            return _precedence(node.expr)
        case promql.BinaryExpr():
            return _PRECEDENCE[str(node.op)]
        case promql.UnaryExpr():
            return _SIGN
    return _HIGHEST


def _number(node: Expr) -> float | None:
    """Return the value of a number, signed and in parentheses however often."""
    import promql_parser as promql

    match node:
        case promql.NumberLiteral():
            return node.val
        case promql.ParenExpr():
            return _number(node.expr)
        case promql.UnaryExpr():
            inner = _number(node.expr)
            return None if inner is None else -inner
    return None


def _number_text(value: float) -> str:
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _series_text(node: Expr) -> str:
    import promql_parser as promql

    match node:
        case promql.VectorSelector():
            return str(SeriesSelector(*name_and_matchers(node))) + _shift(node.at, node.offset)
        case promql.MatrixSelector():
            series = node.vector_selector
            span = promql.display_duration(node.range)
            bare = SeriesSelector(*name_and_matchers(series))
            return f"{bare}[{span}]{_shift(series.at, series.offset)}"
        case promql.SubqueryExpr():
            span = promql.display_duration(node.range or timedelta(0))
            step = promql.display_duration(node.step) if node.step else ""
            return f"{_operand(node.expr, _HIGHEST)}[{span}:{step}]{_shift(node.at, node.offset)}"
    raise TypeError(f"{type(node).__name__} reads no series")


def _shift(at: AtModifier | None, offset: timedelta | None) -> str:
    import promql_parser as promql

    text = ""
    if at is not None and at.at is not None:
        text = f" @ {at.at.timestamp():.3f}"
    elif at is not None:
        text = f" @ {'start' if at.type == promql.AtModifierType.Start else 'end'}()"
    if offset:
        text += f" offset {'-' if offset < timedelta(0) else ''}{promql.display_duration(abs(offset))}"
    return text


def _operator_text(node: BinaryExpr) -> str:
    import promql_parser as promql

    words, modifier = [str(node.op)], node.modifier
    if modifier is None:
        return words[0]
    if modifier.return_bool:
        words.append("bool")
    many = _MANY.get(str(modifier.card))
    if modifier.matching is not None:
        only = modifier.matching.type == promql.LabelModifierType.Include
        if only or many or modifier.matching.labels:  # ignoring nothing is what happens anyway
            words.append(_labels_text("on" if only else "ignoring", modifier.matching.labels))
    if many:
        words.append(_labels_text(f"group_{many}", modifier.group_labels or ()))
    filled = {"left": modifier.fill_values.lhs, "right": modifier.fill_values.rhs}
    words += [f"fill_{one}({_number_text(value)})" for one, value in filled.items() if value is not None]
    return " ".join(words)


def _aggregation_text(node: AggregateExpr) -> str:
    import promql_parser as promql

    if node.modifier is None:
        return str(node.op)
    by = node.modifier.type == promql.AggModifierType.By
    if by and not node.modifier.labels:
        return str(node.op)
    return f"{node.op} {_labels_text('by' if by else 'without', node.modifier.labels)} "


def _labels_text(word: str, labels: Iterable[str]) -> str:
    names = map(label_text, sorted(set(labels)))
    return f"{word} ({', '.join(names)})"
