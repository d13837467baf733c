"""Drills through the real Alertmanager into a real Alerta, where a person acknowledges them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from release_watch.catalog.policies import ReceiverSettings
from release_watch.clock import now
from release_watch.drills import alertmanager
from release_watch.drills.receipts import Acknowledgement, Receipt, Receipts
from release_watch.drills.receivers.alerta import AlertaReceiver
from release_watch.drills.receivers.asking import ReceiverRefusedError
from release_watch.drills.receivers.connecting import receivers_of
from release_watch.drills.receivers.receiver import Receivers
from release_watch.verdict import Verdict
from tests.integration.alerta import OnCallDesk, desk
from tests.integration.conftest import Configure
from tests.integration.direct import DirectBackends
from tests.integration.drilling import assert_nothing_is_left, finish, fire_all
from tests.integration.receivers.posting import AT_ONCE, Drill, eventually, new_drill, only_receiver

__all__ = ["desk"]


@pytest.fixture
def receivers(receipts: Receipts, desk: OnCallDesk) -> Receivers:
    """The receivers as policies.yaml would name them, with the connection alerta_default."""
    known = {"alerta_default": desk.reader()}
    return receivers_of(
        receipts, {"desk": ReceiverSettings(kind="alerta")}, known.__getitem__, ask_every=AT_ONCE
    )


@pytest.fixture
def to_alerta(
    configure_alertmanager: Configure, healthy_configuration: dict[str, Any], desk: OnCallDesk
) -> None:
    configure_alertmanager(only_receiver(healthy_configuration, "desk", desk.webhook()))


def fired(drill: Drill, receivers: Receivers) -> Receipt:
    drill.fire()
    return eventually(lambda: receivers.find(drill.drill_id, "firing", ["desk"]))


@pytest.mark.usefixtures("to_alerta")
def test_a_drill_is_received_acknowledged_by_a_person_and_resolved(
    backends: DirectBackends, receivers: Receivers, desk: OnCallDesk
) -> None:
    drill, began = Drill(backends), now()

    receipt = fired(drill, receivers)
    assert receivers.acknowledgement(drill.drill_id) is None
    assert receivers.missing(drill.drill_id, "resolved", ["desk"]) == ("desk",)
    desk.mona("ack", receipt.uri)
    given: Acknowledgement = eventually(lambda: receivers.acknowledgement(drill.drill_id))
    drill.resolve()
    resolved = eventually(lambda: receivers.find(drill.drill_id, "resolved"))

    assert receipt.receiver == "desk"
    assert receipt.uri.startswith(f"{desk.url}/alert/")
    assert len(receipt.sha256) == 64
    assert receipt.fingerprint
    assert given.by == "mona@shop.test"
    assert began <= receipt.at <= given.at <= resolved.at <= now()
    assert receivers.missing(drill.drill_id, "resolved", ["desk"]) == ()
    assert receivers.pages(drill.drill_id) == ()


@pytest.mark.usefixtures("to_alerta")
def test_a_full_drill_of_two_routes_passes_by_alertas_own_records(
    backends: DirectBackends, receivers: Receivers, desk: OnCallDesk
) -> None:
    results = fire_all(backends, receivers)
    found = [receivers.find(result.drill_id, "firing", ["desk"]) for result in results]
    for uri in {receipt.uri for receipt in found if receipt}:
        desk.mona("ack", uri)
    evidence = finish(results, {}, backends, receivers)

    assert [(one.verdict, one.diagnosis) for one in evidence.drills] == [(Verdict.GO, None)] * 2
    assert {one.acknowledged_by for one in evidence.drills} == {"mona@shop.test"}
    assert all(f"{desk.url}/alert/" in (one.hops.delivered.proof or "") for one in evidence.drills)
    assert_nothing_is_left(backends)


@pytest.mark.usefixtures("to_alerta")
def test_a_person_may_answer_by_the_status_too(
    backends: DirectBackends, receivers: Receivers, desk: OnCallDesk
) -> None:
    drill = Drill(backends)

    desk.mona_sets("ack", fired(drill, receivers).uri)

    assert eventually(lambda: receivers.acknowledgement(drill.drill_id)).by == "mona@shop.test"
    drill.resolve()


@pytest.mark.usefixtures("to_alerta")
def test_an_alert_that_a_person_closed_is_resolved_only_by_alertmanagers_notice(
    backends: DirectBackends, desk: OnCallDesk, receivers: Receivers
) -> None:
    drill, alerta = Drill(backends), AlertaReceiver("desk", desk.reader(), "alerta_default")
    receipt = fired(drill, receivers)

    desk.mona("close", receipt.uri)
    assert alerta.receipt(drill.drill_id, "resolved") is None
    drill.resolve()

    assert eventually(lambda: alerta.receipt(drill.drill_id, "resolved")).at > receipt.at


@pytest.mark.usefixtures("to_alerta")
def test_the_answer_to_an_earlier_alert_is_none_for_a_drill_that_alerta_joins_to_it(
    backends: DirectBackends, receivers: Receivers, desk: OnCallDesk
) -> None:
    first = Drill(backends, own_name=False, alertname="Joined")
    desk.mona("ack", fired(first, receivers).uri)
    answered = eventually(lambda: receivers.acknowledgement(first.drill_id))
    eventually(lambda: now() > answered.at + timedelta(seconds=1) or None)  # an id has whole seconds

    second = Drill(backends, own_name=False, alertname="Joined")
    joined = fired(second, receivers)

    assert joined.at > answered.at
    assert receivers.acknowledgement(second.drill_id) is None
    second.resolve()
    first.resolve()


@pytest.mark.usefixtures("to_alerta")
def test_a_drill_that_never_was_is_at_no_receiver(receivers: Receivers) -> None:
    drill_id = new_drill()

    assert receivers.find(drill_id, "firing", ["desk"]) is None
    assert receivers.missing(drill_id, "firing", ["desk", "oncall"]) == ("desk", "oncall")


@pytest.mark.parametrize(
    ("key", "status", "why"),
    [("no-such-key-4711", 401, "wrong or has expired"), (None, 403, "may not read this")],
    ids=["unknown key", "key that may only send"],
)
def test_a_key_that_alerta_refuses_is_said_with_its_connection_and_never_shown(
    receipts: Receipts, desk: OnCallDesk, key: str | None, status: int, why: str
) -> None:
    known = {"alerta_team": desk.reader(key or desk.sending_key)}
    settings = {"desk": ReceiverSettings(kind="alerta", connection="alerta_team")}
    receivers = receivers_of(receipts, settings, known.__getitem__)

    with pytest.raises(ReceiverRefusedError) as refused:
        receivers.find(new_drill(), "firing", ["desk"])

    text = str(refused.value)
    assert (refused.value.status, refused.value.receiver) == (status, "desk")
    assert all(part in text for part in (why, "'desk'", "'alerta_team'", "read:alerts", desk.url))
    assert (key or desk.sending_key) not in text


def test_alertmanager_with_a_wrong_key_delivers_nothing(
    configure_alertmanager: Configure,
    healthy_configuration: dict[str, Any],
    backends: DirectBackends,
    desk: OnCallDesk,
    receivers: Receivers,
) -> None:
    configure_alertmanager(only_receiver(healthy_configuration, "desk", desk.webhook("wrong")))
    before = alertmanager.notifications(backends.alertmanager())
    drill = Drill(backends)

    drill.fire()
    failed = eventually(lambda: _failures(backends, before))

    assert failed > 0
    assert receivers.find(drill.drill_id, "firing", ["desk"]) is None
    drill.resolve()


def _failures(backends: DirectBackends, before: alertmanager.Notifications) -> float | None:
    grown = alertmanager.notifications(backends.alertmanager()).since(before)
    return grown.failed_requests.get("webhook", 0) + grown.failed.get("webhook", 0) or None
