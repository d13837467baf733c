"""The mail server of the sandbox: keeps what people would have got by e-mail, and sends nothing on.

SMTP on one port; ``GET /messages`` on the other returns sender, recipients and subject of every mail kept.
Run as ``python -m sandbox.servers.mailbox --port N --smtp-port M --folder DIR``.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox.ports import HOST
from sandbox.processes import replace
from sandbox.servers.server import PYTHON_ENVIRONMENT, Server, Site, python_module

LARGEST_MAIL_BYTES = 5_000_000


class Keeper:
    """Stores each mail as a file, named so that the order of arrival is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 aiosmtpd's
        """Keep a mail."""
        number = len(list(self._folder.glob("*.eml"))) + 1
        text = envelope.content.decode("utf-8", errors="replace")
        replace(self._folder / f"{number:05d}-{uuid.uuid4().hex[:6]}.eml", text)
        return "250 kept"

    def messages(self) -> list[dict[str, str]]:
        """Return the head of every mail, oldest first."""
        heads = []
        for path in sorted(self._folder.glob("*.eml")):
            mail = email.message_from_string(path.read_text(), policy=email.policy.default)
            heads.append({name: str(mail[name]) for name in ("From", "To", "Subject", "Date")})
        return heads


class Handler(BaseHTTPRequestHandler):
    """The HTTP side of the mailbox."""

    keeper: Keeper

    def do_GET(self) -> None:
        """Return the mails, or that the mailbox is alive."""
        known = {"/messages": self.keeper.messages, "/health": lambda: {"status": "ok"}}
        answer = known.get(self.path)
        body = json.dumps(answer() if answer else {"error": "see /messages"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: the mails are the log."""


def server(site: Site) -> Server:
    """Return how to start the mailbox."""
    folder = site.layout.data("mailbox")
    return Server(
        name="mailbox",
        arguments=python_module(
            "sandbox.servers.mailbox",
            *("--port", str(site.ports["mailbox"])),
            *("--smtp-port", str(site.ports["smtp"])),
            *("--folder", str(folder / "mails")),
        ),
        url=site.url("mailbox"),
        health="/health",
        folder=folder,
        environment=PYTHON_ENVIRONMENT,
    )


def main() -> None:
    """Serve until terminated."""
    from aiosmtpd.controller import Controller

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    Handler.keeper = Keeper(options.folder)
    Controller(
        Handler.keeper, hostname=HOST, port=options.smtp_port, data_size_limit=LARGEST_MAIL_BYTES
    ).start()
    ThreadingHTTPServer((HOST, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
