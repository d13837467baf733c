"""A real Roundup tracker, asked in process over its WSGI interface."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from roundup.cgi.wsgi_handler import RequestDispatcher

from release_watch.errors import BackendError
from release_watch.response.attachments import Attachment
from release_watch.response.tickets import Roundup, TicketRef, Tickets
from release_watch.transport import Answer
from sandbox.servers.tracker import make_tracker
from tests.response.http_transport import multipart

URL = "http://127.0.0.1:9"
PASSWORD = "tickets"


class InProcess:
    """A transport to a WSGI application."""

    base_url = URL

    def __init__(self, application: Any, password: str = PASSWORD, username: str = "release-watch") -> None:
        self._application = application
        self._login = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.lose_answer_of = ""
        self.requests: list[tuple[str, str]] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.requests.append((method, path))
        answer = self._call(method, path, params or {}, json, headers or {})
        if self.lose_answer_of and self.lose_answer_of in path:
            self.lose_answer_of = ""
            return self._call(method, path, params or {}, json, headers or {})
        return answer

    def _call(
        self, method: str, path: str, params: Mapping[str, Any], content: Any, headers: Mapping[str, str]
    ) -> Answer:
        data = b"" if content is None else json.dumps(content).encode()
        return self._send(method, path, params, data, "application/json" if data else "", headers)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        data: bytes,
        content_type: str,
        headers: Mapping[str, str],
    ) -> Answer:
        status, body = self.ask(method, path, params, data, content_type, headers)
        return Answer(status, json.loads(body) if body.startswith(b"{") else body.decode())

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        data: bytes,
        content_type: str,
        headers: Mapping[str, str],
    ) -> tuple[int, bytes]:
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": urlencode(params),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "9",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(data)),
            "HTTP_HOST": "127.0.0.1:9",
            "HTTP_ACCEPT": "application/json",
            "HTTP_AUTHORIZATION": f"Basic {self._login}",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        }
        status, written = "", []

        def start_response(line: str, _: Any, __: Any = None) -> Any:
            nonlocal status
            status = line
            return written.append

        written += list(self._application(environ, start_response) or [])
        return int(status.split()[0]), b"".join(written)


class SendingInProcess(InProcess):
    """Sends files, too."""

    def upload(
        self,
        path: str,
        part: str,
        attachment: Attachment,
        *,
        fields: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Answer:
        content_type, body = multipart(part, attachment, fields)
        return self._send("POST", path, {}, body, content_type, headers)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("roundup") / "tracker"
    people = {"username": "release-watch", "password": PASSWORD, "people": {"admin": "admin"}}
    make_tracker(home, URL, people)
    return RequestDispatcher(str(home))


@pytest.fixture
def transport(application: Any) -> InProcess:
    return InProcess(application)


@pytest.fixture
def tickets(transport: InProcess) -> Tickets:
    return Roundup(transport)


def issue(transport: InProcess, ticket: TicketRef) -> dict[str, Any]:
    answer = transport.request(
        "GET",
        f"/rest/data/issue/{ticket.id}",
        params={"@verbose": "2"},
        headers={"X-Requested-With": "test", "Origin": URL, "Referer": f"{URL}/"},
    )
    attributes: dict[str, Any] = answer.body["data"]["attributes"]
    return attributes


def test_a_ticket_is_created_once_per_key(tickets: Tickets, transport: InProcess) -> None:
    first = tickets.create_once("rel-1/checkout-latency", "checkout is slow", "0.4 s against 0.02 s")
    again = tickets.create_once("rel-1/checkout-latency", "checkout is slow", "0.5 s against 0.02 s")
    other = tickets.create_once("rel-1/checkout-latency_p99", "checkout is slow", "another")

    assert first == again != other
    assert first.url == f"{URL}/issue{first.id}"
    assert issue(transport, first)["title"] == "checkout is slow [rw:rel-1/checkout-latency]"
    assert len(issue(transport, first)["messages"]) == 1


def test_a_ticket_whose_creation_was_not_answered_is_not_created_twice(
    tickets: Tickets, transport: InProcess
) -> None:
    transport.lose_answer_of = "/rest/data/issue/@poe/"

    created = tickets.create_once("rel-2/lost", "payments fails", "30 % errors")

    assert tickets.create_once("rel-2/lost", "payments fails", "30 % errors") == created


def test_a_note_is_added_and_closing_is_for_good(tickets: Tickets, transport: InProcess) -> None:
    ticket = tickets.create_once("rel-3/x", "storefront is slow", "body")

    tickets.update(ticket, "still slow")
    tickets.close(ticket, "fast again")
    closed = issue(transport, ticket)
    tickets.close(ticket, "fast again")
    tickets.update(ticket, "for the record")

    assert closed["status"]["name"] == "resolved"
    assert len(closed["messages"]) == 3
    assert issue(transport, ticket)["status"]["name"] == "resolved"
    assert len(issue(transport, ticket)["messages"]) == 4


def report(transport: InProcess, title: str) -> TicketRef:
    """File a ticket as a person does: with nothing but a title."""
    answer = transport.request(
        "POST",
        "/rest/data/issue",
        json={"title": title},
        headers={"X-Requested-With": "test", "Origin": URL, "Referer": f"{URL}/"},
    )
    assert answer.status == 201, answer.body
    number = str(answer.body["data"]["id"])
    return TicketRef(number, f"{URL}/issue{number}")


def test_incidents_are_the_tickets_that_name_a_service(tickets: Tickets, transport: InProcess) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    slow = report(transport, "catalogue is slow")
    report(transport, "catalogue-search is slow")
    done = report(transport, "errors in catalogue")
    tickets.close(done, "mended")

    found = tickets.incidents(since, ["catalogue"])

    assert [(one.id, one.title, one.service) for one in found] == [
        (slow.id, "catalogue is slow", "catalogue"),
        (done.id, "errors in catalogue", "catalogue"),
    ]
    assert [one.closed_at is None for one in found] == [True, False]
    assert tickets.incidents(datetime.now(UTC) + timedelta(days=1), ["catalogue"]) == []


def test_a_ticket_is_acknowledged_by_the_first_message_of_somebody_else(
    tickets: Tickets, transport: InProcess, application: Any
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    alone, noted, answered = (report(transport, f"ledger fails {word}") for word in ("a", "b", "c"))
    tickets.update(noted, "I opened this, and still see it")
    tickets.update(answered, "I opened this, too")
    person = Roundup(InProcess(application, "admin", username="admin"))
    person.update(answered, "I am on it")
    person.update(answered, "mended")

    before = len(transport.requests)
    found = {one.id: one for one in tickets.incidents(since, ["ledger"])}

    assert len(transport.requests) - before == 2
    assert found[alone.id].acknowledged_at is None
    assert found[noted.id].acknowledged_at is None
    taken = found[answered.id].acknowledged_at
    assert taken is not None
    assert found[answered.id].opened_at <= taken <= datetime.now(UTC)


def test_tickets_of_release_watch_itself_are_no_incidents(tickets: Tickets, transport: InProcess) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    tickets.create_once("rel-6/orders-latency", "orders is slow", "body")
    people = [
        report(transport, "orders is slow"),
        report(transport, "[rw:rel-6/orders-latency] orders again, see that ticket"),
        report(transport, "orders lost [since noon]"),
    ]

    assert [one.id for one in tickets.incidents(since, ["orders"])] == [ticket.id for ticket in people]


def test_a_title_of_several_lines_becomes_one(tickets: Tickets, transport: InProcess) -> None:
    ticket = tickets.create_once("rel-5/a", "first\nsecond\r\nX-Header: no", "body")

    assert issue(transport, ticket)["title"] == "first second X-Header: no [rw:rel-5/a]"


def test_a_wrong_password_is_told_without_it(application: Any) -> None:
    with pytest.raises(BackendError, match="refused") as raised:
        Roundup(InProcess(application, "wrong-secret")).create_once("k", "t", "b")

    assert "wrong-secret" not in str(raised.value)


def test_a_ticket_that_is_not_there_is_an_error(tickets: Tickets, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="404"):
        tickets.update(TicketRef("99999", f"{URL}/issue99999"), tmp_path.name)


def test_a_closed_ticket_is_opened_again(tickets: Tickets, transport: InProcess) -> None:
    ticket = tickets.create_once("rel-7/x", "storefront is slow", "body")
    tickets.close(ticket, "over")

    tickets.reopen(ticket, "slow once more")
    reopened = issue(transport, ticket)["status"]["name"]
    tickets.close(ticket, "over again")

    assert (reopened, issue(transport, ticket)["status"]["name"]) == ("in-progress", "resolved")
    assert len(issue(transport, ticket)["messages"]) == 4


PLOT = Attachment("latency.png", "image/png", b"\x89PNG\r\n\x1a\n\x00\xff")


def test_a_file_is_attached_once(application: Any) -> None:
    transport = SendingInProcess(application)
    tickets = Roundup(transport)
    ticket = tickets.create_once("rel-8/x", "storefront is slow", "body")

    assert tickets.attach(ticket, PLOT)
    assert tickets.attach(ticket, PLOT)

    (file,) = issue(transport, ticket)["files"]
    headers = {"X-Requested-With": "test", "Origin": URL, "Referer": f"{URL}/", "Accept": "image/png"}
    path = f"/rest/data/file/{file['id']}/binary_content"
    assert transport.ask("GET", path, {}, b"", "", headers) == (200, PLOT.content)


def test_a_transport_without_files_says_so(tickets: Tickets) -> None:
    assert not tickets.attach(tickets.create_once("rel-8/x", "storefront is slow", "body"), PLOT)
