"""Alerts on symptoms of a service, where it exposes what they need.

Each wants a least number of events, is silent where there is no number, keeps quiet on a service that was
just deployed, and says where its threshold comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.red import ASSUMED
from release_watch.slo.rulefile import Rule, RuleGroup, duration
from release_watch.slo.symptom_alerts import Watched
from release_watch.slo.symptom_availability import availability
from release_watch.slo.symptom_business import business
from release_watch.slo.symptom_database import database
from release_watch.slo.symptom_requests import failures, traffic
from release_watch.slo.symptom_resources import FULL, resources
from release_watch.slo.symptom_trends import trends

__all__ = ["FULL", "MOST_RULES", "SymptomRules"]

MOST_RULES = 20
"""Rules of a group: Mimir's default limit."""


class SymptomRules:
    """Generates the alerts of one service in one environment."""

    def __init__(
        self,
        service: Service,
        slos: Sequence[Slo],
        environment: str,
        text: AlertText,
        names: Collection[str] = ASSUMED,
    ) -> None:
        self._watched = Watched(service, slos, environment, text, names)

    def groups(self, interval: timedelta, ticket_interval: timedelta) -> list[RuleGroup]:
        """Return the service's alerts; what is judged over hours runs every ``ticket_interval``.

        There is no group if the service exposes nothing to alert on.
        """
        name = self._watched.service.name
        return [
            *_groups("service", name, interval, self._symptoms()),
            *_groups("trends", name, ticket_interval, self._trends(ticket_interval)),
        ]

    def _symptoms(self) -> Iterator[tuple[Rule, ...]]:
        yield from availability(self._watched)
        yield from failures(self._watched)
        yield from resources(self._watched)
        yield from database(self._watched)

    def _trends(self, interval: timedelta) -> Iterator[tuple[Rule, ...]]:
        yield from traffic(self._watched)
        yield from trends(self._watched)
        yield from business(self._watched, interval)


def _groups(
    kind: str, name: str, interval: timedelta, bundles: Iterable[tuple[Rule, ...]]
) -> Iterator[RuleGroup]:
    """Yield groups of at most :data:`MOST_RULES`; rules that build on each other stay together."""
    packed: list[list[Rule]] = [[]]
    for bundle in bundles:
        if len(packed[-1]) + len(bundle) > MOST_RULES:
            packed.append([])
        packed[-1] += bundle
    for number, rules in enumerate(packed, start=1):
        if rules:
            # The number comes first: no other service's name can make the same.
            prefix = kind if number == 1 else f"{kind}{number}"
            yield RuleGroup(name=f"{prefix}-{name}", interval=duration(interval), rules=tuple(rules))
