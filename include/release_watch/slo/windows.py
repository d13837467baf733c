"""Burn-rate windows and the two closed forms of multi-window alerting; exact Decimals, no float."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from release_watch.errors import InvalidInputError

Severity = Literal["page", "ticket"]

SHORTEST = timedelta(minutes=5)
"""The shortest window: at least four samples at a scrape interval of a minute and more."""

LOWEST_FACTOR = Decimal("0.9")
"""A slower burn than about this leaves budget at the end of the period: nobody need act on it."""

_SPANS: tuple[tuple[Severity, timedelta, timedelta], ...] = (
    ("page", timedelta(hours=1), timedelta(minutes=5)),
    ("page", timedelta(hours=6), timedelta(minutes=30)),
    ("ticket", timedelta(days=1), timedelta(hours=2)),
    ("ticket", timedelta(days=3), timedelta(hours=6)),
)
"""SRE Workbook, chapter 5, table 5-8."""

_BUDGETS = {
    7: ("0.08", "0.125", "0.20", "0.42"),  # the shares of 30 days would give factors below LOWEST_FACTOR
    28: ("0.02", "0.05", "0.10", "0.10"),
    30: ("0.02", "0.05", "0.10", "0.10"),
    90: ("0.02", "0.05", "0.10", "0.10"),
}
"""Share of the error budget that is gone when an arm fires, by SLO period in days (table 5-6)."""


class BurnWindow(NamedTuple):
    """One arm of a multi-window alert: both windows burn faster than ``factor`` times the even pace."""

    severity: Severity
    long: timedelta
    short: timedelta
    budget: Decimal
    factor: Decimal
    threshold: Decimal
    """The error ratio that both windows must exceed: ``factor * (1 - objective)``."""


def burn_windows(
    name: str,
    objective: Decimal,
    window_days: int,
    severities: Collection[Severity] = ("page", "ticket"),
) -> tuple[BurnWindow, ...]:
    """Return the arms for an SLO: ``factor = budget * period / long`` (SRE Workbook, chapter 5).

    Args:
        name: the SLO's name, for messages.
        objective: share of good events, above 0 and below 1, such as ``Decimal("0.999")``.
        window_days: the rolling period of the SLO: 7, 28, 30 or 90.
        severities: of which alerts the arms are wanted, two of each; others may well be unreachable.

    Raises:
        InvalidInputError: if the objective leaves no budget, the period is unknown, or an arm can never fire.
    """
    if not Decimal(0) < objective < Decimal(1):
        raise InvalidInputError(
            [f"SLO {name}: objective {objective} leaves no error budget to alert on; use one between 0 and 1"]
        )
    if window_days not in _BUDGETS:
        known = ", ".join(str(days) for days in _BUDGETS)
        raise InvalidInputError([f"SLO {name}: a period of {window_days} days is unknown; use {known} days"])
    shares = (Decimal(text) for text in _BUDGETS[window_days])
    arms = tuple(
        _arm(span, share, objective, window_days)
        for span, share in zip(_SPANS, shares, strict=True)
        if span[0] in severities
    )
    if problems := [problem for arm in arms for problem in _problems(name, objective, arm)]:
        raise InvalidInputError(problems)
    return arms


def time_to_detect(arm: BurnWindow, objective: Decimal, error_ratio: Decimal) -> timedelta | None:
    """Return how long errors last until the arm fires: ``(1-SLO)/error_ratio * long * factor``.

    None if it never fires at this ratio. Holds for a full window of healthy history before the errors.
    """
    if error_ratio <= arm.threshold:
        return None
    share = (1 - objective) / error_ratio * arm.factor
    return timedelta(seconds=float(share * seconds(arm.long)))


def time_to_reset(arm: BurnWindow, error_ratio: Decimal) -> timedelta:
    """Return how long an arm fires after the errors ended: ``short * (1 - factor(1-SLO)/error_ratio)``."""
    return timedelta(seconds=float(seconds(arm.short) * (1 - arm.threshold / error_ratio)))


def seconds(length: timedelta) -> Decimal:
    """Return whole seconds, exactly."""
    return Decimal(length // timedelta(seconds=1))


def plain(number: Decimal) -> str:
    """Return a number as it stands in a rule: ten significant digits, no exponent, no trailing zeros."""
    rounded = number.normalize().__round__(_places(number))
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(number: Decimal) -> int:
    return max(0, 9 - number.adjusted())


def _arm(
    span: tuple[Severity, timedelta, timedelta], budget: Decimal, objective: Decimal, window_days: int
) -> BurnWindow:
    severity, long, short = span
    factor = budget * seconds(timedelta(days=window_days)) / seconds(long)
    return BurnWindow(severity, long, short, budget, factor, factor * (1 - objective))


def _problems(name: str, objective: Decimal, arm: BurnWindow) -> list[str]:
    if arm.factor < LOWEST_FACTOR:
        return [
            f"SLO {name}: burn-rate factor {plain(arm.factor)} is below {LOWEST_FACTOR}: it alerts on a "
            "healthy service; use a longer period"
        ]
    if arm.threshold >= 1:
        reachable = 1 - 1 / arm.factor
        return [
            f"SLO {name}: objective {objective}: burn-rate factor {plain(arm.factor)} over {arm.long} can "
            f"never fire, as it needs more than 100 % errors; use an objective above {plain(reachable)} "
            "or a shorter period"
        ]
    return []
