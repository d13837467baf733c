"""When the alerts of an SLO fire and reset: the closed forms at several error ratios."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.catalog.slos import Slo
from release_watch.clock import in_words
from release_watch.slo.windows import BurnWindow, Severity, burn_windows, time_to_detect, time_to_reset

_LEVELS = tuple(
    Decimal(text) / 100 for text in ("100", "50", "10", "5", "2", "1", "0.5", "0.2", "0.1", "0.05")
)
_MOST = 5


class Arm(NamedTuple):
    """One arm of an alert, with the time to detect and to reset at each share of errors; None for never."""

    window: BurnWindow
    detect: tuple[timedelta | None, ...]
    reset: tuple[timedelta | None, ...]


class Explained(NamedTuple):
    """An SLO's arms at several shares of errors."""

    slo: Slo
    errors: tuple[Decimal, ...]
    arms: tuple[Arm, ...]

    def lasts(self, errors: Decimal) -> timedelta:
        """Return for how long a share of errors could go on until it had used up the whole error budget."""
        share = self.slo.error_budget / errors
        return timedelta(seconds=float(share * self.slo.window_days * 86400))

    def gone(self, errors: Decimal) -> timedelta | None:
        """Return after how long the whole error budget is gone; None where errors leave the period first."""
        lasts = self.lasts(errors)
        return lasts if lasts <= timedelta(days=self.slo.window_days) else None

    def found(self, severity: Severity, level: int) -> timedelta | None:
        """Return after how long an alert fires at one of the shares of errors, by whichever arm."""
        every = (arm.detect[level] for arm in self.arms if arm.window.severity == severity)
        return min((after for after in every if after is not None), default=None)


def explained(slo: Slo, errors: Sequence[Decimal] | None = None) -> Explained:
    """Return the arms of an SLO's alerts, at these shares of errors or at a few that some arm notices."""
    both: tuple[Severity, ...] = ("page", "ticket")
    wanted = [severity for severity in both if getattr(slo, severity)]
    windows = burn_windows(slo.name, slo.objective, slo.window_days, wanted)
    least = min((window.threshold for window in windows), default=slo.error_budget)
    levels = tuple(errors) if errors else _noticed(least)
    arms = []
    for window in windows:
        detect = tuple(time_to_detect(window, slo.objective, level) for level in levels)
        reset = tuple(
            time_to_reset(window, level) if after else None
            for level, after in zip(levels, detect, strict=True)
        )
        arms.append(Arm(window, detect, reset))
    return Explained(slo, levels, tuple(arms))


def _noticed(least: Decimal) -> tuple[Decimal, ...]:
    """Return a few shares above ``least``, evenly chosen, the largest and the smallest among them."""
    levels = [level for level in _LEVELS if level > least]
    if len(levels) <= _MOST:
        return tuple(levels)
    return tuple(levels[round(i * (len(levels) - 1) / (_MOST - 1))] for i in range(_MOST))


def in_short(length: timedelta | None) -> str:
    """Return a length without what is too fine for it: seconds beside hours, minutes beside days."""
    if length is None:
        return "-"
    seconds = length.total_seconds()
    grain = 3600 if seconds >= 2 * 86400 else 60 if seconds >= 2 * 3600 else 1
    return in_words(timedelta(seconds=round(seconds / grain) * grain))
