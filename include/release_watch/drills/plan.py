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

Severity = Literal["page", "ticket"]
PAGE: Literal["page"] = "page"
TICKET: Literal["ticket"] = "ticket"
SEVERITIES: tuple[Severity, ...] = (PAGE, TICKET)


class DrillRoute(NamedTuple):
    """One path to prove.

    ``labels`` are those of the real alert, its name too; ``way`` is where Alertmanager sends it; ``expected``
    are the receivers that it has to reach. They differ where an earlier route takes an alert away from the
    receiver that only its severity has. ``obstacle`` says why the path cannot be drilled. ``stands_for``
    names the services whose alerts take the same way and are not drilled again.
    """

    service: str
    severity: Severity
    labels: dict[str, str]
    way: Way
    expected: tuple[str, ...]
    obstacle: str | None = None
    stands_for: tuple[str, ...] = ()

    @property
    def misrouted(self) -> bool:
        """Whether the real alert misses the receiver it is meant for."""
        return not set(self.expected) <= set(self.way.receivers)

    @property
    def key(self) -> tuple[Severity, tuple[str, ...], Way]:
        """What two alerts have in common that take the same way."""
        return self.severity, self.expected, self.way


class LiveRouting(NamedTuple):
    """Where alerts go: Alertmanager's routes, and the labels that Prometheus adds to every alert."""

    routing: Routing
    outer: Mapping[str, str]


def live_routing(backends: Backends) -> LiveRouting:
    """Return where alerts go now; it serves any number of releases.

    Raises:
        NotConfiguredError: without a connection to Alertmanager or Prometheus.
        BackendError: if one of them does not answer.
    """
    routing = Routing(live_configuration(backends.alertmanager()), backends.amtool())
    return LiveRouting(routing, external_labels(backends.prometheus()))


def drill_routes(
    release: Release,
    services: Sequence[Service],
    rules: Sequence[RuleGroup],
    backends: Backends,
    live: LiveRouting | None = None,
) -> list[DrillRoute]:
    """Return the drills for a release: one for every distinct way that its alerts take, pages first.

    A page of a critical service is drilled for itself, whatever else takes its way. A page of another service
    and a ticket are drilled where nothing before them proves their way: same severity, receivers and route.
    A critical service without a page alert gives a route with an obstacle, so that it cannot be forgotten.
    ``live`` is where alerts go, if that was asked already.

    Raises:
        NotConfiguredError: without a connection to Alertmanager or Prometheus.
        BackendError: if one of them does not answer.
        ReleaseWatchError: if amtool cannot be run or cannot route an alert.
    """
    routing, outer = live or live_routing(backends)
    deployed = [service for service in services if service.name in release.services]
    routes: list[DrillRoute] = []
    for severity in SEVERITIES:
        for service in sorted(deployed, key=lambda service: not service.critical):
            alerts = [{**outer, **labels} for labels in _alerts(rules, service.name, severity)]
            found = _ways(service.name, severity, alerts, routing)
            if severity == PAGE and service.critical:
                routes.extend(found or [_without_alert(service.name)])
            else:
                _add_unproven(routes, found)
    return routes


def _add_unproven(routes: list[DrillRoute], found: Sequence[DrillRoute]) -> None:
    proving = {route.key: number for number, route in reversed(list(enumerate(routes)))}
    for route in found:
        number = proving.get(route.key)
        if number is None:
            routes.append(route)
        else:
            earlier = routes[number]
            routes[number] = earlier._replace(stands_for=(*earlier.stands_for, route.service))


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


def _alerts(rules: Sequence[RuleGroup], service: str, severity: Severity) -> Iterator[dict[str, str]]:
    for group in rules:
        for rule in group.alerts:
            if rule.service == service and rule.labels.get("severity") == severity:
                yield {**rule.labels, "alertname": rule.name}


def _ways(
    service: str, severity: Severity, alerts: Sequence[Mapping[str, str]], routing: Routing
) -> list[DrillRoute]:
    first_of: dict[object, DrillRoute] = {}
    for labels in alerts:
        route = _route(service, severity, labels, routing)
        first_of.setdefault(route.key, route)
    return list(first_of.values())


def _route(service: str, severity: Severity, labels: Mapping[str, str], routing: Routing) -> DrillRoute:
    way = routing.way(labels)
    other = routing.matching({**labels, "severity": TICKET if severity == PAGE else PAGE})
    own = tuple(name for name in routing.matching(labels) if name not in other)
    missed = own and not set(own) & set(way.receivers)
    meant = own if missed else way.receivers
    telling = tuple(name for name in meant if routing.integrations(name))
    obstacle = None
    if not telling:
        obstacle = (
            f"The {severity} goes to receiver {', '.join(meant) or 'none'}, which tells nobody: it has no "
            "integration in the live Alertmanager configuration. Give the receiver an integration that "
            f"reaches {'the person on call' if severity == PAGE else 'the team'}."
        )
    return DrillRoute(service, severity, dict(labels), way, telling or meant, obstacle)


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
