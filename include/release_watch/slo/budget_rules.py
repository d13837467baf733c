"""The rules of one SLO: events and error ratios per window, burn-rate alerts, absence, budget burned.

Traps that generators of such rules fall into, and what is done here against each:

- 0/0: ratios divide by ``(total > 0)``; without traffic there is no ratio, and never NaN.
- No error series yet: ``or 0 * total``, so a service without errors has ratio 0 and not none.
- A series born at its first error has no rate: what a series holds when it appears is counted as events,
  if the service itself was there before.
- A vanished target ends ``rate``: a page that burns stays up while its short window has no data, and absence
  pages by itself.
- Cold start: the ratio of a long window weighs as much as the share of the window that there is history of.
- Mean of ratios: good and bad events are recorded, never averaged ratios.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from release_watch.catalog.slos import Slo
from release_watch.identifiers import promql_string
from release_watch.slo.annotations import AlertText, alert_rule
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.windows import BurnWindow, burn_windows, plain, seconds

SHORTEST = timedelta(minutes=5)
PAGE_INTERVAL = timedelta(seconds=30)
TICKET_INTERVAL = timedelta(minutes=2)
"""Long windows move slowly and cost most; above 5 minutes the recorded series would go stale between."""

HISTORY_PROBES = 12
ABSENT_FOR = timedelta(minutes=2)
"""Two scrape intervals of Prometheus' default of one minute: one failed scrape is no outage."""


