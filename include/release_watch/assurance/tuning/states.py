"""When an alert fires, from when its condition held: ``for`` and ``keep_firing_for`` as Prometheus does it.

``rules/alerting.go``, ``AlertingRule.Eval``: an alert whose condition holds is pending, and fires at the
first evaluation at which it has been so for ``for``. One evaluation without the condition ends a pending
alert. A firing one is kept until ``keep_firing_for`` has gone by since the first evaluation without its
condition; if the condition comes back meanwhile, it is the same firing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple


class Run(NamedTuple):
    """The numbers of the first and last of evaluations in a row at which the condition held."""

    first: int
    last: int


class Fired(NamedTuple):
    """A firing by the numbers of evaluations: pending since ``active``, firing from ``first`` to ``last``."""

    active: int
    first: int
    last: int


def fired(
    runs: Iterable[Run],
    *,
    step: timedelta,
    hold: timedelta = timedelta(0),
    keep: timedelta = timedelta(0),
) -> list[Fired]:
    """Return the firings of one series, in order.

    Args:
        runs: when the condition held, in order, with at least one evaluation between two of them.
        step: how far evaluations are apart.
        hold: the rule's ``for``.
        keep: the rule's ``keep_firing_for``.
    """
    until_firing, kept = _evaluations(hold, step), _evaluations(keep, step)
    found: list[Fired] = []
    for run in runs:
        if found and run.first <= found[-1].last + 1:
            found[-1] = found[-1]._replace(last=run.last + kept)
        elif run.first + until_firing <= run.last:
            found.append(Fired(run.first, run.first + until_firing, run.last + kept))
    return found


def _evaluations(length: timedelta, step: timedelta) -> int:
    """Return how many steps ``length`` takes, rounded up."""
    return -(-length // step)
