"""The receiving end of the alert path in tests: the plugin's endpoint without Airflow, same records."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from release_watch.drills.receipts import Receipts
from release_watch.errors import InvalidInputError


class ReceiptServer:
    """Serves ``POST /release-watch/receipts`` with a bearer token; ``answer_with`` makes it fail instead.

    ``notices`` are all notices that came, also those it refused.
    """

    def __init__(self, receipts: Receipts, token: str) -> None:
        self.receipts = receipts
        self.token = token
        self.answer_with: int | None = None
        self.notices: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ReceiptServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path: str, authorization: str | None, body: bytes) -> int:
        """Record one notice and return the HTTP status."""
        notice = json.loads(body)
        self.notices.append(notice)
        if self.answer_with is not None:
            return self.answer_with
        if path != "/release-watch/receipts":
            return 404
        if authorization != f"Bearer {self.token}":
            return 401
        try:
            self.receipts.record(notice)
        except InvalidInputError:
            return 400
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = outer.take(self.path, self.headers.get("Authorization"), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
