from __future__ import annotations

from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event, to_structured_event

from release_watch.artifacts.store import ArtifactMissingError
from release_watch.errors import BackendError
from release_watch.handoff.notices import EVENT_TYPE, OWNERS, deliver, notices, undelivered
from release_watch.transport import Answer
from tests.handoff.releases import NOW, RELEASE, complete_store


class Orchestrator:
    base_url = "http://orchestrator"

    def __init__(self, **answers: Answer | BackendError) -> None:
        self.answers, self.requests = answers, []

    def request(self, method: str, path: str, **given: Any) -> Answer:
        self.requests.append((method, path, given))
        answer = self.answers.get(path.rpartition("/")[2].replace("-", "_"), Answer(202, {}))
        if isinstance(answer, BackendError):
            raise answer
        return answer


@pytest.fixture
def events(tmp_path):
    return notices(RELEASE, complete_store(tmp_path), NOW)


def test_every_owner_gets_one_notice_with_the_evidence_meant_for_it(events, tmp_path):
    store = complete_store(tmp_path)
    for owner, event in zip(OWNERS, events, strict=True):
        content = event.get_data()["subject"]["content"]
        assert content["owner"] == owner.name
        assert [artifact["name"] for artifact in content["artifacts"]] == list(owner.artifacts)
        for artifact in content["artifacts"]:
            assert artifact["uri"] == store.uri_of(artifact["name"])
            if "sha256" in artifact:
                assert artifact["sha256"] == store.digest(artifact["name"]).sha256


def test_a_notice_is_a_valid_cloud_event_on_the_wire(events):
    message = to_structured_event(events[0])
    read = from_structured_event(HTTPMessage(headers=dict(message.headers), body=message.body))
    assert (read.get_type(), read.get_subject(), read.get_id()) == (EVENT_TYPE, "rel-1", events[0].get_id())


def test_a_repeated_notice_has_the_same_id(events, tmp_path):
    again = notices(RELEASE, complete_store(tmp_path), NOW)
    assert [event.get_id() for event in again] == [event.get_id() for event in events]


def test_ids_differ_between_owners_and_deployments(events, tmp_path):
    other = notices(RELEASE.model_copy(update={"deployment_id": "dep-2"}), complete_store(tmp_path), NOW)
    assert len({event.get_id() for event in [*events, *other]}) == 2 * len(OWNERS)


def test_without_the_evidence_there_is_no_notice(tmp_path):
    store = complete_store(tmp_path)
    store.remove("alert-test-results.json")
    with pytest.raises(ArtifactMissingError, match=r"alert-test-results\.json"):
        notices(RELEASE, store, NOW)


def test_each_is_posted_once_under_its_own_idempotency_key(events):
    server = Orchestrator()
    results = deliver(server, events)
    assert all(result["delivered"] for result in results)
    assert [path for _, path, _ in server.requests] == [f"/notices/{owner.name}" for owner in OWNERS]
    keys = [given["headers"]["Idempotency-Key"] for _, _, given in server.requests]
    assert keys == [event.get_id() for event in events]
    assert {given["headers"]["Content-Type"] for _, _, given in server.requests} == {
        "application/cloudevents+json"
    }


@pytest.mark.parametrize(
    "failure",
    [Answer(404, {"error": "no owner"}), Answer(401, ""), BackendError("orchestrator", "did not answer")],
    ids=["unknown owner", "not authorised", "down"],
)
def test_one_that_fails_says_why_and_stops_none_of_the_others(events, failure):
    results = {r["owner"]: r for r in deliver(Orchestrator(retrospective=failure), events)}
    assert not results["retrospective"]["delivered"]
    assert results["retrospective"]["proof"]
    assert [r["delivered"] for owner, r in results.items() if owner != "retrospective"] == [True] * 4


def test_what_could_not_be_sent_is_recorded_with_the_reason(events):
    results = undelivered(events, "No Airflow connection 'release_orchestrator_default'")
    assert not any(result["delivered"] for result in results)
    assert all("release_orchestrator_default" in result["proof"] for result in results)
