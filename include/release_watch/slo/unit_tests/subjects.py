"""An SLO under test: its alerts, its arms, and at which error ratios they can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.catalog.slos import Slo
from release_watch.slo.burn_alerts import LEAST_BAD_EVENTS
from release_watch.slo.rulefile import Rule, RuleGroup, parse_prometheus_duration
from release_watch.slo.unit_tests.sources import Source
from release_watch.slo.windows import BurnWindow, Severity, burn_windows

FAST, SLOW, ABSENT, TRICKLE = "fast", "slow", "absent", "trickle"
"""Values of the label ``burn_tier``: the page, the ticket, no telemetry, and errors at low traffic."""

_SAMPLED_EVERY = timedelta(minutes=1)


class Subject(NamedTuple):
    """An SLO, the alerts that its rules have by ``burn_tier``, and made-up series for it."""

    slo: Slo
    source: Source
    alerts: Mapping[str, Rule]
    intervals: Mapping[Severity, timedelta]

    @property
    def name(self) -> str:
        """The SLO's name."""
        return self.slo.name

    @property
    def whole(self) -> bool:
        """Whether events are either all good or all bad, and no share of them."""
        return self.slo.budgeting == "Timeslices" or self.source.grain == 1

    @property
    def told_apart(self) -> bool:
        """Whether the two arms of an alert can be told apart: by few errors, each seen at once."""
        return self.slo.slice is None and self.source.counted

    @property
    def lag(self) -> timedelta:
        """How much later than the errors the rules may see them, or see enough of them."""
        sampled = timedelta(0) if self.source.counted else (LEAST_BAD_EVENTS + 2) * _SAMPLED_EVERY
        return (self.slo.slice or timedelta(0)) + sampled

    def before(self, every: timedelta) -> int:
        """Return how many evaluations before the moment of the formula an alert has not changed yet.

        What is sampled is seen up to a sample early; and of a window that is evaluated rarely, one evaluation
        more than fits into it is known.
        """
        return 1 if self.source.counted and every <= self.intervals["ticket"] else 2

    def arms(self, severity: Severity) -> tuple[BurnWindow, BurnWindow]:
        """Return the arm with the shorter window, and that with the longer."""
        fast, slow = burn_windows(self.slo.name, self.slo.objective, self.slo.window_days, (severity,))
        return fast, slow

    def share(self, aim: Decimal, above: Decimal, below: Decimal = Decimal(1)) -> Decimal | None:
        """Return the share of bad events nearest to ``aim`` that the source can give, within bounds.

        None where there is none within: above the one, and below the other (or 1).
        """
        if self.whole:
            return Decimal(1) if above < 1 == below else None
        grain = self.source.grain
        number = max(1, min(grain, round(aim * grain)))
        while number <= grain and Decimal(number) / grain <= above:
            number += 1
        found = Decimal(number) / grain
        return found if above < found and (found < below or found == below == 1) else None

    @property
    def healthy(self) -> Decimal:
        """A share of bad events at which the budget lasts, if the source can give it; else none at all."""
        if self.slo.budgeting == "Timeslices":
            return (1 - (self.slo.slice_target or Decimal(1))) / 2
        number = int(self.slo.error_budget * Decimal("0.8") * self.source.grain)
        return Decimal(number) / self.source.grain


def subject_of(slo: Slo, groups: tuple[RuleGroup, RuleGroup], source: Source) -> Subject:
    """Return an SLO with the alerts of its rules: those of the page's group and of the ticket's."""
    page, ticket = groups
    alerts = {rule.labels["burn_tier"]: rule for group in groups for rule in group.alerts}
    intervals: dict[Severity, timedelta] = {
        "page": parse_prometheus_duration(page.interval or ""),
        "ticket": parse_prometheus_duration(ticket.interval or ""),
    }
    return Subject(slo, source, alerts, intervals)
