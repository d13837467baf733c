"""Jira, asked over HTTP. The server is a STAND-IN that refuses what Jira Cloud's REST API v3 refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.catalog.policies import TicketPolicy
from release_watch.errors import BackendError
from release_watch.response.adf import document
from release_watch.response.attachments import Attachment
from release_watch.response.jira import Jira, label
from release_watch.response.tickets import Roundup, Tickets, tickets_of
from sandbox.servers.jira_payloads import RefusedError, check_document, plain
from sandbox.servers.jira_stand_in import ACCOUNT, Handler, serving
from tests.response.http_transport import JsonOnly, Sending

TOKEN = "api-token"
PLOT = Attachment("latency.png", "image/png", b"\x89PNG\r\n\x1a\n\x00\xff", "file:///plots/latency.png")


@pytest.fixture
def server() -> Iterator[type[Handler]]:
    with serving(TOKEN) as handler:
        yield handler


@pytest.fixture
def tickets(server: type[Handler]) -> Tickets:
    return jira(server)


def jira(server: type[Handler], transport: type[JsonOnly] = Sending, **settings: Any) -> Jira:
    connection = transport(server.project.url, ACCOUNT, TOKEN)
    return Jira(connection, "OPS", pause=lambda _: None, **settings)


def test_a_ticket_is_created_once_per_key_whoever_asks(server: type[Handler]) -> None:
    first = jira(server).create_once(
        "rel-1/checkout", "checkout\nis slow", "0.4 s\nagainst 0.02 s\n\nquery: up"
    )
    again = jira(server).create_once("rel-1/checkout", "checkout is slow", "other words")
    other = jira(server).create_once("rel-1/checkout-p99", "checkout is slow", "body")

    made = server.project.issues[0]
    assert first == again != other
    assert first.url == f"{server.project.url}/browse/OPS-1"
    assert made["fields"]["summary"] == "checkout is slow"
    assert made["fields"]["labels"] == ["release-watch", "rw-rel-1/checkout"]
    assert plain(made["fields"]["description"]) == "0.4 s\nagainst 0.02 s\n\nquery: up"
    assert len(server.project.issues) == 2


@pytest.mark.parametrize("found_after", [0, 2], ids=["found-at-once", "found-late"])
def test_a_creation_that_was_not_answered_is_not_repeated(found_after: int) -> None:
    with serving(TOKEN, found_after=found_after) as server:
        server.lose_next = 1

        created = jira(server).create_once("rel-2/lost", "payments fails", "30 % errors")

        assert (created.id, len(server.project.issues)) == ("OPS-1", 1)


def test_one_that_is_never_found_is_an_error_not_a_second_ticket() -> None:
    with serving(TOKEN, found_after=99) as server:
        server.lose_next = 1

        with pytest.raises(BackendError):
            jira(server).create_once("rel-2/lost", "payments fails", "30 % errors")

        assert len(server.project.issues) == 1


def test_the_same_tracker_does_not_look_for_what_it_made() -> None:
    with serving(TOKEN, found_after=99) as server:
        tickets = jira(server)

        assert tickets.create_once("k", "t", "b") == tickets.create_once("k", "t", "b")
        assert len(server.project.issues) == 1


def test_notes_closing_and_opening_again(tickets: Tickets, server: type[Handler]) -> None:
    ticket = tickets.create_once("rel-3/x", "storefront is slow", "body")
    issue = server.project.issues[0]

    tickets.update(ticket, "still slow")
    tickets.close(ticket, "fast again")
    tickets.close(ticket, "fast again")
    tickets.update(ticket, "for the record")
    closed = issue["fields"]["status"]["name"]
    tickets.reopen(ticket, "slow once more")
    tickets.reopen(ticket, "and more")

    assert (closed, issue["fields"]["status"]["name"]) == ("Done", "To Do")
    notes = ["still slow", "fast again", "for the record", "slow once more", "and more"]
    assert [plain(comment) for comment in issue["comments"]] == notes


def test_it_is_closed_into_the_status_that_the_policy_names(server: type[Handler]) -> None:
    tickets = jira(server, closed_status="In Progress")

    tickets.close(tickets.create_once("k", "t", "b"), "over")

    assert server.project.issues[0]["fields"]["status"]["name"] == "In Progress"


def test_a_workflow_without_the_status_is_told_with_the_setting(server: type[Handler]) -> None:
    tickets = jira(server, closed_status="Closed")

    with pytest.raises(BackendError, match=r"'Closed'.*closed_status"):
        tickets.close(tickets.create_once("k", "t", "b"), "over")


def test_a_file_is_attached_once(tickets: Tickets, server: type[Handler]) -> None:
    ticket = tickets.create_once("k", "t", "b")

    assert tickets.attach(ticket, PLOT)
    assert tickets.attach(ticket, PLOT)

    (file,) = server.project.issues[0]["attachments"]
    assert (file["filename"], file["content"]) == (PLOT.name, PLOT.content)


def test_a_transport_without_files_says_so(server: type[Handler]) -> None:
    tickets = jira(server, JsonOnly)

    assert not tickets.attach(tickets.create_once("k", "t", "b"), PLOT)
    assert server.project.issues[0]["attachments"] == []


def test_incidents_are_the_tickets_of_others_that_name_a_service(
    tickets: Tickets, server: type[Handler]
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    tickets.create_once("rel-6/orders", "orders is slow", "body")
    titles = ["orders is slow", "orders-archive is slow", "errors in orders", "orders again", "all of orders"]
    for title in titles:
        fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": title}
        server.project.create({"fields": fields})
    server.project.move("OPS-4", {"transition": {"id": "31"}})

    found = tickets.incidents(since, ["orders"])

    assert [one.title for one in found] == [title for title in titles if "archive" not in title]
    assert [one.closed_at is None for one in found] == [True, False, True, True]
    assert found[0].opened_at.tzinfo is not None
    done = found[1]
    assert done.acknowledged_at == done.closed_at is not None
    assert [one.acknowledged_at is None for one in found] == [True, False, True, True]
    assert tickets.incidents(datetime.now(UTC) + timedelta(days=1), ["orders"]) == []


def test_a_ticket_is_acknowledged_when_its_status_changes_first(
    tickets: Tickets, server: type[Handler]
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    for title in ("orders fails", "orders moves to and fro"):
        fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": title}
        server.project.create({"fields": fields})
    for number in range(41):
        server.project.move("OPS-2", {"transition": {"id": "21" if number % 2 == 0 else "11"}})
    server.project.move("OPS-1", {"transition": {"id": "21"}})
    server.project.move("OPS-1", {"transition": {"id": "31"}})

    found, restless = tickets.incidents(since, ["orders"])

    moved = [one["created"] for one in server.project.issues[0]["histories"]]
    assert found.acknowledged_at == datetime.fromisoformat(moved[-1])
    assert found.closed_at == datetime.fromisoformat(moved[0])
    assert restless.acknowledged_at is None  # Jira leaves the oldest of 41 changes out


def test_a_refusal_is_told_in_jiras_words_and_without_the_token(server: type[Handler]) -> None:
    with pytest.raises(BackendError, match="issuetype: Specify a valid issue type"):
        jira(server, issue_type="Epos").create_once("k", "t", "b")
    wrong = Jira(JsonOnly(server.project.url, ACCOUNT, "wrong-secret"), "OPS")
    with pytest.raises(BackendError, match="401 Client must be authenticated") as raised:
        wrong.create_once("k", "t", "b")

    assert "wrong-secret" not in str(raised.value)
    assert server.project.issues == []


@pytest.mark.parametrize(
    "text", ["", "\n\n", "one", "a\nb\n\nc", "tail\n", "\n\n\nlate", "x" * 40_000, "a\r\n\r\nb"], ids=repr
)
def test_any_text_becomes_a_document_that_jira_takes(text: str) -> None:
    check_document(document(text), "description")

    assert text[:100].split() == plain(document(text))[:100].split()


@pytest.mark.parametrize(
    "wrong",
    [
        "plain text",
        {"type": "doc", "content": []},
        {"version": 1, "type": "doc", "content": [{"type": "text", "text": "x"}]},
        {
            "version": 1,
            "type": "doc",
            "content": [{"type": "paragraph", "content": [{"type": "text", "text": ""}]}],
        },
    ],
    ids=["text", "no-version", "text-outside-a-paragraph", "empty-text"],
)
def test_the_stand_in_refuses_what_is_no_document(wrong: Any) -> None:
    with pytest.raises(RefusedError):
        check_document(wrong, "description")


def test_labels_have_no_spaces_and_long_ones_stay_apart() -> None:
    assert label("a b/c") == "rw-a-b/c"
    long = [label("k" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert {len(one) for one in long} == {255}


def test_the_policy_names_the_tracker(server: type[Handler]) -> None:
    transport = JsonOnly(server.project.url, ACCOUNT, TOKEN)

    assert isinstance(tickets_of(transport, TicketPolicy()), Roundup)
    assert isinstance(tickets_of(transport, TicketPolicy(tracker="jira", project="OPS")), Jira)
    with pytest.raises(ValueError, match="name the Jira project"):
        TicketPolicy(tracker="jira")
