"""The two servers written here: the recording receiver, and the HTTP front of the ClickHouse engine."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.servers import clickhouse_front, receiver

Ask = Callable[..., tuple[int, bytes]]


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[Ask]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def ask(method: str, path: str, body: Any = None, **options: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        connection.request(method, path, body, **options)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    try:
        yield ask
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receipts(tmp_path: Path) -> Iterator[Ask]:
    class Handler(receiver.Handler):
        receipts = receiver.Receipts(tmp_path / "receipts.jsonl")

    with serving(Handler) as ask:
        yield ask


class RecordingEngine:
    """Answers with the statement and the database it was given."""

    def run(self, sql: str, database: str) -> bytes:
        if sql.startswith("BROKEN"):
            raise RuntimeError("Code: 62. Syntax error")
        return f"{database}|{sql}".encode()


@pytest.fixture
def front() -> Iterator[Ask]:
    class Front(clickhouse_front.Front):
        engine = RecordingEngine()  # type: ignore[assignment]

    with serving(Front) as ask:
        yield ask


def test_notifications_are_recorded_in_order_with_their_time(receipts: Ask):
    for status in ("firing", "resolved"):
        assert receipts("POST", "/receipts", json.dumps({"status": status}))[0] == 200
    recorded = json.loads(receipts("GET", "/receipts")[1])
    assert [receipt["notification"]["status"] for receipt in recorded] == ["firing", "resolved"]
    assert all(receipt["received_at"].endswith("Z") for receipt in recorded)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/receipts", "not json", 400, id="not-json"),
        pytest.param("/elsewhere", "{}", 404, id="another-path"),
    ],
)
def test_what_is_no_notification_is_refused_and_not_recorded(
    receipts: Ask, path: str, body: str, status: int
):
    assert receipts("POST", path, body)[0] == status
    assert json.loads(receipts("GET", "/receipts")[1]) == []


def test_a_statement_in_the_body_runs_in_the_asked_database(front: Ask):
    assert front("POST", "/?database=telemetry", "SELECT 1") == (200, b"telemetry|SELECT 1")


def test_a_statement_in_the_url_comes_before_its_data(front: Ask):
    path = f"/?query={quote('INSERT INTO t FORMAT JSONEachRow')}"
    assert front("POST", path, '{"a": 1}') == (200, b'default|INSERT INTO t FORMAT JSONEachRow\n{"a": 1}')


def test_data_in_chunks_and_compressed_data_are_understood(front: Ask):
    assert front("POST", "/", iter([b"SELECT", b" 2"]), encode_chunked=True) == (200, b"default|SELECT 2")
    compressed = front("POST", "/", gzip.compress(b"SELECT 3"), headers={"Content-Encoding": "gzip"})
    assert compressed == (200, b"default|SELECT 3")


def test_what_the_engine_refuses_is_an_error_with_its_words(front: Ask):
    status, answer = front("POST", "/", "BROKEN")
    assert status == 500
    assert b"Syntax error" in answer


def test_the_front_tells_that_it_lives(front: Ask):
    assert front("GET", "/ping") == (200, b"Ok.\n")
