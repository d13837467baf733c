"""How much may be bad, over which time: objectives, windows, slices, and whether alerts can watch them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal

from release_watch.catalog.objectives.model import WINDOW_DAYS
from release_watch.catalog.objectives.places import Place
from release_watch.errors import InvalidInputError
from release_watch.slo.windows import BurnWindow, Severity, burn_windows

LONGEST_SLICE = timedelta(hours=1)
SHORTEST_SLICE = timedelta(minutes=1)

_UNITS: Mapping[str, timedelta] = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "M": timedelta(days=30),
    "Q": timedelta(days=90),
    "Y": timedelta(days=365),
}
_DURATION = re.compile(r"(\d{1,6})([mhdwMQY])")


def read_duration(place: Place, value: object, *, minutes: bool = False) -> timedelta:
    """Return an OpenSLO duration; a month is 30 days, a quarter 90. A bare number may be minutes.

    Raises:
        InvalidInputError: if it is none.
    """
    text = f"{value}m" if minutes and str(value).isdecimal() else str(value)
    found = _DURATION.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise place.refusal(value, "must be a duration such as 5m, 1h, 7d or 4w")
    return int(found[1]) * _UNITS[found[2]]


def read_target(place: Place, value: Decimal, *, percent: bool) -> Decimal:
    """Return the share of events that must be good.

    Raises:
        InvalidInputError: if it leaves no budget, or is no share.
    """
    target = value / 100 if percent else value
    if not percent and 1 < value < 100:
        raise place.refusal(
            str(value), f"is more than 1, which is 100 %; write {value / 100:f} for {value} %"
        )
    if not 0 < target < 1:
        remedy = "must lie between 0 and 100 %, both excluded: 100 % leaves no error budget"
        raise place.refusal(str(value), remedy)
    return target


def read_window_days(place: Place, value: object) -> int:
    """Return the length of a rolling window in days.

    Raises:
        InvalidInputError: if it is none that burn rates are known for.
    """
    length = read_duration(place, value)
    if length.days not in WINDOW_DAYS or length % timedelta(days=1):
        known = ", ".join(f"{days}d" for days in WINDOW_DAYS)
        raise place.refusal(value, f"must be one of {known} (4w is 28d, 1M is 30d, 1Q is 90d)")
    return length.days


def read_slice(place: Place, value: object) -> timedelta:
    """Return the length of a time slice.

    Raises:
        InvalidInputError: if it is none that an alert can be built on.
    """
    length = read_duration(place, value, minutes=True)
    if not SHORTEST_SLICE <= length <= LONGEST_SLICE:
        raise place.refusal(value, "must lie between 1m and 1h, the long window of the fastest page")
    return length


def arms_of(window_days: int) -> tuple[BurnWindow, ...]:
    """Return the arms of the alerts on any objective over that period: their windows and burn rates."""
    return burn_windows("any", Decimal("0.999"), window_days)


def check_reachable(
    place: Place, value: object, objective: Decimal, window_days: int, wanted: Collection[Severity]
) -> tuple[BurnWindow, ...]:
    """Return the arms of the alerts that are wanted on an objective.

    Raises:
        InvalidInputError: if one of them could never fire, or would fire on a healthy service.
    """
    try:
        return burn_windows("x", objective, window_days, wanted)
    except InvalidInputError as error:
        words = (problem.removeprefix("SLO x: ") for problem in error.problems)
        raise InvalidInputError([place.problem(value, one) for one in words]) from None


def severities(*, page: bool, ticket: bool) -> tuple[Severity, ...]:
    """Return the alerts that are wanted."""
    named: tuple[tuple[Severity, bool], ...] = (("page", page), ("ticket", ticket))
    return tuple(name for name, is_wanted in named if is_wanted)
