from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from release_watch.errors import BackendError
from release_watch.telemetry.metrics import MAX_POINTS, Prometheus, Sample, series_name, without_credentials

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


class Server:
    """A Prometheus that answers every query with what it was given, and remembers the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                outer.asked.append({k: v[0] for k, v in parse_qs(body).items()})
                outer.headers = dict(self.headers)
                time.sleep(outer.delay)
                status, answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def result(self, *entries: Any, kind: str = "vector") -> tuple[int, Any]:
        return 200, {"status": "success", "data": {"resultType": kind, "result": list(entries)}}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def test_an_instant_query_gives_labels_times_and_values(server: Server) -> None:
    server.answers = [server.result({"metric": {"job": "a"}, "value": [START.timestamp(), "+Inf"]})]

    samples = Prometheus(server.url).instant('up{job="a"}', START)

    assert samples == [Sample({"job": "a"}, START, float("inf"))]
    assert server.asked == [{"query": 'up{job="a"}', "time": str(START.timestamp())}]


def test_a_scalar_is_one_sample_without_labels(server: Server) -> None:
    server.answers = [server.result(START.timestamp(), "2", kind="scalar")]

    assert Prometheus(server.url).instant("1 + 1") == [Sample({}, START, 2.0)]


def test_a_range_is_a_frame_with_a_utc_index_and_a_column_per_series(server: Server) -> None:
    at = START.timestamp()
    server.answers = [
        server.result(
            {"metric": {"b": "2", "a": 'x"y'}, "values": [[at, "1"], [at + 60, "2"]]},
            {"metric": {"__name__": "up"}, "values": [[at + 60, "NaN"]]},
            kind="matrix",
        )
    ]

    frame = Prometheus(server.url).range("up", START, START + timedelta(minutes=1), timedelta(minutes=1))

    assert list(frame.columns) == ['{a="x\\"y",b="2"}', "up{}"]
    assert list(frame.index) == [START, START + timedelta(minutes=1)]
    assert str(frame.index.tz) == "UTC"
    assert list(frame.iloc[:, 0]) == [1.0, 2.0]
    assert frame["up{}"].isna().all()
    assert set(map(str, frame.dtypes)) == {"float64"}


def test_a_range_without_series_is_an_empty_frame_with_a_utc_index(server: Server) -> None:
    server.answers = [server.result(kind="matrix")]

    frame = Prometheus(server.url).range("nothing", START, START + timedelta(minutes=1), timedelta(minutes=1))

    assert frame.shape == (0, 0)
    assert str(frame.index.tz) == "UTC"


def test_a_long_range_is_asked_for_in_parts_that_meet_without_overlap(server: Server) -> None:
    server.answers = [server.result(kind="matrix")]
    step = timedelta(seconds=15)

    Prometheus(server.url).range("up", START, START + 2 * MAX_POINTS * step, step)

    spans = [(float(asked["start"]), float(asked["end"])) for asked in server.asked]
    assert [start for start, _ in spans[1:]] == [end + 15 for _, end in spans[:-1]]
    assert spans[-1][1] == (START + 2 * MAX_POINTS * step).timestamp()
    assert all((end - start) / 15 < MAX_POINTS for start, end in spans)


def test_a_step_under_a_second_is_refused(server: Server) -> None:
    with pytest.raises(ValueError, match="shorter than a second"):
        Prometheus(server.url).range("up", START, START, timedelta(milliseconds=10))


def test_a_refused_query_carries_the_words_of_the_server(server: Server) -> None:
    server.answers = [(400, {"status": "error", "errorType": "bad_data", "error": "1:5: parse error"})]

    with pytest.raises(BackendError, match="answered 400: 1:5: parse error") as caught:
        Prometheus(server.url).instant("sum(")

    assert caught.value.status == 400


@pytest.mark.parametrize(
    "answer", [b"<html>", b"{}", b'{"data": {"result": [{"metric": {}}]}}', b"[]", b"null"]
)
def test_an_answer_of_another_form_is_an_error_and_never_no_data(server: Server, answer: bytes) -> None:
    server.answers = [(200, answer)]

    with pytest.raises(BackendError, match="no query result"):
        Prometheus(server.url).instant("up")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server: Server) -> None:
    server.answers = [(503, b"busy"), (503, b"busy"), server.result()]

    assert Prometheus(server.url).instant("up") == []
    assert len(server.asked) == 3


def test_a_server_that_stays_away_is_an_error() -> None:
    with pytest.raises(BackendError, match=r"http://127\.0\.0\.1:9 did not answer"):
        Prometheus("http://127.0.0.1:9", timeout_seconds=0.2).instant("up")


def test_credentials_are_sent_and_never_shown(server: Server) -> None:
    server.answers = [(401, b"no")]
    host = server.url.removeprefix("http://")
    prometheus = Prometheus(f"http://ann:s%40cret@{host}/", headers={"X-Scope-OrgID": "team"})

    with pytest.raises(BackendError) as caught:
        prometheus.instant("up")

    assert base64.b64decode(server.headers["Authorization"].split()[1]) == b"ann:s@cret"
    assert server.headers["X-Scope-OrgID"] == "team"
    assert prometheus.base_url == server.url
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "plain", "credentials"),
    [
        ("https://p.example/prom/", "https://p.example/prom", None),
        ("http://u:p@p.example:9090", "http://p.example:9090", ("u", "p")),
        ("http://u@p.example", "http://p.example", ("u", "")),
    ],
)
def test_an_address_is_parted_from_its_credentials(url: str, plain: str, credentials: object) -> None:
    assert without_credentials(url) == (plain, credentials)


def test_a_series_has_one_name_whatever_the_order_of_its_labels() -> None:
    assert series_name({"b": "2", "__name__": "up", "a": "1"}) == series_name(
        {"a": "1", "b": "2", "__name__": "up"}
    )
