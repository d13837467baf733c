"""Drills through the real Alertmanager's pagerduty_configs, read over the REST API of a LABELLED stand-in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from release_watch.catalog.policies import ReceiverSettings
from release_watch.drills.receipts import Receipts
from release_watch.drills.receivers.asking import ReceiverRefusedError
from release_watch.drills.receivers.connecting import receivers_of
from release_watch.drills.receivers.receiver import Receivers
from tests.integration.conftest import Configure
from tests.integration.direct import DirectBackends, DirectTransport
from tests.integration.receivers.pagerduty_stand_in import Incident, PagerDutyStandIn
from tests.integration.receivers.posting import AT_ONCE, Drill, eventually, new_drill, only_receiver


@pytest.fixture
def pagerduty() -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(secrets.token_hex(16), secrets.token_hex(10), ("mona", "timo")) as server:
        yield server


@pytest.fixture
def receivers(receipts: Receipts, pagerduty: PagerDutyStandIn) -> Receivers:
    return over(receipts, pagerduty, pagerduty.token)


def over(receipts: Receipts, pagerduty: PagerDutyStandIn, token: str) -> Receivers:
    rest = DirectTransport(pagerduty.url, headers={"Authorization": f"Token token={token}"})
    known = {"pagerduty_default": rest}
    return receivers_of(
        receipts, {"pager": ReceiverSettings(kind="pagerduty")}, known.__getitem__, ask_every=AT_ONCE
    )


def integration(pagerduty: PagerDutyStandIn, **more: Any) -> dict[str, Any]:
    events = {
        "routing_key": pagerduty.routing_key,
        "url": f"{pagerduty.url}/v2/enqueue",
        "send_resolved": True,
    }
    return {"pagerduty_configs": [{**events, **more}]}


@pytest.fixture
def to_pagerduty(
    configure_alertmanager: Configure, healthy_configuration: dict[str, Any], pagerduty: PagerDutyStandIn
) -> None:
    configure_alertmanager(only_receiver(healthy_configuration, "pager", integration(pagerduty)))


def incident_of(drill: Drill, pagerduty: PagerDutyStandIn) -> Incident:
    return eventually(
        lambda: next((one for one in pagerduty.incidents if drill.drill_id in str(vars(one))), None)
    )


@pytest.mark.usefixtures("to_pagerduty")
def test_level_one_is_silent_level_two_acknowledges_and_all_of_it_is_read(
    backends: DirectBackends, receivers: Receivers, pagerduty: PagerDutyStandIn
) -> None:
    drill = Drill(backends)

    drill.fire()
    receipt = eventually(lambda: receivers.find(drill.drill_id, "firing", ["pager"]))
    incident = incident_of(drill, pagerduty)
    assert receivers.acknowledgement(drill.drill_id) is None
    assert [(page.level, page.person) for page in receivers.pages(drill.drill_id)] == [(1, "mona")]
    pagerduty.escalate(incident, level=2)
    pagerduty.acknowledge(incident, "timo")
    given = eventually(lambda: receivers.acknowledgement(drill.drill_id))
    drill.resolve()
    resolved = eventually(lambda: receivers.find(drill.drill_id, "resolved", ["pager"]))

    assert receipt.uri.startswith(f"{pagerduty.url}/incidents/{incident.incident_id}/log_entries#")
    assert given.by == "timo"
    assert receipt.at <= given.at <= resolved.at
    pages = receivers.pages(drill.drill_id)
    assert [(page.level, page.person, page.channel) for page in pages] == [
        (1, "mona", "push_notification"),
        (2, "timo", "push_notification"),
    ]
    assert pagerduty.refusals == []
    ours = [event for event in pagerduty.events if event["dedup_key"] == incident.dedup_key]
    assert [event["event_action"] for event in ours] == ["trigger", "resolve"]
    assert drill.drill_id in ours[0]["payload"]["summary"]


@pytest.mark.usefixtures("to_pagerduty")
def test_a_person_who_resolves_the_incident_has_answered_but_alertmanager_has_not_resolved_it(
    backends: DirectBackends, receivers: Receivers, pagerduty: PagerDutyStandIn
) -> None:
    drill = Drill(backends)
    drill.fire()
    pagerduty.resolve(incident_of(drill, pagerduty), "mona")

    assert eventually(lambda: receivers.acknowledgement(drill.drill_id)).by == "mona"
    assert receivers.find(drill.drill_id, "resolved", ["pager"]) is None
    drill.resolve()


@pytest.mark.usefixtures("to_pagerduty")
def test_an_acknowledgement_over_the_events_api_is_no_persons(
    backends: DirectBackends, receivers: Receivers, pagerduty: PagerDutyStandIn
) -> None:
    drill = Drill(backends)
    drill.fire()
    incident = incident_of(drill, pagerduty)

    event = {
        "routing_key": pagerduty.routing_key,
        "event_action": "acknowledge",
        "dedup_key": incident.dedup_key,
    }
    answer = DirectTransport(pagerduty.url).request("POST", "/v2/enqueue", json=event)

    assert answer.status == 202
    assert eventually(lambda: receivers.find(drill.drill_id, "firing", ["pager"]))
    assert receivers.acknowledgement(drill.drill_id) is None
    drill.resolve()


def test_a_description_of_the_users_own_hides_no_drill(
    configure_alertmanager: Configure,
    healthy_configuration: dict[str, Any],
    backends: DirectBackends,
    receivers: Receivers,
    pagerduty: PagerDutyStandIn,
) -> None:
    told = integration(pagerduty, description="DRILL: the shop is tested")
    configure_alertmanager(only_receiver(healthy_configuration, "pager", told))
    first, second = Drill(backends), Drill(backends)

    for drill in (first, second):
        drill.fire()
    found = [
        eventually(lambda one=drill: receivers.find(one.drill_id, "firing")) for drill in (first, second)
    ]

    assert [receipt.fingerprint for receipt in found] == [
        incident_of(drill, pagerduty).incident_id for drill in (first, second)
    ]
    assert pagerduty.refusals == []
    for drill in (first, second):
        drill.resolve()


def test_a_wrong_key_is_said_with_its_connection_and_never_shown(
    receipts: Receipts, pagerduty: PagerDutyStandIn
) -> None:
    receivers = over(receipts, pagerduty, "wrong-token-4711")

    with pytest.raises(ReceiverRefusedError) as refused:
        receivers.find(new_drill(), "firing", ["pager"])

    text = str(refused.value)
    assert all(part in text for part in ("401", "'pager'", "'pagerduty_default'", "REST API key"))
    assert "4711" not in text


def test_the_stand_in_refuses_what_the_published_schema_does_not_allow(pagerduty: PagerDutyStandIn) -> None:
    client = DirectTransport(pagerduty.url)
    event = {"routing_key": pagerduty.routing_key, "event_action": "trigger", "payload": {"summary": "x"}}

    assert client.request("POST", "/v2/enqueue", json=event).status == 400
    token = {"Authorization": f"Token token={pagerduty.token}"}
    assert client.request("GET", "/incidents", headers=token).status == 400

    assert any("severity" in reason for reason in pagerduty.refusals)
    assert any("Accept is missing" in reason for reason in pagerduty.refusals)
