"""A STAND-IN for an IMAP server (RFC 3501): the six commands that reading a mailbox takes, over a socket.

It answers as Dovecot does, refuses every other command, and keeps what was asked in ``commands``.
"""

from __future__ import annotations

import re
import socketserver
import threading
from datetime import UTC, datetime

REFUSALS = {
    "LOGIN": "NO [AUTHENTICATIONFAILED] Authentication failed.",
    "EXAMINE": "NO [NONEXISTENT] No such mailbox.",
}


class ImapStandIn:
    """A server with one folder, ``INBOX``, of mails (UIDs 1, 2, ...), all taken at ``taken``."""

    def __init__(self, user: str, password: str, mails: list[bytes], taken: datetime) -> None:
        self.commands: list[str] = []
        self._login = f'LOGIN {user} "{password}"'
        self._mails, self._taken = mails, taken
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> ImapStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, command: str) -> tuple[list[bytes], str]:
        """Return the untagged lines for a command, and how it ended."""
        fixed: dict[str, tuple[list[bytes], str]] = {
            "CAPABILITY": ([b"CAPABILITY IMAP4rev1"], "OK done"),
            self._login: ([], "OK done"),
            'EXAMINE "INBOX"': ([b"%d EXISTS" % len(self._mails)], "OK [READ-ONLY] done"),
            "LOGOUT": ([b"BYE"], "OK done"),
        }
        if command in fixed:
            return fixed[command]
        if found := re.fullmatch(r'UID SEARCH SINCE \d\d-[A-Z][a-z]{2}-\d{4} TEXT "([^"]+)"', command):
            having = [str(uid) for uid, mail in enumerate(self._mails, 1) if found[1].encode() in mail]
            return [" ".join(["SEARCH", *having]).encode()], "OK done"
        if found := re.fullmatch(r"UID FETCH (\d+) \(INTERNALDATE BODY\.PEEK\[\]<0\.\d+>\)", command):
            return [self._fetched(int(found[1]))], "OK done"
        return [], REFUSALS.get(command.partition(" ")[0], "BAD unknown command")

    def _fetched(self, uid: int) -> bytes:
        mail = self._mails[uid - 1]
        when = self._taken.astimezone(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
        head = f'{uid} FETCH (UID {uid} INTERNALDATE "{when}" BODY[]<0> {{{len(mail)}}}'
        return head.encode() + b"\r\n" + mail + b")"

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"* OK ready\r\n")
                while line := self.rfile.readline():
                    tag, _, command = line.decode().strip().partition(" ")
                    outer.commands.append(command)
                    lines, end = outer.answer(command)
                    untagged = b"".join(b"* " + one + b"\r\n" for one in lines)
                    self.wfile.write(untagged + f"{tag} {end}\r\n".encode())
                    if command == "LOGOUT":
                        return

        return Handler
