"""Runs started and ended by CDEvents, on the servers of the healthy release."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from release_watch.artifacts.audit import broken_link
from release_watch.clock import now, rfc3339
from sandbox.rehearsal import airflow
from tests.e2e.conftest import Rehearsed
from tests.test_cdevents import DEPLOYED, ROLLED_BACK, binary, cdevent, structured

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1000)]

PATIENCE_SECONDS = 180
SERVICES = ["checkout", "payments"]
MODES = {"asked": "enforce", "deferred": "shadow"}
"""Two runs, by what they wait for when the rollback comes: a person (shadow mode asks none), or documents."""


@dataclass(frozen=True)
class Sent:
    """The answers to the events, and how the runs stood just before the rollback."""

    started: list[requests.Response]
    before: dict[str, dict[str, str]]
    ended: dict[str, requests.Response]
    repeated: dict[str, requests.Response]


def send(healthy: Rehearsed, message: tuple[dict[str, str], bytes], user: str | None) -> requests.Response:
    headers, body = message
    if user:
        credentials = {"username": user, "password": airflow.passwords(healthy.root)[user]}
        login = requests.post(f"{healthy.url}/auth/token", json=credentials, timeout=30)
        headers = {**headers, "Authorization": f"Bearer {login.json()['access_token']}"}
    return requests.post(f"{healthy.url}/release-watch/events", headers=headers, data=body, timeout=60)


def release_id(name: str) -> str:
    return f"cdevent-{name}"


def run_id(name: str) -> str:
    return f"deploy-cdevent-{name}"


@pytest.fixture(scope="module")
def sent(healthy: Rehearsed, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Deploy two releases whose documents never come, wait until they wait, and roll both back."""
    evidence = tmp_path_factory.mktemp("evidence").as_uri()
    moment = rfc3339(now())

    def event(kind: str, name: str, **custom: object) -> dict[str, Any]:
        return cdevent(
            kind,
            context__id=f"{kind}-{name}",
            context__timestamp=moment,
            custom={"release_id": release_id(name), **custom},
        )

    def orchestrator(message: tuple[dict[str, str], bytes]) -> requests.Response:
        return send(healthy, message, "release-orchestrator")

    deployed = {
        name: event(
            DEPLOYED,
            name,
            deployment_id=f"cdevent-{name}",
            evidence_uri=evidence,
            services=SERVICES,
            mode=mode,
        )
        for name, mode in MODES.items()
    }
    with ThreadPoolExecutor(4) as pool:
        messages = [mode(event) for event in deployed.values() for mode in (structured, binary)]
        started = list(pool.map(orchestrator, messages))
    before = {
        "asked": _states_once(healthy, "asked", lambda states: "awaiting_input" in states.values()),
        "deferred": _states_once(healthy, "deferred", lambda states: "deferred" in states.values()),
    }
    back = {name: event(ROLLED_BACK, name) for name in MODES}
    ended = {name: orchestrator(binary(event)) for name, event in back.items()}
    for name in MODES:
        _wait(lambda name=name: healthy.user("reader").run_state(run_id(name)) == "failed")  # type: ignore[misc]
    repeated = {name: orchestrator(structured(event)) for name, event in back.items()}
    return Sent(started, before, ended, repeated)


def _states_once(healthy: Rehearsed, name: str, reached: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    reader = healthy.user("reader")
    found: dict[str, str] = {}

    def look() -> bool:
        found.update({task["task_id"]: task["state"] for task in reader.task_instances(run_id(name))})
        return reached(found)

    _wait(look)
    return found


def _wait(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_of_four_events_about_two_deployments_each_starts_one_run(healthy: Rehearsed, sent: Sent) -> None:
    assert sorted(answer.status_code for answer in sent.started) == [200, 200, 201, 201]
    assert {answer.json()["runs"][0] for answer in sent.started} == {run_id(name) for name in MODES}


@pytest.mark.parametrize("name", MODES)
def test_the_run_is_that_of_the_user_who_sent_the_event(healthy: Rehearsed, sent: Sent, name: str) -> None:
    run = healthy.user("reader").get(f"/dags/post_deployment_monitoring/dagRuns/{run_id(name)}")
    assert (run["triggered_by"], run["triggering_user_name"]) == ("rest_api", "release-orchestrator")
    assert (run["run_type"], run["conf"]["services"]) == ("manual", SERVICES)
    assert f"{DEPLOYED}-{name}" in run["note"]


@pytest.mark.parametrize("name", MODES)
def test_a_rollback_ends_the_run_and_what_waits_in_it(healthy: Rehearsed, sent: Sent, name: str) -> None:
    assert sent.ended[name].json()["outcome"] == "ended", sent.ended[name].text
    waited = [task for task, state in sent.before[name].items() if state in ("awaiting_input", "deferred")]
    states = {task["task_id"]: task["state"] for task in healthy.user("reader").task_instances(run_id(name))}
    assert waited
    assert {states[task] for task in waited} == {"failed"}
    assert states["baseline_window.roll_back"] == "skipped"
    assert set(states.values()) <= {"success", "failed", "skipped"}


@pytest.mark.parametrize("name", MODES)
def test_the_run_is_closed_as_rolled_back_with_the_event_as_evidence(
    healthy: Rehearsed, sent: Sent, name: str
) -> None:
    folder = airflow.artifact_root(healthy.root) / "monitoring" / "production" / release_id(name)
    record = json.loads((folder / "exit-state.json").read_text())
    assert record["exit_state"] == "ROLLED_BACK"
    assert f"{ROLLED_BACK}-{name}" in record["reason"]
    trail = (folder / "audit-trail.jsonl").read_text()
    told = [entry["cdevent"] for entry in map(json.loads, trail.splitlines()) if "cdevent" in entry]
    assert [event["id"] for event in told] == [f"{ROLLED_BACK}-{name}"]
    assert broken_link(trail) is None


def test_the_people_are_told_that_it_was_rolled_back(healthy: Rehearsed, sent: Sent) -> None:
    mails = healthy.root / ".sandbox" / "run" / "mailbox" / "mails"
    subject = f"ROLLED_BACK: release {release_id('asked')}"
    assert [mail for mail in mails.glob("*.eml") if subject in mail.read_text()]


@pytest.mark.parametrize("name", MODES)
def test_the_same_rollback_has_no_second_effect(healthy: Rehearsed, sent: Sent, name: str) -> None:
    answer = sent.repeated[name]
    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
    assert healthy.user("reader").run_state(run_id(name)) == "failed"


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("reader", 403)], ids=["nobody", "viewer"])
def test_an_event_of_whoever_may_not_start_runs_is_refused(
    healthy: Rehearsed, user: str | None, status: int
) -> None:
    answer = send(healthy, structured(cdevent()), user)
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
