"""Which drills a release needs, asked of the real amtool over the live configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.drills.plan import DrillRoute, drill_routes
from release_watch.drills.routing import Routing
from release_watch.errors import ReleaseWatchError
from release_watch.release import Release
from release_watch.slo.rulefile import Rule, RuleGroup
from tests.integration.direct import DirectBackends

Configure = Callable[[dict[str, Any]], None]
RELEASE = Release(
    deployment_id="d-1",
    release_id="r-routes",
    version="1.1.0",
    environment="production",
    services=("checkout", "catalogue"),
    deployed_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
    evidence_uri="file:///evidence",
)


def service(name: str, tier: Tier) -> Service:
    signals = Signals(metrics=MetricsSignal(selector=f'job="shop/{name}"'))
    return Service(name=name, tier=tier, owner="team-shop", signals=signals)


SERVICES = (service("catalogue", Tier.STANDARD), service("checkout", Tier.CRITICAL))


def alert(name: str, of: str, severity: str = "page") -> RuleGroup:
    labels = {"service": of, "severity": severity, "slo": "a \"quoted\" \\ {b,c='d'}"}
    return RuleGroup(name=f"{name}-{of}", rules=(Rule(alert=name, expr="vector(0)", labels=labels),))


def routed(backends: DirectBackends, *rules: RuleGroup) -> list[DrillRoute]:
    return drill_routes(RELEASE, SERVICES, rules, backends)


def receivers(configuration: dict[str, Any], *names: str) -> None:
    webhook = configuration["receivers"][0]["webhook_configs"]
    configuration["receivers"] += [
        {"name": name, "webhook_configs": copy.deepcopy(webhook)} for name in names
    ]


def test_every_way_of_a_critical_service_is_drilled_once(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> None:
    receivers(healthy_configuration, "second, with comma")
    healthy_configuration["route"]["routes"].insert(
        0, {"receiver": "second, with comma", "matchers": ['alertname="ServiceDown"'], "continue": True}
    )
    configure_alertmanager(healthy_configuration)

    routes = routed(
        backends,
        alert("ErrorBudgetBurn", "checkout"),
        alert("HighErrors", "checkout"),
        alert("ServiceDown", "checkout"),
        alert("ErrorBudgetBurn", "checkout", "ticket"),
        alert("ErrorBudgetBurn", "catalogue"),
    )

    assert [(route.labels["alertname"], route.severity, route.expected) for route in routes] == [
        ("ErrorBudgetBurn", "page", ("oncall",)),
        ("ServiceDown", "page", ("second, with comma", "oncall")),
        ("ErrorBudgetBurn", "ticket", ("oncall",)),
    ]
    assert {route.service for route in routes} == {"checkout"}
    assert [route.stands_for for route in routes] == [("catalogue",), (), ()]
    assert routes[0].way.route[0] == "default-route"


def test_tickets_are_drilled_once_per_way_whatever_their_service(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> None:
    receivers(healthy_configuration, "team-catalogue")
    healthy_configuration["receivers"].append({"name": "bin"})
    healthy_configuration["route"]["routes"] = [
        {"receiver": "bin", "matchers": ['slo="dull"']},
        {"receiver": "team-catalogue", "matchers": ['service="catalogue"', 'severity="ticket"']},
        *healthy_configuration["route"]["routes"],
    ]
    configure_alertmanager(healthy_configuration)
    dull = Rule(
        alert="Dull", expr="vector(0)", labels={"service": "checkout", "severity": "ticket", "slo": "dull"}
    )

    routes = routed(
        backends,
        alert("Burn", "checkout"),
        *(alert(name, of, "ticket") for name in ("Burn", "Slow") for of in ("checkout", "catalogue")),
        RuleGroup(name="dull", rules=(dull,)),
    )

    tickets = [route for route in routes if route.severity == "ticket"]
    assert [(route.service, route.expected, bool(route.obstacle)) for route in tickets] == [
        ("checkout", ("oncall",), False),
        ("checkout", ("bin",), True),
        ("catalogue", ("team-catalogue",), False),
    ]
    assert "tells nobody" in str(tickets[1].obstacle)


def test_a_receiver_without_integration_beside_one_that_has_some_is_not_waited_for(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> None:
    healthy_configuration["receivers"].append({"name": "log only"})
    healthy_configuration["route"]["routes"].insert(
        0, {"receiver": "log only", "matchers": ['severity="page"'], "continue": True}
    )
    configure_alertmanager(healthy_configuration)

    (route,) = routed(backends, alert("Burn", "checkout"))

    assert (route.way.receivers, route.expected) == (("log only", "oncall"), ("oncall",))


def test_a_ticket_that_pages_because_of_the_order_is_misrouted(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> None:
    receivers(healthy_configuration, "tickets")
    healthy_configuration["route"]["routes"] = [
        {"receiver": "oncall", "matchers": ['service=~".+"']},
        {"receiver": "tickets", "matchers": ['severity="ticket"']},
    ]
    configure_alertmanager(healthy_configuration)

    page, ticket = routed(backends, alert("Burn", "checkout"), alert("Burn", "checkout", "ticket"))

    assert (page.misrouted, ticket.misrouted, ticket.expected) == (False, True, ("tickets",))


def test_a_standard_service_is_drilled_where_its_receiver_is_its_own(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> None:
    receivers(healthy_configuration, "team-catalogue")
    healthy_configuration["route"]["routes"].insert(
        0, {"receiver": "team-catalogue", "matchers": ['service="catalogue"']}
    )
    configure_alertmanager(healthy_configuration)

    routes = routed(backends, alert("Burn", "catalogue"), alert("Burn", "checkout"))

    assert [(route.service, route.expected) for route in routes] == [
        ("checkout", ("oncall",)),
        ("catalogue", ("team-catalogue",)),
    ]


def test_a_critical_service_without_a_page_cannot_be_forgotten(backends: DirectBackends) -> None:
    route, ticket = routed(backends, alert("Burn", "checkout", "ticket"))

    assert (ticket.severity, ticket.obstacle) == ("ticket", None)
    assert "no alert with severity page for critical service checkout" in str(route.obstacle)


@pytest.mark.parametrize(
    ("order", "is_misrouted"),
    [
        pytest.param(("tickets", "pages"), True, id="tickets first"),
        pytest.param(("pages", "tickets"), False, id="pages first"),
    ],
)
def test_the_order_of_routes_decides_whether_a_page_is_lost(
    backends: DirectBackends,
    healthy_configuration: dict[str, Any],
    configure_alertmanager: Configure,
    order: tuple[str, str],
    is_misrouted: bool,
) -> None:
    matchers = {"tickets": 'service=~".+"', "pages": 'severity="page"'}
    receivers(healthy_configuration, "tickets", "pages")
    healthy_configuration["route"]["routes"] = [
        {"receiver": name, "matchers": [matchers[name]]} for name in order
    ]
    configure_alertmanager(healthy_configuration)

    (route,) = routed(backends, alert("Burn", "checkout"))

    assert (route.expected, route.misrouted) == (("pages",), is_misrouted)


def test_one_receiver_for_all_is_no_mistake(backends: DirectBackends) -> None:
    (route,) = routed(backends, alert("Burn", "checkout"))

    assert (route.expected, route.misrouted, route.obstacle) == (("oncall",), False, None)


def test_amtool_says_why_it_cannot_route(backends: DirectBackends) -> None:
    routing = Routing("route: {receiver: nobody}\nreceivers: []\n", backends.amtool())

    with pytest.raises(ReleaseWatchError, match="undefined receiver"):
        routing.way({"severity": "page"})
