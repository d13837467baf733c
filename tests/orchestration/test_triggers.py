from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime, timedelta

import pytest

from release_watch.clock import rfc3339
from release_watch.evidence.documents import REQUIRED
from release_watch.evidence.signals import SignalState, SignalStatus
from release_watch.orchestration.triggers.signals import (
    DocumentsTrigger,
    HttpSignalTrigger,
    _SignalTrigger,
    documents_state,
    event_payload,
)

DEADLINE = datetime(2026, 3, 2, 11, tzinfo=UTC)
BEFORE, AFTER = DEADLINE - timedelta(seconds=1), DEADLINE + timedelta(seconds=1)
FAR = "2999-01-01T00:00:00.000Z"
PAST = "2026-01-01T00:00:00.000Z"
POLL = 0.001


def http_trigger(signal="validation", deadline=FAR):
    return HttpSignalTrigger(
        conn_id="orchestrator", signal=signal, deployment_id="d-1", poll_seconds=POLL, deadline=deadline
    )


def documents_trigger(folder, deadline=FAR):
    return DocumentsTrigger(evidence_uri=folder.as_uri(), conn_id=None, poll_seconds=POLL, deadline=deadline)


async def events(trigger):
    return [event.payload async for event in trigger.run()]


@pytest.fixture
def orchestrator(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ORCHESTRATOR", server.connection(password="a-token"))
    return server


@pytest.mark.parametrize(
    ("status", "moment", "expected"),
    [
        pytest.param(SignalStatus.READY, BEFORE, "ready", id="ready in time"),
        pytest.param(SignalStatus.READY, AFTER, "ready", id="ready and late"),
        pytest.param(SignalStatus.REFUSED, BEFORE, "refused", id="refused in time"),
        pytest.param(SignalStatus.REFUSED, AFTER, "refused", id="refused and late"),
        pytest.param(SignalStatus.WAITING, BEFORE, None, id="waiting in time"),
        pytest.param(SignalStatus.WAITING, DEADLINE, "timeout", id="waiting at the deadline"),
        pytest.param(SignalStatus.WAITING, AFTER, "timeout", id="waiting and late"),
    ],
)
def test_the_event_follows_from_state_and_time(status, moment, expected):
    payload = event_payload(SignalState(status, "why"), moment, DEADLINE)

    assert payload == (expected and {"status": expected, "message": "why"})


@pytest.mark.parametrize(
    "trigger",
    [
        http_trigger(),
        DocumentsTrigger(evidence_uri="s3://bucket/d-1", conn_id="aws", poll_seconds=30, deadline=FAR),
    ],
    ids=["http", "documents"],
)
def test_a_restarted_triggerer_makes_the_same_trigger_again(trigger):
    path, arguments = trigger.serialize()
    module, name = path.rsplit(".", 1)

    again = getattr(importlib.import_module(module), name)(**arguments)

    assert type(again) is type(trigger)
    assert again.serialize() == (path, arguments)
    assert datetime.fromisoformat(arguments["deadline"]).tzinfo is not None


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"status": "passed"}, "ready", "passed"),
        ({"status": "failed", "checks": [{"name": "smoke", "status": "failed"}]}, "refused", "smoke"),
    ],
    ids=["ready", "refused"],
)
async def test_an_answer_that_settles_it_ends_the_wait_with_one_event(answer, status, words, orchestrator):
    orchestrator.answer((200, answer))

    (payload,) = await events(http_trigger())

    assert payload["status"] == status
    assert words in payload["message"]
    assert [asked.path for asked in orchestrator.asked] == ["/deployments/d-1/validation"]
    assert orchestrator.asked[0].headers["Authorization"] == "Bearer a-token"


async def test_it_goes_on_looking_until_the_signal_comes(orchestrator):
    orchestrator.answer(
        (404, {}), (200, {"status": "running"}), (200, "no json"), (200, {"status": "passed"})
    )

    assert [payload["status"] for payload in await events(http_trigger())] == ["ready"]
    assert len(orchestrator.asked) == 4


async def test_a_server_that_comes_back_is_asked_again(orchestrator):
    orchestrator.answer((503, "busy"), (500, "busy"), (200, {"status": "passed"}))

    assert [payload["status"] for payload in await events(http_trigger())] == ["ready"]


async def test_at_the_deadline_it_says_what_was_missing(orchestrator):
    orchestrator.answer((200, {"status": "running"}))

    (payload,) = await events(http_trigger(deadline=PAST))

    assert payload["status"] == "timeout"
    assert "'running'" in payload["message"]


async def test_a_server_that_stays_away_is_a_timeout_never_ready(monkeypatch, closed_port):
    monkeypatch.setenv("AIRFLOW_CONN_ORCHESTRATOR", f"http://ada:the-password@127.0.0.1:{closed_port}")

    (payload,) = await events(http_trigger(deadline=PAST))

    assert payload["status"] == "timeout"
    assert "the-password" not in payload["message"]


async def test_a_missing_connection_is_a_timeout_that_names_it():
    (payload,) = await events(http_trigger(deadline=PAST))

    assert payload["status"] == "timeout"
    assert "orchestrator" in payload["message"]


async def test_looks_that_fail_are_looked_again():
    class Shaky(_SignalTrigger):
        looks = 0

        def serialize(self):
            return "", {}

        async def look(self):
            self.looks += 1
            if self.looks < 3:
                raise OSError("network is down")
            return SignalState(SignalStatus.READY, "there")

    trigger = Shaky(poll_seconds=POLL, deadline=FAR)

    assert await events(trigger) == [{"status": "ready", "message": "there"}]
    assert trigger.looks == 3


async def test_the_triggerer_can_cancel_a_wait(orchestrator):
    orchestrator.answer((404, {}))
    waiting = asyncio.create_task(events(http_trigger()))
    while not orchestrator.asked:
        await asyncio.sleep(0.001)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_feature_flags_are_asked_at_their_own_path(orchestrator):
    orchestrator.answer((200, {"flags": [{"name": "new-cart", "state": "active"}]}))

    assert [payload["status"] for payload in await events(http_trigger("feature-flags"))] == ["ready"]
    assert orchestrator.asked[0].path == "/deployments/d-1/feature-flags"


async def test_the_documents_are_awaited_one_by_one(tmp_path):
    waiting = asyncio.create_task(events(documents_trigger(tmp_path)))
    for name in REQUIRED:
        await asyncio.sleep(0.01)
        assert not waiting.done()
        (tmp_path / name).write_text("written")

    assert await waiting == [{"status": "ready", "message": "all deployment documents are there"}]


async def test_documents_that_do_not_come_are_named(tmp_path):
    (tmp_path / REQUIRED[0]).write_text("written")

    (payload,) = await events(documents_trigger(tmp_path, deadline=PAST))

    assert payload["status"] == "timeout"
    assert REQUIRED[0] not in payload["message"]
    assert all(name in payload["message"] for name in REQUIRED[1:])


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path):
    assert documents_state((tmp_path / "later").as_uri(), None).status is SignalStatus.WAITING


async def test_a_storage_that_cannot_be_opened_is_a_timeout_never_ready():
    trigger = DocumentsTrigger(
        evidence_uri="nowhere://x/y", conn_id=None, poll_seconds=POLL, deadline=rfc3339(DEADLINE)
    )

    assert [payload["status"] for payload in await events(trigger)] == ["timeout"]
