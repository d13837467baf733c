"""A release orchestrator over HTTP that counts the rollbacks it begins, and fails when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

DEPLOYMENT = "42"


class CountingOrchestrator:
    """``fail_next`` rollback requests are answered 500: ``before`` the rollback begins, or ``after``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.fail_next = 0
        self.fail: Literal["before", "after"] = "before"
        self.begun: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.deployments: list[Any] = []
        self.listed: tuple[int, Any] | None = None
        self.refusal: str | None = None

    def connection(self) -> str:
        return json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": self.port})

    def end(self, status: str, detail: str = "") -> None:
        self.begun[-1] |= {"status": status, "detail": detail, "finished_at": "2026-03-02T12:06:00.000Z"}

    def begin(self, key: str) -> dict[str, Any]:
        self.begun.append(
            {
                "rollback_id": f"rb-{len(self.begun) + 1}",
                "deployment_id": DEPLOYMENT,
                "status": "running",
                "from_version": "1.1.0",
                "to_version": "1.0.0",
                "idempotency_key": key,
                "requested_at": "2026-03-02T12:05:00.000Z",
            }
        )
        return self.begun[-1]

    def roll_back(self, key: str) -> tuple[int, Any]:
        self.keys.append(key)
        failing = self.fail_next > 0
        self.fail_next -= failing
        if failing and self.fail == "before":
            return 500, {"error": "out of order"}
        answer = self._roll_back(key)
        return (500, {"error": "lost the thread"}) if failing else answer

    def _roll_back(self, key: str) -> tuple[int, Any]:
        if not key:
            return 400, {"error": "the header Idempotency-Key is missing"}
        if self.refusal:
            return 409, {"error": self.refusal}
        earlier = self.begun[-1] if self.begun else None
        if earlier and earlier["idempotency_key"] == key:
            return 202, earlier
        if earlier and earlier["status"] != "failed":
            return 409, {"error": f"rollback {earlier['rollback_id']} is {earlier['status']} already"}
        return 202, self.begin(key)

    def get(self, path: str) -> tuple[int, Any]:
        if path == "/deployments":
            return self.listed or (200, {"deployments": self.deployments})
        if path.endswith("/rollback"):
            return (200, self.begun[-1]) if self.begun else (404, {"error": "no rollback"})
        known = {one["deployment_id"]: one for one in self.deployments if isinstance(one, dict)}
        return (200, known[path.rsplit("/", 1)[1]]) if path.rsplit("/", 1)[1] in known else (404, {})


@contextmanager
def serving() -> Iterator[CountingOrchestrator]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(*state.get(self.path.partition("?")[0]))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(*state.roll_back(self.headers.get("Idempotency-Key", "")))

        def _answer(self, status: int, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = CountingOrchestrator(http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()
