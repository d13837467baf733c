from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.telemetry.logs import LineFilter, Loki, line_query, tally_query
from release_watch.transport import Answer

END = datetime(2026, 1, 2, 3, 0, 0, 250_000, tzinfo=UTC)
START = END - timedelta(minutes=5)
RANGE = "/loki/api/v1/query_range"
SERIES = "/loki/api/v1/series"


def success(*result: Any) -> Answer:
    return Answer(200, {"status": "success", "data": {"result": list(result)}})


@pytest.mark.parametrize("bucket", [1, 7, 30])
def test_buckets_lie_at_multiples_of_their_length_after_the_start(transport: Any, bucket: int) -> None:
    transport.answers[RANGE] = success()

    Loki(transport).history('{a="b"}', START, END, bucket)

    ((_, _, params),) = transport.asked
    first = int(params["start"]) / 1e9
    assert first % bucket == 0
    assert first - bucket >= START.timestamp()
    assert first - 2 * bucket < START.timestamp()
    assert params["step"] == bucket


def test_a_history_has_the_time_and_count_of_each_bucket(transport: Any) -> None:
    transport.answers[RANGE] = success(
        {"metric": {"a": "b"}, "values": [[1767322530, "2"], [1767322560, "1"]]}
    )

    found = Loki(transport).history('{a="b"}', START, END, 30, ["a"])

    at = datetime.fromtimestamp(1767322530, UTC)
    assert found == {("b",): [(at, 2), (at + timedelta(seconds=30), 1)]}


def test_a_tally_of_many_services_asks_for_fewer_and_longer_buckets(transport: Any) -> None:
    transport.answers[RANGE] = success()

    Loki(transport).tally('{a="b"}', START, END, most_buckets=50)

    assert transport.asked[0][2]["step"] == 6


def test_filters_stand_behind_the_selector_with_their_text_quoted() -> None:
    keep = [LineFilter("|~", r'"v"\s'), LineFilter("!=", "x")]

    assert line_query('{a="b"}', keep) == r'{a="b"} |~ "\"v\"\\s" != "x"'
    assert tally_query('{a="b"}', 5, (), keep) == (
        r'sum (count_over_time({a="b"} |~ "\"v\"\\s" != "x" [5s]))'
    )


def test_streams_are_their_labels(transport: Any) -> None:
    transport.answers[SERIES] = Answer(200, {"status": "success", "data": [{"a": "b", "level": "info"}]})

    assert Loki(transport).streams('{a="b"}', START, END) == [{"a": "b", "level": "info"}]
    assert transport.asked[0][2]["match[]"] == '{a="b"}'
