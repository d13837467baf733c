from __future__ import annotations

import importlib
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from release_watch.clock import now, rfc3339
from release_watch.orchestration.triggers.watch import ReviewTrigger
from release_watch.watch.attention import SIGN

PAST = "2026-01-01T00:00:00.000Z"
POLL = 0.001
CALM = (200, {"status": "success", "data": {"resultType": "vector", "result": []}})


def showing(*signs):
    result = [{"metric": {SIGN: sign}, "value": [1.0, "0.3"]} for sign in signs]
    return (200, {"status": "success", "data": {"resultType": "vector", "result": result}})


def soon(seconds=0.3):
    return rfc3339(now() + timedelta(seconds=seconds))


def trigger(moment, *, quiet_until=PAST, asked=(("metrics", "a query"),), **given):
    return ReviewTrigger(moment=moment, asked=asked, poll_seconds=POLL, quiet_until=quiet_until, **given)


async def fired(waiting):
    (event,) = [event.payload async for event in waiting.run()]
    return event


@pytest.fixture
def metrics(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_METRICS", server.connection(password="a-token"))
    return server


def test_a_restarted_triggerer_makes_the_same_trigger_again():
    waiting = trigger("2026-03-02T10:00:00.000Z", known=["a"], waking=3)
    path, arguments = waiting.serialize()
    module, name = path.rsplit(".", 1)

    again = getattr(importlib.import_module(module), name)(**arguments)

    assert type(again) is ReviewTrigger
    assert again.serialize() == (path, arguments)


async def test_without_a_sign_it_fires_at_its_moment(metrics):
    metrics.answer(CALM)
    moment = soon()

    event = await fired(trigger(moment))

    assert event["at"] >= moment
    assert (event["signs"], event["known"], event["away"]) == ([], [], None)


async def test_a_moment_that_has_passed_fires_at_once_and_asks_nothing(metrics):
    await fired(trigger(PAST))

    assert metrics.asked == []


async def test_a_sign_that_stays_wakes_the_review_early(metrics):
    metrics.answer(showing("checkout error_ratio"))

    event = await fired(trigger(soon(60)))

    assert event["signs"] == ["checkout error_ratio is at 0.3, out of its normal range"]
    assert event["known"] == ["checkout error_ratio"]


async def test_a_sign_that_a_review_has_seen_does_not(metrics):
    metrics.answer(showing("checkout error_ratio"))

    event = await fired(trigger(soon(), known=["checkout error_ratio"]))

    assert (event["signs"], event["known"]) == ([], ["checkout error_ratio"])


async def test_while_it_is_quiet_no_sign_wakes(metrics):
    metrics.answer(showing("checkout error_ratio"))

    event = await fired(trigger(soon(), quiet_until=soon(60)))

    assert event["signs"] == []


async def test_queries_are_sent_as_forms(metrics):
    metrics.answer(showing("s"))
    query = "up" * 10_000

    await fired(trigger(soon(60), asked=[("metrics", query)]))

    asked = metrics.asked[0]
    assert (asked.method, asked.path) == ("POST", "/api/v1/query")
    assert parse_qs(asked.body.decode())["query"] == [query]
    assert asked.headers["Authorization"] == "Bearer a-token"


@pytest.mark.parametrize(
    "answer",
    [(500, "busy"), (200, "<html>"), (400, {"status": "error", "error": "no"})],
    ids=["error", "page", "refusal"],
)
async def test_an_answer_that_is_none_is_told_and_the_moment_holds(answer, metrics):
    metrics.answer(answer)

    event = await fired(trigger(soon()))

    assert event["signs"] == []
    assert set(event["away"]) == {"since", "reason"}


async def test_a_server_that_is_away_is_told_and_the_moment_holds(closed_port, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_METRICS", f"http://127.0.0.1:{closed_port}")

    event = await fired(trigger(soon()))

    assert event["away"]["reason"]


async def test_a_connection_that_is_not_there_is_told_and_the_moment_holds():
    event = await fired(trigger(soon(), asked=[("no_such_connection", "q")]))

    assert "no_such_connection" in event["away"]["reason"]


async def test_a_server_that_comes_back_is_asked_again(metrics):
    metrics.answer((500, "busy"), showing("s"))

    event = await fired(trigger(soon(60)))

    assert event["signs"]
    assert set(event["away"]) == {"since", "until", "reason"}
