"""A scorecard against an earlier one: what became better and what became worse."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from release_watch.assurance.scorecard.model import Number, Scorecard

Way = Literal["better", "worse", "same", "unknown"]
SAME = 1e-9


class Earlier(NamedTuple):
    """An earlier scorecard, and what it is called: the last release, the last night."""

    called: str
    card: Scorecard


class Change(NamedTuple):
    """A number now and then."""

    number: Number
    before: Number | None
    way: Way

    @property
    def shown(self) -> str:
        """The change in words."""
        if self.before is None:
            return "not there before"
        return "same" if self.way == "same" else f"{self.way}; was {self.before.shown}"


def changes(card: Scorecard, earlier: Scorecard) -> tuple[Change, ...]:
    """Return how each number of the headline changed; a number that is unknown on a side is ``unknown``."""
    return tuple(_change(number, earlier.number(number.name)) for number in card.numbers)


def _change(number: Number, before: Number | None) -> Change:
    if before is None or number.value is None or before.value is None:
        same = before is not None and number.value is None and before.value is None
        return Change(number, before, "same" if same else "unknown")
    if math.isclose(number.value, before.value, abs_tol=SAME):
        return Change(number, before, "same")
    rose = number.value > before.value
    return Change(number, before, "better" if rose == (number.better == "higher") else "worse")
