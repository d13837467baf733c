"""The ClickHouse engine (PyPI ``chdb``) behind as much of ClickHouse's HTTP interface as qryn speaks.

One process, one engine, one statement at a time: qryn batches its writes, so a lock costs nothing that the
sandbox would notice, and a statement can never see another one's current database.

Run as ``python -m sandbox.servers.clickhouse_front --port N --data DIR``.
"""

from __future__ import annotations

import argparse
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.ports import HOST

ENGINE_SETTINGS = (
    # Numbers of 64 bits as strings, as ClickHouse's own HTTP interface answered when qryn was written:
    # nanosecond times do not fit into a JavaScript number.
    "SET output_format_json_quote_64bit_integers = 1",
    # The sandbox shares two cores with Airflow and the shop.
    "SET max_threads = 2",
)
DEFAULT_FORMAT = "TabSeparated"


class Engine:
    """One chdb session that runs statements one after the other."""

    def __init__(self, data: Path) -> None:
        from chdb import session

        make: Any = session.Session
        self._session = make(str(data))
        self._lock = threading.Lock()
        for statement in ENGINE_SETTINGS:
            self._session.query(statement)

    def run(self, sql: str, database: str) -> bytes:
        """Return what ``sql`` answers in its own FORMAT, else tab-separated; raises what chdb raises."""
        quoted = database.replace("`", "")
        with self._lock:
            self._session.query(f"USE `{quoted}`")
            answer: bytes = self._session.query(sql, DEFAULT_FORMAT).bytes()
            return answer


class Front(BaseHTTPRequestHandler):
    """``GET /ping``, and statements by ``GET /?query=`` or ``POST /`` with (the rest of) them as body."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        """Answer the liveness probe and read-only statements."""
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._run(b"")

    def do_POST(self) -> None:
        """Run the statement in ``query`` followed by the body (ClickHouse joins them in this order)."""
        self._run(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _run(self, body: bytes) -> None:
        parameters = parse_qs(urlsplit(self.path).query)
        parts = [*parameters.get("query", []), *([body.decode()] if body else [])]
        try:
            answer = self.engine.run("\n".join(parts), parameters.get("database", ["default"])[0])
        except Exception as error:  # whatever the engine raises belongs to this one statement
            self.log_message("statement failed: %s", str(error)[:2000])
            self._answer(500, str(error).encode())
        else:
            self._answer(200, answer)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        # axios parses JSON by content, the stream reader takes lines: both are happy with this type.
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet about single requests: only failures are logged."""


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    Front.engine = Engine(options.data)
    server = ThreadingHTTPServer((HOST, options.port), Front)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
