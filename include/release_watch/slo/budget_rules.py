"""The rules of one SLO: events and error ratios per window, burn-rate alerts, absence, budget burned.

Traps that generators of such rules fall into, and what is done here against each:

- 0/0: ratios divide by ``(total > 0)``; without traffic there is no ratio, and never NaN.
- No error series yet, or one that is born at its first error: see :mod:`release_watch.slo.events`.
- A vanished target ends ``rate``: a page that burns stays up while its short window has no data, and absence
  pages by itself.
- Cold start: the ratio of a long window weighs as much as the share of the window that is known.
- Low traffic: burn-rate alerts want a least number of failures; a slow alert on counts stands beside them.
- Mean of ratios: good and bad events are recorded and added up, never averaged ratios.

Raw series are read over an hour at most. Longer windows are put together from recorded ones, which is as
exact and costs a few samples instead of days of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.annotations import AlertText
from release_watch.slo.burn_alerts import LEAST_BAD_EVENTS, BurnAlerts
from release_watch.slo.events import Events
from release_watch.slo.recorded import BUDGET_BURNED, OBJECTIVE, Recorded, pieces_of
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.slices import Slices
from release_watch.slo.windows import SHORTEST, BurnWindow, burn_windows, plain

PAGE_INTERVAL = timedelta(seconds=30)
TICKET_INTERVAL = timedelta(minutes=2)
"""Long windows move slowly."""

LONGEST_INTERVAL = timedelta(minutes=4)
"""Prometheus takes a series whose last sample is five minutes old for gone."""

_HALF_HOUR, _HOUR, _DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
_READ = (SHORTEST, _HALF_HOUR, _HOUR)
_PAGE_PIECES = {6 * _HOUR: _HOUR}
_TICKET_PIECES = {2 * _HOUR: _HOUR, _DAY: 6 * _HOUR, 3 * _DAY: _DAY}
"""Of what a long window is put together. Groups stay within the 20 rules that Mimir takes by default."""


class SloRules:
    """Generates the rule groups of one SLO in one environment.

    ``least_bad_events`` is how many failures the long window of a burn-rate alert must hold.

    Raises:
        InvalidInputError: if nothing sound can be made of the SLO or the intervals.
    """

    def __init__(
        self,
        slo: Slo,
        environment: str,
        text: AlertText,
        interval: timedelta = PAGE_INTERVAL,
        ticket_interval: timedelta = TICKET_INTERVAL,
        least_bad_events: int = LEAST_BAD_EVENTS,
    ) -> None:
        self._slo = slo
        self._arms = {
            severity: burn_windows(slo.name, slo.objective, slo.window_days, (severity,))
            for severity in ("page", "ticket")
            if getattr(slo, severity)
        }
        self._recorded = Recorded(slo, environment)
        self._interval = min(interval, slo.slice or interval)
        self._ticket_interval = max(interval, ticket_interval)
        if self._ticket_interval > LONGEST_INTERVAL:
            raise InvalidInputError(
                [f"SLO {slo.name}: an interval of {self._ticket_interval} is too long; take 4m at most"]
            )
        self._counting: Events | Slices = (
            Events(slo, self._recorded, self._interval)
            if slo.budgeting == "Occurrences"
            else Slices(slo, self._recorded, self._interval)
        )
        self._alerts = BurnAlerts(slo, self._recorded, self._counting, text, least_bad_events)

    def groups(self) -> list[RuleGroup]:
        """Return the group of the page and that of the ticket, each recording the windows it needs first.

        The ticket's group reads what the page's records, and stands after it.
        """
        return [
            RuleGroup(
                name=f"slo-{self._slo.name}-page",
                interval=duration(self._interval),
                rules=(*self._page_records(), *self._page_alerts(), self._alerts.absent()),
            ),
            RuleGroup(
                name=f"slo-{self._slo.name}-ticket",
                interval=duration(self._ticket_interval),
                rules=(*self._ticket_records(), *self._ticket_alerts()),
            ),
        ]

    def _page_records(self) -> list[Rule]:
        read = [
            rule
            for window in _READ
            for rule in (*self._counting.window_rules(window), self._recorded.ratio(window))
        ]
        known = f"clamp_max({self._counting.known(_HOUR)}, 1)"
        return [
            *self._counting.first_rules(),
            *read,
            *self._joined(_PAGE_PIECES),
            self._recorded.rule("history", _HOUR, known),
            self._history(6 * _HOUR, self._interval),
        ]

    def _page_alerts(self) -> list[Rule]:
        return [self._alerts.page(self._arms["page"])] if "page" in self._arms else []

    def _ticket_records(self) -> list[Rule]:
        return [
            *self._joined(_TICKET_PIECES),
            *(self._history(window, self._ticket_interval) for window in (_DAY, 3 * _DAY)),
            self._recorded.rule_named(OBJECTIVE, f"vector({plain(self._slo.objective)})"),
            *self._budget(),
        ]

    def _ticket_alerts(self) -> list[Rule]:
        if "ticket" not in self._arms:
            return []
        arms: Sequence[BurnWindow] = self._arms["ticket"]
        return [self._alerts.ticket(arms), self._alerts.low_traffic(arms[-1])]

    def _joined(self, pieces: dict[timedelta, timedelta]) -> list[Rule]:
        return [rule for window, piece in pieces.items() for rule in self._joined_window(window, (piece,))]

    def _joined_window(self, window: timedelta, lengths: Sequence[timedelta]) -> list[Rule]:
        pieces = pieces_of(window, lengths)
        return [
            *(
                self._recorded.rule(quantity, window, self._recorded.joined(quantity, pieces))
                for quantity in ("events_total", "events_bad")
            ),
            self._recorded.ratio(window),
        ]

    def _history(self, window: timedelta, interval: timedelta) -> Rule:
        """Return the rule of the share of a window that is known, since the rules run."""
        recorded = f"{self._recorded.series('events_total', window)}[{duration(window)}]"
        share = f"count_over_time({recorded}) / {window // interval}"
        return self._recorded.rule("history", window, f"clamp_max({share}, 1)")

    def _budget(self) -> list[Rule]:
        """Return the rules of the events of the whole period, and of the share of its budget that is gone.

        1 is all of it. Bad events over those that the budget allows in a whole period at the traffic seen so
        far: with a tenth of the period known, the same error ratio has used a tenth as much.
        """
        period = timedelta(days=self._slo.window_days)
        pieces = pieces_of(period, (3 * _DAY, _DAY))
        known = self._recorded.joined("history", pieces)
        ratio = self._recorded.series("error_ratio", period)
        burned = f"{ratio} / {plain(self._slo.error_budget)} * {known}"
        return [
            *self._joined_window(period, (3 * _DAY, _DAY)),
            self._recorded.rule_named(BUDGET_BURNED, burned),
        ]
