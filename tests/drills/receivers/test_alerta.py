"""What Alerta's alerts say about a drill. Against a real Alerta: tests/integration/test_drill_alerta.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from release_watch.drills.receivers.alerta import AlertaReceiver
from release_watch.errors import BackendError, InvalidInputError
from tests.drills.receivers.answering import URL, Answering

DRILL = "20261122T101500Z-0a1b2c3d-1"
OTHER = "20261122T101500Z-0a1b2c3d-12"


def entry(
    kind: str, status: str, second: int, *, text: str = "", user: str | None = "robot@shop.test"
) -> Any:
    at = f"2026-11-22T10:15:{second:02d}.500Z"
    return {"type": kind, "status": status, "updateTime": at, "text": text, "user": user}


def new(drill_id: str, second: int) -> Any:
    return entry("new", "open", second, text=f"DRILL {drill_id}: please answer")


def alert(*history: Any, raw: str = DRILL, raw_status: str = "firing", **more: Any) -> dict[str, Any]:
    labels = {"drill": "true", "drill_id": raw}
    return {
        "id": "a-1",
        "status": "open",
        "duplicateCount": 0,
        "createTime": "2026-11-22T10:15:01.000Z",
        "lastReceiveTime": "2026-11-22T10:15:40.000Z",
        "rawData": json.dumps({"labels": labels, "status": raw_status, "fingerprint": "f1"}),
        "history": list(history),
        **more,
    }


def over(*alerts: Any) -> AlertaReceiver:
    return AlertaReceiver("desk", Answering({"/alerts": {"alerts": list(alerts)}}), "alerta_default")


def at(second: int) -> datetime:
    return datetime(2026, 11, 22, 10, 15, second, 500_000, UTC)


def test_the_alert_is_asked_for_by_the_drills_tag():
    alerta = Answering({"/alerts": {"alerts": []}})
    assert AlertaReceiver("desk", alerta, "alerta_default").receipt(DRILL, "firing") is None
    ((path, params),) = alerta.asked
    assert path == "/alerts"
    assert params["q"] == f'tags:"drill_id={DRILL}"'


def test_the_entry_that_names_the_drill_is_its_receipt():
    found = over(alert(new(OTHER, 2), new(DRILL, 7))).receipt(DRILL, "firing")
    assert found is not None
    assert (found.at, found.uri, found.fingerprint) == (at(7), f"{URL}/alert/a-1", "f1")


@pytest.mark.parametrize(
    ("joined", "second"),
    [
        (alert(entry("new", "open", 1, text="Shop is down")), 1),
        (alert(new(OTHER, 2), duplicateCount=1), 40),
        (alert(new(OTHER, 2), duplicateCount=2, raw=OTHER), 40),
    ],
    ids=["its text was changed", "joined to an open alert", "and another came since"],
)
def test_an_alert_that_does_not_name_the_drill_has_it_by_its_tag_at_the_latest_time(joined: Any, second: int):
    found = over(joined).receipt(DRILL, "firing")
    assert found is not None
    assert found.at == at(second).replace(microsecond=0)


def test_a_person_acknowledges_after_the_drill_came():
    history = (
        entry("ack", "ack", 3, user="timo@shop.test"),
        new(DRILL, 7),
        entry("ack", "ack", 9, user="mona@shop.test"),
        entry("ack", "ack", 12, user="timo@shop.test"),
    )
    assert over(alert(*history)).acknowledgement(DRILL) == ("mona@shop.test", at(9))


def test_who_acknowledged_a_joined_alert_since_the_drill_was_made_answered_the_drill_too():
    before = {**entry("ack", "ack", 0, user="timo@shop.test"), "updateTime": "2026-11-22T10:14:59.000Z"}
    joined = alert(new(OTHER, 2), before, entry("ack", "ack", 9, user="mona@shop.test"), raw=OTHER)
    assert over(joined).acknowledgement(DRILL) == ("mona@shop.test", at(9))
    assert over(alert(new(OTHER, 2), before, raw=OTHER)).acknowledgement(DRILL) is None


@pytest.mark.parametrize(
    "answer",
    [
        entry("ack", "ack", 9, user=None),
        entry("value", "ack", 9),
        entry("status", "ack", 9, text=f"DRILL {DRILL}: please answer"),
        entry("status", "closed", 9),
        entry("unack", "open", 9),
    ],
    ids=["nobody", "a changed value", "a repeated notice", "closed", "taken back"],
)
def test_what_no_person_acknowledged_is_not_acknowledged(answer: Any):
    assert over(alert(new(DRILL, 7), answer)).acknowledgement(DRILL) is None


def test_resolved_is_the_notice_that_closed_it():
    closed = entry("severity", "closed", 20, text=f"DRILL {DRILL}: please answer")
    found = over(alert(new(DRILL, 7), closed, status="closed")).receipt(DRILL, "resolved")
    assert found is not None
    assert found.at == at(20)


@pytest.mark.parametrize("other", [OTHER, DRILL], ids=["of another drill", "by a person"])
def test_what_closed_it_beside_is_no_resolve_notice(other: str):
    text = f"DRILL {other}: please answer" if other != DRILL else "close operator action"
    closed = entry("close" if other == DRILL else "severity", "closed", 20, text=text)
    found = over(alert(new(DRILL, 7), closed, raw=OTHER, status="closed")).receipt(DRILL, "resolved")
    assert found is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        "<html>",
        {"alerts": ["x"]},
        {"alerts": [{"id": "a-1"}]},
        {"alerts": [alert({**new(DRILL, 7), "updateTime": "noon"})]},
    ],
    ids=["nothing", "a web page", "no alerts", "half an alert", "no time"],
)
def test_an_answer_that_is_not_alertas_is_an_error_and_no_receipt(body: Any):
    receiver = AlertaReceiver("desk", Answering({"/alerts": body}), "alerta_default")
    with pytest.raises(BackendError, match="Alerta"):
        receiver.receipt(DRILL, "firing")


def test_an_address_that_is_not_alertas_says_which_connection():
    alerta = Answering({"/alerts": "nginx: not found"}, status=404)
    with pytest.raises(BackendError, match="'alerta_default'") as error:
        AlertaReceiver("desk", alerta, "alerta_default").receipt(DRILL, "firing")
    assert error.value.status == 404


@pytest.mark.parametrize("drill_id", ['x" OR tags:"a', "../x", ""])
def test_an_id_that_is_none_never_gets_into_the_query(drill_id: str):
    alerta = Answering({"/alerts": {"alerts": []}})
    receiver = AlertaReceiver("desk", alerta, "alerta_default")
    for ask in (lambda: receiver.receipt(drill_id, "firing"), lambda: receiver.acknowledgement(drill_id)):
        with pytest.raises(InvalidInputError):
            ask()
    assert alerta.asked == []
