from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.telemetry.traces import SPANS_PER_TRACE, NoTraceQLError, Tempo
from release_watch.transport import Answer

END = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
START = END - timedelta(minutes=5)
QUERY = '{ resource.service.name = "checkout" } | select(.service.name)'


def span(**attributes: str) -> dict[str, Any]:
    return {
        "spanID": "1",
        "startTimeUnixNano": "1767322500123456000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }


def trace(*spans: dict[str, Any], matched: int = 0, sets: str = "spanSets") -> dict[str, Any]:
    found = {"spans": list(spans), "matched": matched or len(spans)}
    return {"traceID": "a", sets: [found] if sets == "spanSets" else found}


@pytest.mark.parametrize("key", ["service.name", ".service.name", "resource.service.name"])
@pytest.mark.parametrize("sets", ["spanSets", "spanSet"])
def test_spans_come_with_exact_times_and_attributes_without_their_scope(
    transport: Any, key: str, sets: str
) -> None:
    transport.answers["/api/search"] = Answer(200, {"traces": [trace(span(**{key: "checkout"}), sets=sets)]})

    found = Tempo(transport).spans(QUERY, START, END, 10)

    assert found.complete
    assert found.spans[0].attributes == {"service.name": "checkout"}
    assert found.spans[0].started_at == START + timedelta(microseconds=123456)
    ((_, _, params),) = transport.asked
    assert (params["q"], params["limit"], params["spss"]) == (QUERY, 10, SPANS_PER_TRACE)
    assert (params["start"], params["end"]) == (int(START.timestamp()), int(END.timestamp()) + 1)


def test_the_name_of_a_span_is_told_as_such_or_as_an_attribute(transport: Any) -> None:
    named = {**span(), "name": "GET /"}
    transport.answers["/api/search"] = Answer(200, {"traces": [trace(named, span(name="POST /"))]})

    assert [s.name for s in Tempo(transport).spans(QUERY, START, END, 10).spans] == ["GET /", "POST /"]


@pytest.mark.parametrize(
    "traces",
    [
        pytest.param([trace(span()), trace(span())], id="as many traces as asked for"),
        pytest.param([trace(span(), matched=51)], id="more spans than told"),
        pytest.param([trace(*[span()] * SPANS_PER_TRACE)], id="as many spans as asked for"),
    ],
)
def test_an_answer_that_may_leave_something_out_is_not_complete(transport: Any, traces: Any) -> None:
    transport.answers["/api/search"] = Answer(200, {"traces": traces})

    assert not Tempo(transport).spans(QUERY, START, END, 2).complete


def test_nothing_found_is_a_complete_answer(transport: Any) -> None:
    transport.answers["/api/search"] = Answer(200, {"metrics": {}})

    assert Tempo(transport).spans(QUERY, START, END, 2) == ([], True)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(400, "invalid TraceQL query"), id="refused"),
        pytest.param(Answer(404, "x"), id="not there"),
        pytest.param(BackendError("Tempo", "x", status=500), id="failed"),
        pytest.param(Answer(200, {"traces": [{"traceID": "a"}]}), id="no spans"),
    ],
)
def test_a_server_that_knows_no_traceql_is_told_apart(transport: Any, answer: Any) -> None:
    transport.answers["/api/search"] = answer

    with pytest.raises(NoTraceQLError):
        Tempo(transport).spans(QUERY, START, END, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(401, "x"), id="401"),
        pytest.param(Answer(429, "x"), id="429"),
        pytest.param(BackendError("Tempo", "did not answer"), id="down"),
        pytest.param(Answer(200, "<html>"), id="html"),
        pytest.param(Answer(200, {"traces": [trace({"spanID": "1"})]}), id="no time"),
    ],
)
def test_any_other_refusal_is_an_error_and_never_no_traces(transport: Any, answer: Any) -> None:
    transport.answers["/api/search"] = answer

    with pytest.raises(BackendError) as caught:
        Tempo(transport).spans(QUERY, START, END, 2)

    assert not isinstance(caught.value, NoTraceQLError)
