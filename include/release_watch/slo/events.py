"""How the events of an SLO are counted from raw series, over a window short enough to read them all."""

from __future__ import annotations

from datetime import timedelta

from release_watch.catalog.slos import WINDOW, Slo
from release_watch.slo.recorded import Quantity, Recorded
from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.windows import SHORTEST, plain, seconds

REMEMBERED = timedelta(hours=1)
"""A series that comes back within this time is no new one; what it counted before was seen."""

MET = timedelta(minutes=5)
"""Within this time Prometheus has met all instances of a service, if it has met one."""

PLAUSIBLE = 1000
"""So many events may have come between two scrapes, whatever the traffic is."""

PROBES = 12


class Events:
    """PromQL of an SLO's events per second, from bare counters or from expressions with ``{{.window}}``.

    Against the traps: a missing series of bad events is 0 of the total, per group, so that an SLO without
    errors has a ratio; what a counter holds when it appears is counted, since ``rate`` sees increases only
    and would miss the first errors after a deployment; samples of an expression that are NaN are left out.

    ``interval`` is how often the rules run.
    """

    def __init__(self, slo: Slo, recorded: Recorded, interval: timedelta) -> None:
        self._slo = slo
        self._recorded = recorded
        self._interval = interval

    @property
    def absent(self) -> str:
        """PromQL that has a sample while there is no telemetry of the whole SLO, whatever its groups do."""
        if self._slo.templated:
            return f"absent({self._calculated(self._slo.total, SHORTEST)})"
        return f"absent({self._slo.total})"

    def first_rules(self) -> list[Rule]:
        """Return the rules that must run before those of the windows: they record newborn series."""
        if self._slo.templated:
            return []
        counters: dict[Quantity, str] = {"newborn_total": self._slo.total, self._born: self._counter}
        return [
            self._recorded.rule(quantity, SHORTEST, self._newborn(counter, SHORTEST))
            for quantity, counter in counters.items()
        ]

    def window_rules(self, window: timedelta) -> list[Rule]:
        """Return the rules that record all events and the bad ones, per second of ``window``."""
        return self._rules("events_total", "events_bad", window)

    def slice_rules(self, window: timedelta) -> list[Rule]:
        """Return the rules that record all events and the bad ones of a slice, newborn ones with them."""
        return self._rules("slice_events_total", "slice_events_bad", window)

    def _rules(self, total: Quantity, bad: Quantity, window: timedelta) -> list[Rule]:
        everything = f"{self._recorded.sum} ({self._recorded.series(total, window)})"
        found = f"{self._counted(self._counter, self._born, total, window)} or 0 * {everything}"
        return [
            self._recorded.rule(
                total, window, self._counted(self._slo.total, "newborn_total", total, window)
            ),
            self._recorded.rule(
                bad, window, found if self._slo.bad else f"clamp_min({everything} - ({found}), 0)"
            ),
        ]

    def number(self, quantity: Quantity, window: timedelta) -> str:
        """Return the PromQL of how many events, ``events_total`` or ``events_bad``, a window holds."""
        return f"{self._recorded.series(quantity, window)} * {seconds(window)}"

    def known(self, window: timedelta) -> str:
        """Return the PromQL of the share of ``window`` that is known, from 0 to about 1.

        What is recorded tells it finely, but only since the rules run; the raw series tell, at a twelfth's
        grain, what was there before: a service that is older than its rules is known at once.
        """
        recorded = f"{self._recorded.series('events_total', window)}[{duration(window)}]"
        since_rules_run = f"count_over_time({recorded}) / {window // self._interval}"
        if self._slo.templated:
            there = self._calculated(self._slo.total, SHORTEST)
        else:
            there = f"{self._recorded.count} ({self._slo.total})"
        before = (
            f"(count_over_time(({there})[{duration(window)}:{duration(window / PROBES)}]) - 1) / {PROBES}"
        )
        return f"{self._recorded.max} ({since_rules_run} or {before})"

    @property
    def _counter(self) -> str:
        return self._slo.bad or self._slo.good or ""

    @property
    def _born(self) -> Quantity:
        return "newborn_bad" if self._slo.bad else "newborn_good"

    def _counted(self, source: str, born: Quantity, total: Quantity, window: timedelta) -> str:
        if self._slo.templated:
            return self._calculated(source, window)
        if total == "events_total":
            newborn = self._recorded.series(born, SHORTEST)
            if window != SHORTEST:
                pace = f"{seconds(self._interval)} / {seconds(window)}"
                newborn = f"sum_over_time({newborn}[{duration(window)}]) * {pace}"
        else:
            newborn = f'label_replace({self._newborn(source, window)}, "newborn", "1", "", "")'
        return f"{self._recorded.sum} (rate({source}[{duration(window)}]) or {newborn})"

    def _calculated(self, expression: str, window: timedelta) -> str:
        events = f"{self._recorded.sum} (({expression.replace(WINDOW, duration(window))}) >= 0)"
        return events if self._slo.per_second else f"{events} / {seconds(window)}"

    def _newborn(self, counter: str, window: timedelta) -> str:
        """Return what counters hold that appeared within ``window``, per second.

        Only where the service had series well before: else a new Prometheus counts a whole past, or that of
        the instances which it meets a moment after the first. And no more than can have come between two
        scrapes at the service's traffic: an instance that Prometheus did not know brings its past along.
        """
        span = duration(window)
        known = f"present_over_time({counter}[{duration(REMEMBERED)}] offset {span})"
        there_before = f"on () count({self._slo.total} offset {duration(window + MET)})"
        newborn = f"(min_over_time({counter}[{span}]) unless {known}) and {there_before}"
        traffic = f"sum (rate({self._slo.total}[{span}]))"
        plausible = f"scalar(2 * {traffic} or vector(0)) + {plain(PLAUSIBLE / seconds(window))}"
        return f"{self._recorded.sum} ({newborn}) / {seconds(window)} < {plausible}"
