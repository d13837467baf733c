"""Which firings and which incidents belong together: by service, and by time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.catalog.models import Catalog
from release_watch.clock import in_words
from release_watch.response.incidents import Incident

Neighbours = Mapping[str, frozenset[str]]
NOBODY: Neighbours = {}


class MatchRules(BaseModel):
    """How far apart in time a firing and an incident may be, and whether those of neighbours count.

    ``lead``: the firing ended at most so long before the ticket was opened. ``trail``: it began at most so
    long after the ticket was closed. ``dependencies``: its service calls, or is called by, the incident's.
    """

    model_config = ConfigDict(frozen=True)

    lead: timedelta = timedelta(minutes=30)
    trail: timedelta = timedelta(0)
    dependencies: bool = False

    def in_words(self) -> tuple[str, ...]:
        """Return the rules as people read them."""
        services = "an alert and an incident belong together if they name the same service"
        if self.dependencies:
            services += ", or one whose service calls, or is called by, the other's"
        after = f" and {in_words(self.trail)}" if self.trail else ""
        time = (
            f"and the alert fired at some time from {in_words(self.lead)} before the ticket was opened (or "
            f"from when the impact began, if that is earlier) until it was closed{after}"
        )
        return services, time, "a ticket that names one alert belongs to that alert only"


class Matching(NamedTuple):
    """The positions of the incidents of each alert, and of the alerts of each incident, in order."""

    by_alert: tuple[tuple[int, ...], ...]
    by_incident: tuple[tuple[int, ...], ...]


def neighbours_of(catalog: Catalog) -> dict[str, frozenset[str]]:
    """Return, per service, those that it calls and that call it."""
    found: dict[str, set[str]] = {service.name: set() for service in catalog.services}
    for service in catalog.services:
        for callee in service.dependencies:
            found[service.name].add(callee)
            found.setdefault(callee, set()).add(service.name)
    return {name: frozenset(others - {name}) for name, others in found.items()}


def together(
    alert: AlertInterval,
    incident: Incident,
    *,
    until: datetime,
    rules: MatchRules | None = None,
    neighbours: Neighbours = NOBODY,
) -> bool:
    """Return whether a firing belongs to an incident; one that is still open lasts ``until``."""
    rules = rules or MatchRules()
    if alert.service not in _services(incident, rules, neighbours):
        return False
    first, last = _span(incident, until, rules)
    return incident.alert in (None, alert.alert) and alert.end >= first and alert.start <= last


def match(
    alerts: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    *,
    until: datetime,
    rules: MatchRules | None = None,
    neighbours: Neighbours = NOBODY,
) -> Matching:
    """Return which of ``alerts`` and ``incidents`` belong together by :func:`together`.

    Looks, per incident, only at the firings of its services that began before it was closed.
    """
    rules = rules or MatchRules()
    of_service: dict[str, list[int]] = {}
    for position in sorted(range(len(alerts)), key=lambda i: alerts[i].start):
        of_service.setdefault(alerts[position].service, []).append(position)
    begins = {name: [alerts[i].start for i in found] for name, found in of_service.items()}
    by_incident: list[tuple[int, ...]] = []
    by_alert: list[list[int]] = [[] for _ in alerts]
    for number, incident in enumerate(incidents):
        first, last = _span(incident, until, rules)
        near = (
            position
            for service in _services(incident, rules, neighbours) & of_service.keys()
            for position in of_service[service][: bisect_right(begins[service], last)]
        )
        found = sorted(
            i for i in near if alerts[i].end >= first and incident.alert in (None, alerts[i].alert)
        )
        by_incident.append(tuple(found))
        for position in found:
            by_alert[position].append(number)
    return Matching(tuple(map(tuple, by_alert)), tuple(by_incident))


def began(incident: Incident) -> datetime:
    """Return when an incident began, as far as is known: its impact, else its ticket."""
    return min(incident.opened_at, incident.began_at or incident.opened_at)


def _services(incident: Incident, rules: MatchRules, neighbours: Neighbours) -> frozenset[str]:
    if incident.service is None:
        return frozenset()
    near = neighbours.get(incident.service, frozenset()) if rules.dependencies else frozenset()
    return near | {incident.service}


def _span(incident: Incident, until: datetime, rules: MatchRules) -> tuple[datetime, datetime]:
    first = min(incident.opened_at - rules.lead, began(incident))
    last = max(incident.closed_at or until, incident.ended_at or incident.opened_at, incident.opened_at)
    return first, last + rules.trail


def pairs(matching: Matching) -> Iterator[tuple[int, int]]:
    """Yield (alert, incident) of everything that belongs together."""
    for alert, incidents in enumerate(matching.by_alert):
        for incident in incidents:
            yield alert, incident
