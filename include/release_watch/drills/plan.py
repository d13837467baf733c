"""Which drills prove the alert paths of a release: service by severity by receiver, as they are live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import yaml

from release_watch.drills.alertmanager import live_configuration
from release_watch.drills.routing import Routing, Way
from release_watch.telemetry.answers import get, understood

if TYPE_CHECKING:
    from release_watch.catalog.models import Service
    from release_watch.release import Release
    from release_watch.slo.rulefile import RuleGroup
    from release_watch.telemetry.backends import Backends
    from release_watch.transport import Transport

PAGE: Literal["page"] = "page"
TICKET: Literal["ticket"] = "ticket"


class DrillRoute(NamedTuple):
    """One path to prove.

    ``labels`` are those of the real alert, its name too; ``way`` is where Alertmanager sends it; ``expected``
    are the receivers that it has to reach. They differ where an earlier route takes a page away from the
    receiver that only pages have. ``obstacle`` says why the path cannot be drilled.
    """

    service: str
    severity: Literal["page", "ticket"]
    labels: dict[str, str]
    way: Way
    expected: tuple[str, ...]
    obstacle: str | None = None

    @property
    def misrouted(self) -> bool:
        """Whether the real alert misses the receiver it is meant for."""
        return not set(self.expected) <= set(self.way.receivers)


def drill_routes(
    release: Release, services: Sequence[Service], rules: Sequence[RuleGroup], backends: Backends
) -> list[DrillRoute]:
    """Return the drills for a release: every way that a page of a critical service takes.

    A page of another service is drilled where it reaches a receiver that nothing else proves. A critical
    service without a page alert gives a route with an obstacle, so that it cannot be forgotten.

    Raises:
        NotConfiguredError: without a connection to Alertmanager or Prometheus.
        BackendError: if one of them does not answer.
        ReleaseWatchError: if amtool cannot be run or cannot route an alert.
    """
    routing = Routing(live_configuration(backends.alertmanager()), backends.amtool())
    outer = external_labels(backends.prometheus())
    deployed = [service for service in services if service.name in release.services]
    routes: list[DrillRoute] = []
    for service in sorted(deployed, key=lambda service: not service.critical):
        found = _ways(service.name, [{**outer, **labels} for labels in _pages(rules, service.name)], routing)
        if service.critical:
            routes.extend(found or [_without_alert(service.name)])
        else:
            proven = {receiver for route in routes for receiver in route.expected}
            routes.extend(route for route in found if not set(route.expected) <= proven)
    return routes


def external_labels(prometheus: Transport) -> dict[str, str]:
    """Return the labels that Prometheus adds to every alert on its way to Alertmanager.

    Raises:
        BackendError: if Prometheus does not tell its configuration.
    """
    body = get(prometheus, "Prometheus", "/api/v1/status/config")

    def added() -> dict[str, str]:
        running = yaml.safe_load(body["data"]["yaml"])
        labels = (running.get("global") or {}).get("external_labels") or {}
        return {str(name): str(value) for name, value in labels.items()}

    return understood("Prometheus", "its configuration", added)


def _pages(rules: Sequence[RuleGroup], service: str) -> Iterator[dict[str, str]]:
    for group in rules:
        for rule in group.alerts:
            if rule.service == service and rule.labels.get("severity") == PAGE:
                yield {**rule.labels, "alertname": rule.name}


def _ways(service: str, alerts: Sequence[Mapping[str, str]], routing: Routing) -> list[DrillRoute]:
    first_of: dict[tuple[str, ...], DrillRoute] = {}
    for labels in alerts:
        route = _route(service, labels, routing)
        first_of.setdefault((*route.expected, "", *route.way.receivers), route)
    return list(first_of.values())


def _route(service: str, labels: Mapping[str, str], routing: Routing) -> DrillRoute:
    way = routing.way(labels)
    as_ticket = routing.matching({**labels, "severity": TICKET})
    only_pages = tuple(name for name in routing.matching(labels) if name not in as_ticket)
    missed = only_pages and not set(only_pages) & set(way.receivers)
    expected = only_pages if missed else way.receivers
    obstacle = None
    if not any(routing.integrations(receiver) for receiver in expected):
        obstacle = (
            f"The page goes to receiver {', '.join(expected) or 'none'}, which tells nobody: it has no "
            "integration in the live Alertmanager configuration. Give the receiver an integration that "
            "reaches the person on call."
        )
    return DrillRoute(service, PAGE, dict(labels), way, expected, obstacle)


def _without_alert(service: str) -> DrillRoute:
    return DrillRoute(
        service,
        PAGE,
        {},
        Way((), ()),
        (),
        f"There is no alert with severity page for critical service {service}, so nothing could page for it. "
        "Define an SLO for the service or map its metrics in the catalogue, and activate its rules.",
    )
