"""Broken alert paths on real servers: each has its own diagnosis, and none is a Go."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from release_watch.artifacts.models import DrillResult
from release_watch.clock import now, rfc3339
from release_watch.drills.alert_test import not_run
from release_watch.drills.diagnosis import diagnose
from release_watch.drills.direct import fire_direct
from release_watch.drills.drill import fire
from release_watch.drills.plan import drill_routes
from release_watch.drills.receipts import Acknowledgement, Receipts
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry import prometheus_api
from release_watch.verdict import Verdict
from tests.integration.direct import DirectBackends
from tests.integration.drilling import (
    RELEASE,
    RULES,
    SERVICES,
    assert_nothing_is_left,
    critical,
    finish,
    fire_all,
    page_of,
)
from tests.integration.receiving import ReceiptServer
from tests.integration.test_drill import wait_until

DEAD = "http://127.0.0.1:9"
BRIEF = timedelta(seconds=4)
Configure = Callable[[dict[str, Any]], None]

PATHS = {
    "ordered": 'by the route default-route > {service="ordered"}. A later route to oncall matches it too and '
    "is never reached: the order of the routes is wrong",
    "silenced": "by somebody ('forgotten maintenance'",
    "inhibited": "Inhibited by DatacentreDown (site=north)",
    "apart": "Routed elsewhere: a real alert goes to oncall",
    "mute": "tells nobody",
    "slow": "group_wait or group_interval of the route is longer",
}
"""A service for each way in which routes and people keep an alert from a receiver that works."""


@pytest.fixture
def six_broken_paths(
    backends: DirectBackends, healthy_configuration: dict[str, Any], configure_alertmanager: Configure
) -> Iterator[None]:
    configuration = healthy_configuration
    webhook = configuration["receivers"][0]["webhook_configs"]
    configuration["receivers"] += [
        *(
            {"name": name, "webhook_configs": copy.deepcopy(webhook)}
            for name in ("tickets", "drills", "slow")
        ),
        {"name": "nobody"},
    ]
    configuration["route"]["receiver"] = "tickets"
    configuration["route"]["routes"] = [
        {"receiver": "tickets", "matchers": ['service="ordered"']},
        {"receiver": "drills", "matchers": ['service="apart"', 'drill="true"']},
        {"receiver": "nobody", "matchers": ['service="mute"']},
        {"receiver": "slow", "matchers": ['service="slow"'], "group_wait": "1m"},
        {"receiver": "oncall", "matchers": ['severity="page"', 'service!~"mute|slow"']},
    ]
    configuration["inhibit_rules"] = [
        {"source_matchers": ['alertname="DatacentreDown"'], "target_matchers": ['service="inhibited"']}
    ]
    configure_alertmanager(configuration)
    server = backends.alertmanager()
    until = rfc3339(now() + timedelta(hours=1))
    source = {"labels": {"alertname": "DatacentreDown", "site": "north"}, "endsAt": until}
    silence = {
        "matchers": [{"name": "service", "value": "silenced", "isRegex": False, "isEqual": True}],
        "startsAt": rfc3339(now()),
        "endsAt": until,
        "createdBy": "somebody",
        "comment": "forgotten maintenance",
    }
    server.request("POST", "/api/v2/alerts", json=[source])
    silence_id = server.request("POST", "/api/v2/silences", json=silence).body["silenceID"]
    yield
    server.request("DELETE", f"/api/v2/silence/{silence_id}")
    server.request("POST", "/api/v2/alerts", json=[{**source, "endsAt": rfc3339(now())}])


def test_each_broken_path_has_its_own_diagnosis(
    six_broken_paths: None, backends: DirectBackends, receipts: Receipts
) -> None:
    release = RELEASE.model_copy(update={"services": tuple(PATHS)})
    services, rules = [critical(name) for name in PATHS], [page_of(name) for name in PATHS]
    routes = drill_routes(release, services, rules, backends)

    results = fire(routes, release, backends, receipts, deliver_within=BRIEF)
    answers = {result.drill_id: Acknowledgement("oncall", now()) for result in results}
    tested = finish(results, answers, backends, receipts)

    assert {drill.service: drill.verdict for drill in tested.drills} == dict.fromkeys(PATHS, Verdict.NO_GO)
    for drill in tested.drills:
        found = [name for name, words in PATHS.items() if words in (drill.diagnosis or "")]
        assert found == [drill.service], drill.diagnosis
        assert drill.acknowledged_by is None
    (silenced,) = (drill for drill in tested.drills if drill.service == "silenced")
    assert "Silenced until" in (silenced.diagnosis or "")
    assert_nothing_is_left(backends)


def dead_receiver(configuration: dict[str, Any]) -> None:
    configuration["receivers"][0]["webhook_configs"][0]["url"] = f"{DEAD}/receipts"


def wrong_key(configuration: dict[str, Any]) -> None:
    del configuration["receivers"][0]["webhook_configs"][0]["http_config"]


def failing_receiver(configuration: dict[str, Any]) -> None:
    assert configuration


RECEIVERS = {
    dead_receiver: "cannot be reached, seen from here: nobody answers at http://127.0.0.1:9",
    wrong_key: "refuses the notifications (4xx)",
    failing_receiver: "fails (5xx or no answer in time)",
}


@pytest.mark.parametrize(
    ("break_it", "by"),
    [
        pytest.param(dead_receiver, fire, id="URL dead"),
        pytest.param(wrong_key, fire_direct, id="wrong key"),
        pytest.param(failing_receiver, fire_direct, id="500"),
    ],
)
def test_each_receiver_that_does_not_take_the_alert_has_its_own_diagnosis(
    break_it: Configure,
    by: Callable[..., list[DrillResult]],
    backends: DirectBackends,
    receipts: Receipts,
    receiver: ReceiptServer,
    healthy_configuration: dict[str, Any],
    configure_alertmanager: Configure,
) -> None:
    break_it(healthy_configuration)
    configure_alertmanager(healthy_configuration)
    receiver.answer_with = 500 if break_it is failing_receiver else None
    try:
        results = fire_all(backends, receipts, within=BRIEF, by=by)
    finally:
        receiver.answer_with = None

    tested = finish(results, {}, backends, receipts)

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert [words for words in RECEIVERS.values() if words in (drill.diagnosis or "")] == [
            RECEIVERS[break_it]
        ], drill.diagnosis
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


def test_an_alertmanager_that_is_down(receipts: Receipts, backends: DirectBackends, stack: Any) -> None:
    down = DirectBackends({**stack.endpoints, "alertmanager": DEAD})
    routes = drill_routes(RELEASE, SERVICES, RULES, backends)

    with pytest.raises(ReleaseWatchError) as failed:
        fire(routes, RELEASE, down, receipts, deliver_within=BRIEF)

    tested = not_run(RELEASE, failed.value, now())
    assert tested.verdict is Verdict.ERROR
    assert "Alertmanager: does not answer at http://127.0.0.1:9" in tested.not_drilled[0]
    assert_nothing_is_left(backends)


def test_a_prometheus_that_is_not_connected_to_alertmanager(
    backends: DirectBackends, receipts: Receipts, stack: Any
) -> None:
    file = stack.layout.run / "prometheus" / "prometheus.yml"
    healthy = file.read_text()
    unconnected = {name: part for name, part in yaml.safe_load(healthy).items() if name != "alerting"}
    finding_none = {"alertmanagers": [{"file_sd_configs": [{"files": [str(file.parent / "none.json")]}]}]}
    prometheus = backends.prometheus()
    try:
        file.write_text(yaml.safe_dump(unconnected))
        prometheus_api.reload(prometheus)
        results = fire_all(backends, receipts, within=BRIEF)
        file.write_text(yaml.safe_dump({**unconnected, "alerting": finding_none}))
        prometheus_api.reload(prometheus)
        (route, *_) = drill_routes(RELEASE, SERVICES, RULES, backends)
        reloaded = diagnose(route, "accepted", backends, drill_id="none")
    finally:
        file.write_text(healthy)
        prometheus_api.reload(prometheus)
        wait_until(lambda: bool(prometheus_api.alertmanagers(prometheus)))

    tested = finish(results, {}, backends, receipts)

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert drill.hops.fired.at is not None
        assert "connected to no Alertmanager, and its configuration names none" in (drill.diagnosis or "")
    assert "after it was reloaded or started" in reloaded
    assert_nothing_is_left(backends)
