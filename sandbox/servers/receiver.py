"""A receiver that records what on-call would have got, so that the stack is useful without Airflow.

``POST /receipts`` appends the webhook's JSON with the time it came; ``GET /receipts`` returns all of them.
Run as ``python -m sandbox.servers.receiver --port N --file RECEIPTS.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox.ports import HOST
from sandbox.servers.server import PYTHON_ENVIRONMENT, Server, Site, python_module

MOST_BYTES = 5_000_000


class Receipts:
    """The receipts on disk, one JSON object a line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def add(self, notification: Any) -> None:
        """Append one notification with the time of its arrival."""
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"received_at": received_at, "notification": notification})
        with self._lock, self._file.open("a") as file:
            file.write(line + "\n")

    def all(self) -> list[Any]:
        """Return every receipt, oldest first."""
        with self._lock:
            text = self._file.read_text() if self._file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


class Handler(BaseHTTPRequestHandler):
    """The HTTP side of the receipts."""

    protocol_version = "HTTP/1.1"
    receipts: Receipts

    def do_GET(self) -> None:
        """Return the receipts, or that the receiver is alive."""
        if self.path == "/receipts":
            self._answer(200, self.receipts.all())
        elif self.path == "/health":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"error": f"nothing at {self.path}; see /receipts"})

    def do_POST(self) -> None:
        """Record one notification."""
        size = int(self.headers.get("Content-Length") or 0)
        if size > MOST_BYTES:
            self.close_connection = True
            self._answer(413, {"error": f"more than {MOST_BYTES} bytes"})
            return
        body = self.rfile.read(size)
        if self.path != "/receipts":
            self._answer(404, {"error": f"nothing at {self.path}; see /receipts"})
            return
        try:
            self.receipts.add(json.loads(body))
        except ValueError as error:
            self._answer(400, {"error": f"not JSON: {error}"})
        else:
            self._answer(200, {"status": "recorded"})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: the receipts are the log."""


def server(site: Site) -> Server:
    """Return how to start the receiver."""
    folder = site.layout.data("receiver")
    return Server(
        name="receiver",
        arguments=python_module(
            "sandbox.servers.receiver",
            *("--port", str(site.ports["receiver"])),
            *("--file", str(folder / "receipts.jsonl")),
        ),
        url=site.url("receiver"),
        health="/health",
        folder=folder,
        environment=PYTHON_ENVIRONMENT,
    )


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    Handler.receipts = Receipts(options.file)
    ThreadingHTTPServer((HOST, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