class SloRules:
    """Generates the rule groups of one SLO in one environment."""

    def __init__(
        self,
        slo: Slo,
        environment: str,
        text: AlertText,
        interval: timedelta = PAGE_INTERVAL,
        ticket_interval: timedelta = TICKET_INTERVAL,
    ) -> None:
        self._slo = slo
        self._text = text
        self._interval = interval
        self._ticket_interval = max(interval, ticket_interval)
        self._labels = {"slo": slo.name, "service": slo.service, "environment": environment}
        self._matchers = f"slo={promql_string(slo.name)},environment={promql_string(environment)}"
        self._arms = burn_windows(slo.name, slo.objective, slo.window_days)

    def groups(self) -> list[RuleGroup]:
        """Return the group of the page and that of the ticket, each recording the windows it needs first."""
        page = [arm for arm in self._arms if arm.severity == "page"]
        ticket = [arm for arm in self._arms if arm.severity == "ticket"]
        page_windows = _windows(page)
        ticket_windows = [window for window in _windows(ticket) if window not in page_windows]
        return [
            RuleGroup(
                name=f"slo-{self._slo.name}-page",
                interval=duration(self._interval),
                rules=(
                    *self._recorded(page_windows),
                    *(self._history(arm.long) for arm in page),
                    self._burn_alert("SloBurnRatePage", "fast", page),
                    self._absent_alert(),
                ),
            ),
            RuleGroup(
                name=f"slo-{self._slo.name}-ticket",
                interval=duration(self._ticket_interval),
                rules=(
                    *self._recorded(ticket_windows),
                    *(self._history(arm.long) for arm in ticket),
                    self._burn_alert("SloBurnRateTicket", "slow", ticket),
                    self._objective(),
                    self._budget_burned(),
                ),
            ),
        ]

    def _recorded(self, windows: list[timedelta]) -> list[Rule]:
        return [
            rule
            for window in windows
            for rule in (
                self._record(f"slo:events_total:rate{duration(window)}", self._total(window)),
                self._record(f"slo:events_bad:rate{duration(window)}", self._bad(window)),
                self._record(
                    f"slo:error_ratio:rate{duration(window)}",
                    f"{self._series('events_bad', window)} / ({self._series('events_total', window)} > 0)",
                ),
            )
        ]

    def _record(self, name: str, expr: str) -> Rule:
        return Rule(record=name, expr=expr, labels=self._labels)

    def _series(self, quantity: str, window: timedelta) -> str:
        return f"slo:{quantity}:rate{duration(window)}{{{self._matchers}}}"

    def _total(self, window: timedelta) -> str:
        rate = f"sum(rate({self._slo.total}[{duration(window)}]))"
        return f"{rate} + ({self._born(self._slo.total, window)} or 0 * {rate})"

    def _bad(self, window: timedelta) -> str:
        none = f"0 * {self._series('events_total', window)}"
        counted = self._slo.bad or self._slo.good or ""
        rate = f"(sum(rate({counted}[{duration(window)}])) or on () {none})"
        events = f"{rate} + on () ({self._born(counted, window)} or on () {none})"
        if self._slo.bad:
            return events
        return f"clamp_min({self._series('events_total', window)} - on () ({events}), 0)"

    def _born(self, counter: str, window: timedelta) -> str:
        """Return what counters held when they appeared within ``window``, per second.

        ``rate`` sees increases only, so it misses a series' first value: the first errors after a deployment.
        Only where the service had series before the window, else a new Prometheus counts a whole past.
        """
        span = duration(window)
        newborn = f"min_over_time({counter}[{span}]) unless {counter} offset {span}"
        return f"sum(({newborn}) and on () count({self._slo.total} offset {span})) / {seconds(window)}"

    def _history(self, window: timedelta) -> Rule:
        """Record the share of ``window`` (0 to 1) that there is history of.

        The recorded series tells it finely, but only since these rules are loaded; the raw counter at twelve
        moments tells what was there before.
        """
        span = duration(window)
        step = duration(window / HISTORY_PROBES)
        fine = self._recorded_share(window)
        coarse = f"count_over_time(count({self._slo.total})[{span}:{step}]) / {HISTORY_PROBES}"
        return self._record(f"slo:history:ratio{span}", f"clamp_max(max({fine} or {coarse}), 1)")

    def _recorded_share(self, window: timedelta) -> str:
        recorded = self._series("events_total", SHORTEST)
        return f"count_over_time({recorded}[{duration(window)}]) / {window // self._interval}"

    def _burn_alert(self, name: str, tier: str, arms: list[BurnWindow]) -> Rule:
        return alert_rule(
            name,
            " or ".join(self._arm(arm) for arm in arms),
            labels={**self._labels, "severity": arms[0].severity, "burn_tier": tier},
            text=self._text,
            summary=f"{self._slo.service} burns the error budget of SLO {self._slo.name} too fast",
            description=self._burn_words(arms),
            threshold="; ".join(
                f"error ratio over {duration(arm.long)} and {duration(arm.short)} above "
                f"{_percent(arm.threshold)} (burn rate {plain(arm.factor)})"
                for arm in arms
            ),
        )

    def _arm(self, arm: BurnWindow) -> str:
        threshold = plain(arm.threshold)
        history = f"slo:history:ratio{duration(arm.long)}{{{self._matchers}}}"
        long = f"{self._series('error_ratio', arm.long)} * {history} > {threshold}"
        short = f"{self._series('error_ratio', arm.short)} > {threshold}"
        unknown = f"{long} unless {self._series('events_total', arm.short)}"
        return f"({long} and {short}) or ({unknown})"

    def _burn_words(self, arms: list[BurnWindow]) -> str:
        windows = sorted({window for arm in arms for window in (arm.long, arm.short)})
        now = ", ".join(f"{duration(w)}: {self._now(w)}" for w in windows)
        gone = " or ".join(
            f"{_percent(arm.budget)} of the {self._slo.window_days}-day budget within {duration(arm.long)}"
            for arm in arms
        )
        return (
            f"Objective: {_percent(self._slo.objective)} good events. This fires when {gone} is gone and the "
            f"errors go on. Error ratio now: {now}."
        )

    def _now(self, window: timedelta) -> str:
        query = self._series("error_ratio", window).replace('"', '\\"')
        shown = "{{ . | first | value | humanizePercentage }}{{ else }}no data{{ end }}"
        return f'{{{{ with query "{query}" }}}}{shown}'

    def _absent_alert(self) -> Rule:
        return alert_rule(
            "SloTelemetryAbsent",
            f"absent({self._slo.total})",
            hold=ABSENT_FOR,
            labels={**self._labels, "severity": "page", "burn_tier": "absent"},
            text=self._text,
            summary=f"SLO {self._slo.name} of {self._slo.service} cannot be measured",
            description=(
                "The counter of all events has no series: the service is down, is not scraped, or exports it "
                "no longer. Until it is back no burn-rate alert can tell whether users are served."
            ),
            threshold=f"no series of the SLO's total for {duration(ABSENT_FOR)}",
        )

    def _objective(self) -> Rule:
        return self._record("slo:objective:ratio", f"vector({plain(self._slo.objective)})")

    def _budget_burned(self) -> Rule:
        """Record the share of the period's error budget that is gone; 1 is all of it.

        Bad events over those that the budget allows in a whole period at the traffic seen so far.
        """
        period = timedelta(days=self._slo.window_days)
        span = duration(period)
        bad = f"sum_over_time({self._series('events_bad', SHORTEST)}[{span}])"
        total = f"sum_over_time({self._series('events_total', SHORTEST)}[{span}])"
        history = f"clamp_max({self._recorded_share(period)}, 1)"
        budget = plain(1 - self._slo.objective)
        return self._record("slo:error_budget_burned:ratio", f"{bad} / ({total} > 0) / {budget} * {history}")


def _windows(arms: list[BurnWindow]) -> list[timedelta]:
    return sorted({SHORTEST} | {window for arm in arms for window in (arm.long, arm.short)})


def _percent(share: Decimal) -> str:
    return f"{plain(share * 100)} %"
