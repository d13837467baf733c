"""Which alert silences which in a real Alertmanager, with the inhibition rules that we publish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml

from release_watch.catalog.slos import Slo
from release_watch.clock import now, rfc3339
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.inhibition import group_labels_of, inhibition_yaml
from tests.integration.conftest import Configure
from tests.integration.direct import DirectBackends, DirectTransport

SLO = Slo(
    name="inhibition-availability",
    service="inhibition",
    description="",
    objective=Decimal("0.999"),
    window_days=30,
    kind="ratio",
    good=None,
    bad='requests_total{code=~"5.."}',
    total="requests_total",
    group_by=("http_route",),
)
ORDERS, REFUNDS = {"http_route": "/orders"}, {"http_route": "/refunds"}
PATIENCE_SECONDS = 10


@pytest.fixture
def alertmanager(
    backends: DirectBackends, configure_alertmanager: Configure, healthy_configuration: dict[str, Any]
) -> Iterator[DirectTransport]:
    ours = yaml.safe_load(inhibition_yaml(group_labels_of([SLO])))
    configure_alertmanager({**healthy_configuration, **ours})
    server = backends.alertmanager()
    yield server
    resolved = rfc3339(now() - timedelta(seconds=1))
    post(server, *({"labels": alert["labels"], "endsAt": resolved} for alert in alerts(server)))


def labels(name: str, **more: str) -> dict[str, str]:
    groups = SloRules(SLO, "production", AlertText("", "", "")).groups()
    (rule,) = (rule for group in groups for rule in group.alerts if rule.name == name)
    return {"alertname": name, **rule.labels, **more}


def post(server: DirectTransport, *fired: dict[str, Any]) -> None:
    answer = server.request("POST", "/api/v2/alerts", json=list(fired))
    assert answer.status == 200, answer.body


def alerts(server: DirectTransport) -> list[dict[str, Any]]:
    answer = server.request("GET", "/api/v2/alerts", params={"filter": 'service="inhibition"'})
    assert isinstance(answer.body, list)
    return answer.body


def await_state(server: DirectTransport, wanted: dict[str, str], state: str) -> None:
    """Wait until the alert with these labels is ``active``, or ``suppressed`` by another."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [alert["status"]["state"] for alert in alerts(server) if alert["labels"] == wanted]
        if found == [state] or time.monotonic() > deadline:
            assert found == [state]
            return
        time.sleep(0.2)


@pytest.mark.parametrize("ticket", ["SloBurnRateTicket", "SloLowTrafficErrors"])
def test_a_burning_page_silences_the_ticket_of_its_own_endpoint_alone(
    ticket: str, alertmanager: DirectTransport
) -> None:
    same, another = labels(ticket, **ORDERS), labels(ticket, **REFUNDS)
    post(alertmanager, *({"labels": one} for one in (labels("SloBurnRatePage", **ORDERS), same, another)))
    await_state(alertmanager, same, "suppressed")
    await_state(alertmanager, another, "active")


def test_a_drill_silences_no_ticket(alertmanager: DirectTransport) -> None:
    ticket = labels("SloBurnRateTicket", **ORDERS)
    post(alertmanager, {"labels": labels("SloBurnRatePage", **ORDERS, drill="true")}, {"labels": ticket})
    await_state(alertmanager, ticket, "active")


def test_the_ticket_of_a_silenced_page_keeps_quiet_as_the_page_says(alertmanager: DirectTransport) -> None:
    page, ticket = labels("SloBurnRatePage", **ORDERS), labels("SloBurnRateTicket", **ORDERS)
    silence = {
        "matchers": [{"name": "alertname", "value": page["alertname"], "isRegex": False, "isEqual": True}],
        "startsAt": rfc3339(now() - timedelta(seconds=1)),
        "endsAt": rfc3339(now() + timedelta(minutes=1)),
        "createdBy": "test",
        "comment": "",
    }
    answer = alertmanager.request("POST", "/api/v2/silences", json=silence)
    assert isinstance(answer.body, dict)
    try:
        post(alertmanager, {"labels": page}, {"labels": ticket})
        await_state(alertmanager, page, "suppressed")
        await_state(alertmanager, ticket, "suppressed")
    finally:
        alertmanager.request("DELETE", f"/api/v2/silence/{answer.body['silenceID']}")
