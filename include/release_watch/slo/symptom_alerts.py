"""What every symptom alert of a service has in common: its selectors, labels and texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.identifiers import promql_string
from release_watch.slo.annotations import AlertText, alert_rule
from release_watch.slo.red import ASSUMED, red_of, selector
from release_watch.slo.rulefile import Rule

TWO_SCRAPES = timedelta(minutes=2)
"""Twice Prometheus' default scrape interval: one failed scrape is no outage."""
SUSTAINED = timedelta(minutes=5)
ALMOST = 0.5
"""Increases are extrapolated, so that a number of events is never quite a whole one."""


class Watched:
    """A service in an environment, as its telemetry shows it."""

    def __init__(
        self,
        service: Service,
        slos: Sequence[Slo],
        environment: str,
        text: AlertText,
        names: Collection[str] = ASSUMED,
    ) -> None:
        self.service = service
        self.slos = tuple(slo for slo in slos if slo.service == service.name)
        self.red = red_of(service, names)
        self._names = names
        self._labels = {"service": service.name, "environment": environment}
        self._text = text

    @property
    def urgent(self) -> str:
        """The severity of what fails users now: only a critical service wakes people."""
        return "page" if self.service.critical else "ticket"

    def metric(self, name: str, extra: str = "") -> str | None:
        """Return the selector of one metric of the service; None if it does not expose it."""
        return selector(self.service, name, self._names, extra)

    def alert(
        self,
        name: str,
        expr: str,
        severity: str,
        *,
        summary: str,
        description: str,
        threshold: str,
        hold: timedelta,
        metric: str | None = None,
    ) -> Rule:
        """Return an alert of the service; ``threshold`` says where it comes from."""
        return alert_rule(
            name,
            expr,
            hold=hold,
            labels={**self._labels, "severity": severity, **({"metric": metric} if metric else {})},
            text=self._text,
            summary=f"{self.service.name}: {summary}",
            description=description,
            threshold=threshold,
        )

    def recording(self, name: str, expr: str, metric: str | None = None) -> tuple[Rule, str]:
        """Return the rule that records ``name`` for the service, and the selector that reads it."""
        labels = {**self._labels, **({"metric": metric} if metric else {})}
        return Rule(record=name, expr=expr, labels=labels), f"{name}{{{_matchers(labels)}}}"

    def firing(self, alert: str) -> str:
        """Return the selector of an alert of the service while it fires; drills are none."""
        labels = {"alertname": alert, "alertstate": "firing", **self._labels, "drill": ""}
        return f"ALERTS{{{_matchers(labels)}}}"


def _matchers(labels: Mapping[str, str]) -> str:
    return ",".join(f"{label}={promql_string(value)}" for label, value in labels.items())


def at_least(number: int) -> str:
    """Return the condition that an increase is ``number`` events or more."""
    return f"> {number - ALMOST:g}"
