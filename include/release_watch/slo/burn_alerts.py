"""The alerts of one SLO: burn rates, what low traffic hides from them, and telemetry that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from release_watch.catalog.slos import Slo
from release_watch.slo.alert_words import AlertWords, percent
from release_watch.slo.annotations import AlertText, alert_rule
from release_watch.slo.recorded import BUDGET_BURNED, Quantity, Recorded
from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.windows import BurnWindow, Severity, plain

LEAST_BAD_EVENTS = 5
"""Fewer failures in the long window raise no burn-rate alert: at 10 requests an hour and 99.9 %, a single one
burns 13.9 % of 30 days. One failure and three retries of it are 4. For chance: an SLO that just meets its
objective has at most 0.35 failures an hour where 5 exceed the factor 14.4, so 5 come together about once in
four years (Poisson); 3 would about ten times a year."""

LEAST_OUTAGE = 3
"""So many failures and nothing else, for hours, are an outage at any traffic."""

ABSENT_FOR = timedelta(minutes=2)
"""Two scrape intervals of Prometheus' default of one minute: one failed scrape is no outage."""

_DAY = timedelta(days=1)
_OUTAGE_WINDOWS = (timedelta(hours=6), timedelta(days=3))
_LONGEST = timedelta(days=3)


class Counting(Protocol):
    """What alerts ask of the way in which events are counted."""

    @property
    def absent(self) -> str:
        """PromQL that has a sample while there is no telemetry."""
        ...

    def number(self, quantity: Quantity, window: timedelta) -> str:
        """Return the PromQL of how many events a window holds."""
        ...


class BurnAlerts:
    """Writes the alerts of one SLO over its recorded series."""

    def __init__(
        self,
        slo: Slo,
        recorded: Recorded,
        counting: Counting,
        text: AlertText,
        least_bad_events: int = LEAST_BAD_EVENTS,
    ) -> None:
        self._slo = slo
        self._recorded = recorded
        self._counting = counting
        self._text = text
        self._least = least_bad_events
        self._words = AlertWords(slo, recorded)

    def page(self, arms: Sequence[BurnWindow]) -> Rule:
        """Return the alert that wakes people."""
        return self._burn("SloBurnRatePage", "fast", arms)

    def ticket(self, arms: Sequence[BurnWindow]) -> Rule:
        """Return the alert that can wait for the morning."""
        return self._burn("SloBurnRateTicket", "slow", arms)

    def low_traffic(self, slowest: BurnWindow) -> Rule:
        """Return the slow alert on counts, for traffic at which the burn-rate alerts want more failures.

        Ordinary traffic is that at which the slowest arm needs more than the least failures anyway. Below it,
        either nothing but failures for 6 hours or 3 days (found so long after the last success), or the whole
        budget used up and failures still within the last day.
        """
        days = self._slo.window_days
        enough = self._least / slowest.threshold
        outages = [
            f"({self._at_least(LEAST_OUTAGE, 'events_bad', window)} and {self._only_failures(window)})"
            for window in _OUTAGE_WINDOWS
        ]
        period = timedelta(days=days)
        burned = (
            f"({self._at_least(self._least, 'events_bad', period, of_budget=True)} "
            f"and {self._recorded.series('events_bad', _DAY)} > 0 "
            f"and {self._recorded.named(BUDGET_BURNED)} > 1)"
        )
        few = f"{self._counting.number('events_total', _LONGEST)} < {plain(enough)}"
        return self._alert(
            "SloLowTrafficErrors",
            f"({' or '.join([*outages, burned])}) and {few}",
            severity="ticket",
            tier="trickle",
            summary=f"{self._slo.service} fails at low traffic (SLO {self._slo.name})",
            description=self._words.low_traffic(
                [self._counting.number(one, _LONGEST) for one in ("events_bad", "events_total")]
            ),
            threshold=f"nothing but failures, at least {LEAST_OUTAGE}, for 6h or 3d; or the whole budget of "
            f"{days} days used up by at least {self._least} failures, one of them in the last day; only at "
            f"fewer than {plain(enough)} events in 3 days",
        )

    def absent(self) -> Rule:
        """Return the alert on telemetry of the whole SLO that is gone."""
        return self._alert(
            "SloTelemetryAbsent",
            self._counting.absent,
            severity="page" if self._slo.page else "ticket",
            tier="absent",
            hold=ABSENT_FOR,
            summary=f"SLO {self._slo.name} of {self._slo.service} cannot be measured",
            description=(
                "The counter of all events has no series: the service is down, is not scraped, or exports it "
                "no longer. Until it is back no burn-rate alert can tell whether users are served."
            ),
            threshold=f"no series of the SLO's total for {duration(ABSENT_FOR)}",
        )

    def _burn(self, name: str, tier: str, arms: Sequence[BurnWindow]) -> Rule:
        limits = "; ".join(
            f"error ratio over {duration(arm.long)} and {duration(arm.short)} above {percent(arm.threshold)} "
            f"(burn rate {plain(arm.factor)})"
            for arm in arms
        )
        tests = [(arm, self._arm(arm)) for arm in arms]
        return self._alert(
            name,
            " or ".join(f"({test})" for _, test in tests),
            severity=arms[0].severity,
            tier=tier,
            summary=f"{self._slo.service} burns the error budget of SLO {self._slo.name} too fast",
            description=self._words.burn(tests),
            threshold=f"{limits}; with at least {self._least} failures in the longer window",
        )

    def _arm(self, arm: BurnWindow) -> str:
        """Return the PromQL of one arm.

        The long window's ratio weighs as much as the share of that window which is known. A short window
        without telemetry, unlike one without traffic, ends no alert.
        """
        threshold = plain(arm.threshold)
        ratio = self._recorded.series("error_ratio", arm.long)
        short = f"{self._recorded.series('error_ratio', arm.short)} > {threshold}"
        unknown = f"{ratio} unless {self._recorded.series('events_total', arm.short)}"
        return (
            f"{ratio} * {self._recorded.series('history', arm.long)} > {threshold} "
            f"and ({short} or {unknown}) and {self._at_least(self._least, 'events_bad', arm.long)}"
        )

    def _at_least(self, least: int, quantity: Quantity, window: timedelta, *, of_budget: bool = False) -> str:
        # rates are extrapolated, so that a number of events is never quite a whole one
        series = f"{self._recorded.series(quantity, window)} * {int(window.total_seconds())}"
        number = series if of_budget else self._counting.number(quantity, window)
        return f"{number} > {plain(Decimal(least) - Decimal('0.5'))}"

    def _only_failures(self, window: timedelta) -> str:
        total, bad = (self._counting.number(one, window) for one in ("events_total", "events_bad"))
        return f"{total} - {bad} < 0.5"

    def _alert(
        self,
        name: str,
        expr: str,
        *,
        severity: Severity,
        tier: str,
        summary: str,
        description: str,
        threshold: str,
        hold: timedelta | None = None,
    ) -> Rule:
        return alert_rule(
            name,
            expr,
            labels={
                **self._slo.labels,
                **self._recorded.labels,
                "severity": severity,
                "burn_tier": tier,
            },
            text=self._text,
            summary=summary,
            description=description,
            threshold=threshold,
            hold=hold,
            own=self._slo.annotations,
        )
