"""How fast each made-up series must count, so that SLOs see the numbers of events that a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

_MOST_COLUMNS = 12

Row = tuple[Fraction, ...]
"""A number of events as a sum: so many times all events, and so many times the bad ones of each SLO."""


def solve(wanted: Sequence[tuple[Row, Row]], parameters: int) -> list[Row] | None:
    """Return the rate of each series as a :data:`Row`; None if no whole, never negative rates do it.

    Args:
        wanted: for each number that an SLO reads, how much each series adds to it, and what it must be.
        parameters: how many numbers a row has: 1 for all events, and 1 for each SLO.
    """
    columns = len(wanted[0][0]) if wanted else 0
    for size in range(1, min(columns, len(wanted)) + 1):
        for chosen in combinations(range(min(columns, _MOST_COLUMNS)), size):
            found = _eliminated([([row[i] for i in chosen], target) for row, target in wanted], size)
            if found is not None and all(_whole_and_never_negative(rate) for rate in found):
                nothing = (Fraction(0),) * parameters
                return [found[chosen.index(i)] if i in chosen else nothing for i in range(columns)]
    return None


def _eliminated(equations: Sequence[tuple[list[Fraction], Row]], size: int) -> list[Row] | None:
    """Return the only solution of linear equations; None if there is none, or more than one."""
    rows = [[*left, *right] for left, right in equations]
    for column in range(size):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for other in range(len(rows)):
            if other != column and rows[other][column]:
                factor = rows[other][column]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[column], strict=True)]
    if any(any(row) for row in rows[size:]):
        return None
    return [tuple(rows[column][size:]) for column in range(size)]


def _whole_and_never_negative(rate: Row) -> bool:
    """Return whether a rate is so whatever share of the events is bad, for each SLO on its own."""
    least = rate[0] + sum((min(Fraction(0), share) for share in rate[1:]), Fraction(0))
    return least >= 0 and all(share.denominator == 1 for share in rate)
