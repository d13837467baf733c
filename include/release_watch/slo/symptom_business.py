"""Is a number of the business far from its usual level."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.catalog.models import BusinessMetric
from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_alerts import Watched
from release_watch.slo.windows import plain

SHARE = Decimal("0.3")
LASTING = timedelta(minutes=10)
KNOWN = Decimal("0.8")
"""So much of an hour must be recorded before anything is compared with it."""

VALUE = "service:business:value"
LOW, HIGH = "service:business_low:limit", "service:business_high:limit"

_OF = "limit_of"
"""Tells apart the values of which a limit is the farthest."""
_HOUR = timedelta(hours=1)
_SEASONS = {"day": "23h30m", "week": "6d23h30m"}
"""The middle of the hour is a day and a week ago."""
_BEFORE = {"hour": "1h"}
"""Well before now: what is judged must not become its own measure within minutes."""


class _Side(NamedTuple):
    """How a limit is made of what was: beyond a factor of the mean, and beyond all that there was."""

    name: str
    factor: str
    extreme: str
    gather: str


_LOWER = _Side(LOW, f"{plain(SHARE)} * ", "min_over_time", "min")
_UPPER = _Side(HIGH, f"1 / {plain(SHARE)} * ", "max_over_time", "max")


def business(watched: Watched, interval: timedelta) -> Iterator[tuple[Rule, ...]]:
    """Yield per number what records it and its limits, and its alert; they run every ``interval``."""
    for metric in watched.service.business_metrics:
        yield tuple(_rules(watched, metric, interval))


def _rules(watched: Watched, metric: BusinessMetric, interval: timedelta) -> Iterator[Rule]:
    # A line break, as a comment in the query would swallow what follows it; no number is compared with NaN.
    finite = f"({metric.query}\n) > -Inf < Inf" if "#" in metric.query else f"({metric.query}) > -Inf < Inf"
    record, value = watched.recording(VALUE, finite, metric.name)
    yield record
    tests = []
    sides = {"down": (_LOWER,), "up": (_UPPER,), "both": (_LOWER, _UPPER)}[metric.direction]
    for side in sides:
        record, limit = watched.recording(side.name, _limit(value, side, interval), metric.name)
        yield record
        tests.append(f"{value} {'<' if side is _LOWER else '>'} {limit}")
    yield watched.alert(
        "BusinessMetricAnomaly",
        " or ".join(tests),
        "ticket",
        summary=f"{metric.name} is far from its usual level",
        description=f"{metric.name} is {{{{ $value | humanize }}}}, far from what it was at this time of "
        f"day, in the direction that is worse ({metric.direction}).",
        threshold=f"by the factor {plain(1 / SHARE)} off the mean of the same hour of the day before and of "
        "the week before, and beyond all values of them (of the hour before last, while nothing older "
        "is known)",
        hold=LASTING,
        metric=metric.name,
    )


def _limit(value: str, side: _Side, interval: timedelta) -> str:
    """Return the PromQL of a limit; none for a number that was 0 or below on average.

    Of several seasons the farthest: of weekends and working days one is wrong. That a limit lies beyond all
    that was seen keeps numbers quiet that are often 0 anyway.
    """
    least = int(KNOWN * (_HOUR // interval))
    seasons = " or ".join(_limits(value, side, name, back, least) for name, back in _SEASONS.items())
    before = " or ".join(_limits(value, side, name, back, least) for name, back in _BEFORE.items())
    gather = f"{side.gather} without ({_OF})"
    return f"{gather} ({seasons}) or {gather} ({before})"


def _limits(value: str, side: _Side, name: str, back: str, least: int) -> str:
    window = f"{value}[1h] offset {back}"
    mean = f"avg_over_time({window})"
    share = f'label_replace({side.factor}{mean}, "{_OF}", "{name}: mean", "", "")'
    extreme = f'label_replace({side.extreme}({window}), "{_OF}", "{name}: farthest", "", "")'
    known = f"{mean} > 0 and count_over_time({window}) >= {least}"
    return f"({share} or {extreme}) and ignoring ({_OF}) ({known})"
