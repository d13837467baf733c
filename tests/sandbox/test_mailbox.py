"""The sandbox's mail server: what is sent over real SMTP is kept and told over HTTP."""

from __future__ import annotations

import json
import smtplib
import threading
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from sandbox.ports import HOST, choose
from sandbox.servers.mailbox import Handler, Keeper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mails"


@pytest.fixture
def keeper(folder: Path) -> Keeper:
    return Keeper(folder)


@pytest.fixture
def smtp(keeper: Keeper) -> Iterator[smtplib.SMTP]:
    """A client's connection to the mailbox."""
    controller = Controller(keeper, hostname=HOST, port=choose(["smtp"], {})["smtp"])
    controller.start()
    try:
        with smtplib.SMTP(HOST, controller.port, timeout=5) as client:
            yield client
    finally:
        controller.stop()


@pytest.fixture
def http(keeper: Keeper) -> Iterator[ThreadingHTTPServer]:
    """The HTTP side of the same mailbox."""

    class Bound(Handler):
        pass

    Bound.keeper = keeper
    with ThreadingHTTPServer((HOST, 0), Bound) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def get(http: ThreadingHTTPServer, path: str) -> tuple[int, Any]:
    with closing(HTTPConnection(HOST, http.server_port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def mail(subject: str, to: str = "oncall@example.org") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "release-watch@example.org", to, subject
    message["Date"] = "Thu, 01 Jan 2026 00:00:00 +0000"
    message.set_content("The error ratio is 30 %.\n")
    return message


def test_mails_are_told_in_the_order_in_which_they_came(
    smtp: smtplib.SMTP, http: ThreadingHTTPServer
) -> None:
    assert get(http, "/messages") == (200, [])

    for number in range(3):
        smtp.send_message(mail(f"alert {number}", to=f"person-{number}@example.org"))

    status, told = get(http, "/messages")
    assert status == 200
    assert [(one["To"], one["Subject"]) for one in told] == [
        (f"person-{number}@example.org", f"alert {number}") for number in range(3)
    ]
    assert told[0]["From"] == "release-watch@example.org"
    assert told[0]["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"


def test_a_subject_is_told_as_people_read_it(smtp: smtplib.SMTP, keeper: Keeper) -> None:
    smtp.send_message(mail("Fehlerquote über 30 % – bitte prüfen"))

    assert keeper.messages()[0]["Subject"] == "Fehlerquote über 30 % – bitte prüfen"


def test_a_mail_is_kept_whole_as_one_file(smtp: smtplib.SMTP, folder: Path) -> None:
    smtp.send_message(mail("alert"))

    (kept,) = folder.iterdir()
    assert kept.suffix == ".eml"
    assert "The error ratio is 30 %." in kept.read_text()


def test_mails_outlive_the_server(smtp: smtplib.SMTP, folder: Path) -> None:
    smtp.send_message(mail("alert"))

    assert [one["Subject"] for one in Keeper(folder).messages()] == ["alert"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/health", (200, {"status": "ok"})), ("/elsewhere", (404, {"error": "see /messages"}))],
)
def test_the_http_side_says_what_it_knows(
    http: ThreadingHTTPServer, path: str, answer: tuple[int, Any]
) -> None:
    assert get(http, path) == answer
