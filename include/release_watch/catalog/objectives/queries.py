"""The two forms of a query: a bare series selector, or an expression with ``{{.window}}`` for every range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.catalog.objectives.model import WINDOW
from release_watch.catalog.objectives.places import Place
from release_watch.catalog.selectors import Matcher, joined, parse_counter
from release_watch.errors import InvalidInputError
from release_watch.telemetry.promql import parsed
from release_watch.telemetry.promql_text import normalised

if TYPE_CHECKING:
    from promql_parser import Expr

FORMS = (
    'write a bare selector such as http_requests_total{job="shop",code=~"5.."} '
    "(rate, sum and window are added), or an expression with {{.window}} where every range goes, such as "
    'sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))'
)
MOST_CHARACTERS = 10_000

PER_SECOND = frozenset({"rate", "irate"})
IN_WINDOW = frozenset({"increase", "count_over_time", "sum_over_time", "changes"})

_TEMPLATE = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
_STANDS_IN, _ITS_LENGTH = "23h59m59s", timedelta(hours=23, minutes=59, seconds=59)
"""Parsed in place of the window; a range that nobody writes."""


class Counter(NamedTuple):
    """A bare selector of series: of counters, or of gauges."""

    name: str
    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        return f"{self.name}{{{joined(self.matchers)}}}" if self.matchers else self.name

    def fixed(self, label: str) -> str | None:
        """Return the value that a label is fixed to, None where it is free."""
        return next((m.value for m in self.matchers if m.label == label and m.operator == "="), None)

    def without(self, *labels: str) -> Counter:
        """Return the selector without the matchers of these labels."""
        return self._replace(matchers=tuple(m for m in self.matchers if m.label not in labels))


class Query(NamedTuple):
    """A query and where it stands; ``counter`` is None for an expression.

    ``functions`` are those that are put around a window, ``tree`` is parsed with a range in its place.
    """

    place: Place
    text: str
    counter: Counter | None
    tree: Expr
    functions: frozenset[str] = frozenset()

    def refusal(self, remedy: str) -> InvalidInputError:
        """Return the error that refuses this query."""
        return self.place.refusal(self.text, remedy)

    def over(self, window: str) -> str:
        """Return the expression over a fixed window."""
        return self.text.replace(WINDOW, window)


def read_query(place: Place, value: object) -> Query:
    """Return a query in one of the two forms; an expression as one line, in canonical text.

    Raises:
        InvalidInputError: for everything else, with both forms shown.
    """
    if not isinstance(value, str) or not value.strip():
        raise place.refusal(value, f"needs a query; {FORMS}")
    if len(value) > MOST_CHARACTERS:
        raise place.refusal(value, f"longer than {MOST_CHARACTERS} signs; record it by a rule and name that")
    text = _TEMPLATE.sub(WINDOW, value.strip())
    if "{{" in text.replace(WINDOW, ""):
        raise place.refusal(value, f"{{{{.window}}}} is the only template that is filled in; {FORMS}")
    return _expression(place, text) if WINDOW in text else _bare(place, text)


def _bare(place: Place, text: str) -> Query:
    try:
        counter = Counter(*parse_counter(text))
        tree = parsed(str(counter))
    except ValueError as error:
        raise place.refusal(text, f"{_reason(text, str(error))}; {FORMS}") from None
    return Query(place, str(counter), counter, tree)


def _reason(text: str, otherwise: str) -> str:
    """Return why a query without ``{{.window}}`` is none of the two forms."""
    try:
        fixed = [span for span, _ in windows(parsed(text))]
    except ValueError:
        return otherwise
    return "has a range of its own" if fixed else "an expression without a range"


def _expression(place: Place, text: str) -> Query:
    import promql_parser as promql

    filled = text.replace(WINDOW, _STANDS_IN)
    try:
        tree, plain = parsed(filled), normalised(filled)
    except ValueError as error:
        words = str(error).replace(_STANDS_IN, WINDOW)
        raise place.refusal(text, f"is no PromQL expression: {words}; {FORMS}") from None
    spans = list(windows(tree))
    if any(span != _ITS_LENGTH for span, _ in spans):
        raise place.refusal(text, f"has a range of its own beside {{{{.window}}}}; {FORMS}")
    if len(spans) != text.count(WINDOW):
        raise place.refusal(text, f"has {{{{.window}}}} where no range goes; {FORMS}")
    if isinstance(tree, promql.MatrixSelector | promql.SubqueryExpr):
        raise place.refusal(text, f"is a range and no number; put rate() around it: {FORMS}")
    functions = frozenset(function for _, function in spans if function)
    return Query(place, plain.replace(f"[{_STANDS_IN}", f"[{WINDOW}"), None, tree, functions)


def windows(node: Expr, function: str | None = None) -> Iterator[tuple[timedelta, str | None]]:
    """Yield every range of an expression, with the function that is put around it."""
    import promql_parser as promql

    match node:
        case promql.MatrixSelector():
            yield node.range, function
        case promql.SubqueryExpr():
            yield node.range or timedelta(0), function
            yield from windows(node.expr)
        case promql.Call():
            for argument in node.args:
                yield from windows(argument, node.func.name)
        case promql.AggregateExpr():
            for operand in (node.param, node.expr):
                if operand is not None:
                    yield from windows(operand)
        case promql.BinaryExpr():
            yield from windows(node.lhs)
            yield from windows(node.rhs)
        case promql.ParenExpr() | promql.UnaryExpr():
            yield from windows(node.expr, function)
