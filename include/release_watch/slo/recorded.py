"""The series that the rules of an SLO record: their names and labels, and how long windows are made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.identifiers import promql_string
from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.windows import plain, seconds

Quantity = Literal[
    "events_total",
    "events_bad",
    "error_ratio",
    "history",
    "newborn_total",
    "newborn_bad",
    "newborn_good",
    "slice_events_total",
    "slice_events_bad",
]

BUDGET_BURNED = "slo:budget_burned:ratio"
OBJECTIVE = "slo:objective:ratio"
IDENTITY = ("environment", "service", "slo")
"""The labels that tell one SLO from another; a release or value in them would make a new alert of an old."""

LATE = timedelta(minutes=15)
"""A piece may have been recorded so much earlier: rules do not run while Prometheus restarts."""

_RESERVED = frozenset(
    {*IDENTITY, "severity", "burn_tier", "alertname", "alertstate", "tile", "newborn", "le"}
)


class Piece(NamedTuple):
    """A part of a long window: the recorded window ``length``, as it was ``offset`` ago."""

    length: timedelta
    offset: timedelta


class Recorded:
    """Names the recorded series of one SLO in one environment.

    Raises:
        InvalidInputError: if the SLO groups by a label that the rules need for themselves.
    """

    def __init__(self, slo: Slo, environment: str) -> None:
        if taken := sorted(_RESERVED & set(slo.group_by)):
            raise InvalidInputError(
                [
                    f"SLO {slo.name}: groups by {', '.join(taken)}, which the rules use themselves; "
                    "group by another label"
                ]
            )
        self.labels = {"slo": slo.name, "service": slo.service, "environment": environment}
        self.matchers = f"slo={promql_string(slo.name)},environment={promql_string(environment)}"
        self.sum = f"sum by ({', '.join(slo.group_by)})" if slo.group_by else "sum"
        """Adds up what belongs to one error budget."""
        self.count = self.sum.replace("sum", "count", 1)
        self.max = self.sum.replace("sum", "max", 1)

    def series(self, quantity: Quantity, window: timedelta) -> str:
        """Return the selector of a quantity over a window."""
        return self.named(_name(quantity, window))

    def named(self, name: str) -> str:
        """Return the selector of this SLO's series of a name."""
        return f"{name}{{{self.matchers}}}"

    def rule(self, quantity: Quantity, window: timedelta, expr: str) -> Rule:
        """Return the rule that records a quantity over a window."""
        return self.rule_named(_name(quantity, window), expr)

    def rule_named(self, name: str, expr: str) -> Rule:
        """Return the rule that records ``name``."""
        return Rule(record=name, expr=expr, labels=self.labels)

    def ratio(self, window: timedelta) -> Rule:
        """Return the rule of the error ratio; nothing without events, and never NaN."""
        bad, total = self.series("events_bad", window), self.series("events_total", window)
        return self.rule("error_ratio", window, f"{bad} / ({total} > 0)")

    def joined(self, quantity: Quantity, pieces: Sequence[Piece]) -> str:
        """Return the PromQL of a quantity over a long window, as the mean of pieces of it, by their lengths.

        A piece that is missing counts as 0, wherever it lies. Exact, since windows that were recorded end to
        end hold each event once; and cheap, since no raw series is read over days.
        """
        even = len({piece.length for piece in pieces}) == 1
        whole = sum((piece.length for piece in pieces), timedelta(0))
        terms = [self._term(quantity, piece, number, even) for number, piece in enumerate(pieces)]
        divisor = str(len(pieces)) if even else plain(seconds(whole))
        return f"sum without (tile) ({' or '.join(terms)}) / {divisor}"

    def _term(self, quantity: Quantity, piece: Piece, number: int, even: bool) -> str:
        series = self.series(quantity, piece.length)
        if piece.offset:
            series = f"last_over_time({series}[{duration(LATE)}] offset {duration(piece.offset)})"
        weighed = series if even else f"{plain(seconds(piece.length))} * {series}"
        return f'label_replace({weighed}, "tile", "{number}", "", "")'


def pieces_of(window: timedelta, lengths: Sequence[timedelta]) -> tuple[Piece, ...]:
    """Return how ``window`` is laid out with pieces of the given lengths, the longest first, newest first.

    Raises:
        ValueError: if they do not fill it.
    """
    pieces: list[Piece] = []
    offset = timedelta(0)
    for length in sorted(lengths, reverse=True):
        while offset + length <= window:
            pieces.append(Piece(length, offset))
            offset += length
    if offset != window:
        raise ValueError(f"{window} is not made of {', '.join(map(str, lengths))}")
    return tuple(pieces)


def _name(quantity: Quantity, window: timedelta) -> str:
    return f"slo:{quantity}:{'ratio' if quantity == 'history' else 'rate'}{duration(window)}"
