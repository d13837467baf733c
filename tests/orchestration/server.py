"""A small real HTTP server that answers as told and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """``answers`` are given one after another, the last one for ever."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Asked] = []
        self.answers: list[tuple[int, Any]] = [(200, {})]
        self.body_comes_later = False
        self.going_on = threading.Event()
        self.going_on.set()

    def answer(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)

    def connection(self, **fields: Any) -> str:
        """Return the connection that leads here, as Airflow's JSON."""
        return json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": self.port, **fields})


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            state.asked.append(
                Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            )
            state.going_on.wait()
            status, body = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            with suppress(OSError):  # who asked may have gone
                self.end_headers()
                self.wfile.flush()
                if state.body_comes_later:
                    time.sleep(0.05)
                if self.command != "HEAD":
                    self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the base's names

        def log_message(self, *arguments: Any) -> None:
            """Say nothing: the test's own output is what counts."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.going_on.set()
            http.shutdown()
            thread.join()
