"""Broken alert paths on real servers: each has its own diagnosis, and none is a Go."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.clock import now, rfc3339
from release_watch.drills.receipts import Acknowledgement, Receipts
from release_watch.verdict import Verdict
from tests.integration.direct import DirectBackends
from tests.integration.drilling import assert_nothing_is_left, finish, fire_all
from tests.integration.receiving import ReceiptServer

DEAD = "http://127.0.0.1:9/receipts"
Configure = Callable[[dict[str, Any]], None]


def dead_receiver(configuration: dict[str, Any]) -> None:
    configuration["receivers"][0]["webhook_configs"][0]["url"] = DEAD


def wrong_token(configuration: dict[str, Any]) -> None:
    del configuration["receivers"][0]["webhook_configs"][0]["http_config"]


def wrong_order(configuration: dict[str, Any]) -> None:
    webhook = copy.deepcopy(configuration["receivers"][0]["webhook_configs"])
    configuration["receivers"].append({"name": "tickets", "webhook_configs": webhook})
    configuration["route"]["receiver"] = "tickets"
    configuration["route"]["routes"] = [
        {"receiver": "tickets", "matchers": ['service=~"checkout|payments"']},
        {"receiver": "oncall", "matchers": ['severity="page"']},
    ]


def own_route_for_drills(configuration: dict[str, Any]) -> None:
    webhook = copy.deepcopy(configuration["receivers"][0]["webhook_configs"])
    configuration["receivers"].append({"name": "drills", "webhook_configs": webhook})
    configuration["route"]["routes"].insert(0, {"receiver": "drills", "matchers": ['drill="true"']})


def receiver_that_tells_nobody(configuration: dict[str, Any]) -> None:
    configuration["receivers"][0] = {"name": "oncall"}


def long_group_wait(configuration: dict[str, Any]) -> None:
    configuration["route"]["group_wait"] = "1m"


def inhibited(configuration: dict[str, Any]) -> None:
    configuration["inhibit_rules"] = [
        {"source_matchers": ['alertname="DatacentreDown"'], "target_matchers": ['severity="page"']}
    ]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        pytest.param(dead_receiver, "does not take notifications", id="receiver dead"),
        pytest.param(wrong_token, "does not take notifications", id="receiver refuses the token"),
        pytest.param(wrong_order, "the order of the routes is wrong", id="wrong matcher order"),
        pytest.param(own_route_for_drills, "Routed elsewhere", id="drills have a route of their own"),
        pytest.param(receiver_that_tells_nobody, "tells nobody", id="receiver without integration"),
        pytest.param(
            long_group_wait, "group_wait or group_interval of the route is longer", id="group_wait too long"
        ),
    ],
)
def test_a_broken_configuration_has_its_own_diagnosis(
    break_it: Callable[[dict[str, Any]], None],
    words: str,
    backends: DirectBackends,
    receipts: Receipts,
    healthy_configuration: dict[str, Any],
    configure_alertmanager: Configure,
) -> None:
    break_it(healthy_configuration)
    configure_alertmanager(healthy_configuration)

    results = fire_all(backends, receipts)
    answers = {result.drill_id: Acknowledgement("oncall", now()) for result in results}
    tested = finish(results, answers, backends, receipts)

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert words in (drill.diagnosis or "")
        assert drill.acknowledged_by is None
    assert_nothing_is_left(backends)


def test_a_silenced_page_names_the_silence(backends: DirectBackends, receipts: Receipts) -> None:
    server = backends.alertmanager()
    posted = server.request(
        "POST",
        "/api/v2/silences",
        json={
            "matchers": [{"name": "severity", "value": "page", "isRegex": False, "isEqual": True}],
            "startsAt": rfc3339(now()),
            "endsAt": rfc3339(now() + timedelta(hours=1)),
            "createdBy": "somebody",
            "comment": "forgotten maintenance",
        },
    )
    silence_id = posted.body["silenceID"]
    try:
        tested = finish(fire_all(backends, receipts), {}, backends, receipts)
    finally:
        server.request("DELETE", f"/api/v2/silence/{silence_id}")

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert "Silenced until" in (drill.diagnosis or "")
        assert "by somebody ('forgotten maintenance'" in (drill.diagnosis or "")
    assert_nothing_is_left(backends)


def test_an_inhibited_page_names_the_alert_behind_it(
    backends: DirectBackends,
    receipts: Receipts,
    healthy_configuration: dict[str, Any],
    configure_alertmanager: Configure,
) -> None:
    inhibited(healthy_configuration)
    configure_alertmanager(healthy_configuration)
    source = {
        "labels": {"alertname": "DatacentreDown", "site": "north"},
        "endsAt": rfc3339(now() + timedelta(hours=1)),
    }
    backends.alertmanager().request("POST", "/api/v2/alerts", json=[source])
    try:
        tested = finish(fire_all(backends, receipts), {}, backends, receipts)
    finally:
        backends.alertmanager().request("POST", "/api/v2/alerts", json=[{**source, "endsAt": rfc3339(now())}])

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert "Inhibited by DatacentreDown (site=north)" in (drill.diagnosis or "")
    assert_nothing_is_left(backends)


def test_a_rules_directory_that_prometheus_does_not_read(
    backends: DirectBackends, receipts: Receipts, stack: Any, tmp_path: Path
) -> None:
    elsewhere = copy.deepcopy(stack.endpoints)
    elsewhere["directories"]["rules"] = str(tmp_path)
    wrong = DirectBackends(elsewhere)

    tested = finish(fire_all(wrong, receipts), {}, wrong, receipts)

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert "did not load the drill rule" in (drill.diagnosis or "")
    assert not list(tmp_path.glob("*.yaml"))


def test_a_receiver_that_answers_500_is_not_reached(
    backends: DirectBackends, receipts: Receipts, receiver: ReceiptServer
) -> None:
    receiver.answer_with = 500
    try:
        results = fire_all(backends, receipts)
    finally:
        receiver.answer_with = None

    tested = finish(results, {}, backends, receipts)

    assert tested.verdict is Verdict.NO_GO
    assert all("does not take notifications" in (drill.diagnosis or "") for drill in tested.drills)
    assert_nothing_is_left(backends)
