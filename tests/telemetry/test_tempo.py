from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.errors import BackendError, InvalidInputError
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer

END = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
START = END - timedelta(minutes=5)


def trace(trace_id: str, seconds: int) -> dict[str, object]:
    start = int((START + timedelta(seconds=seconds)).timestamp())
    return {
        "traceID": trace_id,
        "rootServiceName": "checkout",
        "rootTraceName": "POST /orders",
        "startTimeUnixNano": f"{start}000000000",
        "durationMs": 44,
    }


def test_traces_come_with_the_newest_first_and_each_once(transport: Any) -> None:
    transport.answers["/api/search"] = Answer(200, {"traces": [trace("a", 2), trace("b", 9), trace("a", 1)]})

    found = Tempo(transport).search("checkout", START, END)

    assert [(t.trace_id, t.started_at - START) for t in found] == [
        ("b", timedelta(seconds=9)),
        ("a", timedelta(seconds=1)),
    ]
    assert found[0].duration_ms == 44


def test_the_search_names_service_and_further_attributes(transport: Any) -> None:
    transport.answers["/api/search"] = Answer(200, {"traces": []})

    Tempo(transport).search("checkout", START, END, 5, {"service.version": "1.1.0"})

    ((method, _, params),) = transport.asked
    assert method == "GET"
    assert params["tags"] == 'service.name="checkout" service.version="1.1.0"'
    assert (params["start"], params["limit"]) == (int(START.timestamp()), 5)


def test_a_server_without_traces_may_leave_them_out(transport: Any) -> None:
    transport.answers["/api/search"] = Answer(200, {"metrics": {}})

    assert Tempo(transport).search("checkout", START, END) == []


@pytest.mark.parametrize("name", ['x" status=error "', "a b", ""])
def test_what_is_no_identifier_is_never_sent(transport: Any, name: str) -> None:
    with pytest.raises(InvalidInputError):
        Tempo(transport).search(name, START, END)
    with pytest.raises(InvalidInputError):
        Tempo(transport).search("checkout", START, END, tags={"service.version": name})

    assert transport.asked == []


@pytest.mark.parametrize(
    "answer",
    [Answer(404, "x"), Answer(200, "<html>"), Answer(200, {"traces": [{}]})],
    ids=["404", "html", "no id"],
)
def test_an_answer_of_another_form_is_an_error_and_never_no_traces(transport: Any, answer: Answer) -> None:
    transport.answers["/api/search"] = answer

    with pytest.raises(BackendError, match="Tempo"):
        Tempo(transport).search("checkout", START, END)
