from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.telemetry.logs import Loki, tally_query
from release_watch.transport import Answer

END = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
START = END - timedelta(minutes=5)
RANGE = "/loki/api/v1/query_range"


def success(*result: Any) -> Answer:
    return Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": list(result)}})


def test_a_tally_sums_the_buckets_of_each_combination_of_labels(transport: Any) -> None:
    at = START.timestamp()
    transport.answers[RANGE] = success(
        {"metric": {"service_name": "a", "version": "1"}, "values": [[at + 1, "2"], [at + 2, "3"]]},
        {"metric": {"service_name": "b"}, "values": [[at + 1, "1"]]},
    )

    tally = Loki(transport).tally('{service_name=~"a|b"}', START, END, ("service_name", "version"))

    assert tally == {("a", "1"): 5, ("b", ""): 1}
    ((_, _, params),) = transport.asked
    assert params["query"] == 'sum by (service_name, version) (count_over_time({service_name=~"a|b"}[1s]))'
    assert params["start"] == "1767322501000000000"
    assert params["end"] == "1767322800000000000"


def test_a_count_is_one_number(transport: Any) -> None:
    transport.answers[RANGE] = success({"metric": {}, "values": [[1, "2"], [2, "40"]]})

    assert Loki(transport).count('{service_name="a"}', START, END) == 42


def test_no_stream_counts_as_nothing(transport: Any) -> None:
    transport.answers[RANGE] = success()

    assert Loki(transport).count('{service_name="a"}', START, END) == 0


def test_a_span_shorter_than_a_bucket_asks_nothing(transport: Any) -> None:
    assert Loki(transport).count('{service_name="a"}', END - timedelta(milliseconds=100), END) == 0
    assert transport.asked == []


def test_lines_come_with_the_newest_first_and_no_more_than_asked(transport: Any) -> None:
    transport.answers[RANGE] = success(
        {
            "stream": {"level": "info"},
            "values": [["1767322500000000000", "old"], ["1767322700000000000", "newest"]],
        },
        {"stream": {"level": "error"}, "values": [["1767322600000000000", "newer", {"meta": "data"}]]},
    )

    lines = Loki(transport).lines('{service_name="a"}', START, END, 2)

    assert [(line.text, line.labels["level"]) for line in lines] == [("newest", "info"), ("newer", "error")]
    assert lines[0].at == END - timedelta(seconds=100)


@pytest.mark.parametrize("selector", ["", "{}", '{a="b"} |= "x"', '{a="b"} or {c="d"}', "rate({a='b'}[1m])"])
def test_what_is_no_stream_selector_is_never_sent(transport: Any, selector: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|asks for a value"):
        Loki(transport).count(selector, START, END)

    assert transport.asked == []


def test_what_is_no_label_name_is_never_sent() -> None:
    with pytest.raises(ValueError, match="no label name"):
        tally_query('{a="b"}', 1, ["x) (y"])


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(400, "parse error"), id="400"),
        pytest.param(Answer(200, {"status": "error"}), id="error"),
        pytest.param(Answer(200, "<html>"), id="no JSON"),
        pytest.param(
            Answer(200, {"status": "success", "data": {"result": [{"metric": {}}]}}), id="no values"
        ),
        pytest.param(Answer(200, {"status": "success"}), id="no data"),
    ],
)
def test_an_answer_of_another_form_is_an_error_and_never_no_lines(transport: Any, answer: Answer) -> None:
    transport.answers[RANGE] = answer

    with pytest.raises(BackendError, match="Loki"):
        Loki(transport).count('{service_name="a"}', START, END)
