"""The unit that a metric's name tells, and thresholds that are probably meant in another one."""

from __future__ import annotations

import re
from decimal import Decimal

SECONDS = {
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
    "ns": Decimal("0.000000001"),
}
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}

_ENDINGS = {
    **dict.fromkeys(("seconds", "second"), "s"),
    **dict.fromkeys(("milliseconds", "millis", "ms", "msec"), "ms"),
    **dict.fromkeys(("microseconds", "micros", "us"), "us"),
    **dict.fromkeys(("nanoseconds", "nanos", "ns"), "ns"),
}
_OTHER = re.compile(r"_(?:bytes|ratio|percent|items|rows|messages|tokens|celsius|meters|size|length)$")
_MANY_SECONDS, _FEW_MILLISECONDS = 100, 1


def unit_of(metric: str) -> str | None:
    """Return ``s``, ``ms``, ``us`` or ``ns`` as a histogram's name tells; None where it measures no time.

    A name without any unit counts seconds, as Prometheus' conventions have it.
    """
    family = re.sub(r"_(?:bucket|count|sum)$", "", metric)
    if _OTHER.search(family):
        return None
    return _ENDINGS.get(family.rpartition("_")[2].lower(), "s")


def seconds_in(metric: str, value: Decimal) -> Decimal | None:
    """Return a threshold of a metric in seconds; None where the metric measures no time."""
    unit = unit_of(metric)
    return None if unit is None else value * SECONDS[unit]


def doubtful(metric: str, value: Decimal) -> str | None:
    """Return why a threshold is probably meant in another unit than the metric's, with what to write."""
    unit = unit_of(metric)
    if unit == "s" and value >= _MANY_SECONDS:
        meant, other = value * SECONDS["ms"], "ms"
    elif unit == "ms" and 0 < value < _FEW_MILLISECONDS:
        meant, other = value / SECONDS["ms"], "s"
    else:
        return None
    return (
        f"is {value:f} {WORDS[unit]}, the unit of {metric}; for {value:f} {WORDS[other]} write "
        f"{meant.normalize():f}, or say which unit it is: annotation release-watch.io/unit: {unit} or {other}"
    )
