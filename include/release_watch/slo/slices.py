"""Time slices as events: a slice of time is good or bad, or has a share of badness, whatever its traffic.

At every evaluation the slice that ends then is judged. The slices overlap where the rules are evaluated more
often than once a slice, which changes no mean, and needs no subquery over raw series. A slice without traffic
is neither good nor bad: it is left out, as if the time had not been.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.events import Events
from release_watch.slo.recorded import Quantity, Recorded
from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.windows import plain, seconds


class Slices:
    """Rules and PromQL that count an SLO's slices, one per evaluation interval, per second.

    Raises:
        InvalidInputError: if the SLO says not how long a slice is, or when it is good.
    """

    def __init__(self, slo: Slo, recorded: Recorded, interval: timedelta) -> None:
        whole = slo.budgeting == "RatioTimeslices" or slo.slice_target is not None
        if slo.slice is None or not whole:
            raise InvalidInputError(
                [f"SLO {slo.name}: {slo.budgeting} needs the length of a slice, and Timeslices its target"]
            )
        self._slo = slo
        self._recorded = recorded
        self._slice = slo.slice
        self._interval = interval
        self._events = Events(slo, recorded, self._interval)
        self._badness = "slo:slice_bad:bool" if slo.budgeting == "Timeslices" else "slo:slice_bad:ratio"

    @property
    def absent(self) -> str:
        """PromQL that has a sample while there is no telemetry of the whole SLO, whatever its groups do."""
        return self._events.absent

    def first_rules(self) -> list[Rule]:
        """Return the rules that judge the slice that ends now."""
        total = self._recorded.series("slice_events_total", self._slice)
        bad = self._recorded.series("slice_events_bad", self._slice)
        judged = f"{bad} / ({total} > 0)"
        if self._slo.budgeting == "Timeslices":
            allowed = 1 - (self._slo.slice_target or Decimal(0))
            judged = f"({judged}) > bool {plain(allowed)}"
        return [*self._events.slice_rules(self._slice), self._recorded.rule_named(self._badness, judged)]

    def window_rules(self, window: timedelta) -> list[Rule]:
        """Return the rules that record all slices with traffic, and the bad ones, per second of ``window``.

        Without traffic there are 0 of both while there is telemetry, and nothing without.
        """
        slices = f"{self._recorded.named(self._badness)}[{duration(window)}]"
        none = f"0 * {self._recorded.sum} ({self._recorded.series('slice_events_total', self._slice)})"
        pace = f"{plain(seconds(self._interval))} / {plain(seconds(self._slice) * seconds(window))}"
        functions: dict[Quantity, str] = {"events_total": "count_over_time", "events_bad": "sum_over_time"}
        return [
            self._recorded.rule(
                quantity, window, f"{self._recorded.sum} ({function}({slices})) * {pace} or {none}"
            )
            for quantity, function in functions.items()
        ]

    def number(self, quantity: Quantity, window: timedelta) -> str:
        """Return the PromQL of how many events, not slices, a window holds."""
        counted: Quantity = "slice_events_bad" if quantity == "events_bad" else "slice_events_total"
        rates = f"{self._recorded.series(counted, self._slice)}[{duration(window)}]"
        return f"sum_over_time({rates}) * {plain(seconds(self._interval))}"

    def known(self, window: timedelta) -> str:
        """Return the PromQL of the share of ``window`` that is known: slices are, since the rules run."""
        telemetry = self._recorded.series("slice_events_total", self._slice)
        return f"count_over_time({telemetry}[{duration(window)}]) / {window // self._interval}"
