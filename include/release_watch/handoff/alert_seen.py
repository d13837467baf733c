"""A service as its alerts see it: which of its metrics they read, and what its objectives promise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.identifiers import promql_string
from release_watch.slo.red import ASSUMED, Red, convention_of, red_of, selector
from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_requests import DEFAULT_LATENCY
from release_watch.telemetry.promql import SeriesSelector, selectors_of


@dataclass(frozen=True)
class Seen:
    """A service with the rules and the objectives of it: the rules tell which metrics it exposes."""

    service: Service
    environment: str
    rules: Sequence[Rule] = ()
    slos: Sequence[Slo] = ()

    @cached_property
    def names(self) -> Collection[str]:
        """The names of metrics that the rules read, and of the labels that they tell outcomes by."""
        found: set[str] = set()
        for rule in self.rules:
            for one in series_read(rule.expr):
                found.add(one.metric)
                found |= {f"{one.metric}{{{matcher.label}}}" for matcher in one.matchers}
        return found or ASSUMED

    @cached_property
    def red(self) -> Red | None:
        """Under which names the service counts its requests."""
        return red_of(self.service, self.names) or red_of(self.service)

    @property
    def identity(self) -> str:
        """The matchers of what rules record for the service, and of its alerts."""
        service, environment = promql_string(self.service.name), promql_string(self.environment)
        return f"service={service},environment={environment}"

    @property
    def endpoints(self) -> str:
        """The labels that name an endpoint."""
        names = self.names if red_of(self.service, self.names) else ASSUMED
        convention = convention_of(self.service, names)
        return ", ".join(convention.endpoint_labels) if convention else "instance"

    def metric(self, name: str) -> str | None:
        """Return the selector of a metric of the service, whether the rules read it or not."""
        return selector(self.service, name, {name})

    def exprs(self, alert: str) -> list[str]:
        """Return the expressions of the rules of an alert, each once."""
        return list(dict.fromkeys(rule.expr for rule in self.rules if rule.name == alert))

    def slos_of(self, alert: str) -> list[Slo]:
        """Return the SLOs that an alert is about."""
        about = {rule.labels.get("slo") for rule in self.rules if rule.name == alert}
        return [slo for slo in self.slos if slo.name in about]

    @property
    def slow(self) -> Decimal:
        """After how many seconds an answer is slow: the longest time that an SLO promises."""
        promised = [slo.threshold_seconds for slo in self.slos if slo.threshold_seconds is not None]
        return max(promised, default=DEFAULT_LATENCY)


def series_read(expr: str) -> tuple[SeriesSelector, ...]:
    """Return the selectors of an expression; none of one that only somebody else understands."""
    try:
        return selectors_of(expr)
    except ValueError:
        return ()
