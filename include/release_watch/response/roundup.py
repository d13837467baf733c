"""Tickets in Roundup, over its REST API (2.x, classic schema)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from release_watch.clock import now
from release_watch.errors import BackendError
from release_watch.response.attachments import Attachment, uploads_of
from release_watch.response.incidents import Incident, TicketRef, named_service, one_line
from release_watch.transport import Answer, Transport

BACKEND = "Roundup"
CLOSED = "resolved"
CLOSED_STATES = frozenset({"resolved", "done-cbb"})
REOPENED = "in-progress"
CONFLICT = 412
ATTEMPTS = 3
_TIME = "%Y-%m-%d.%H:%M:%S"
_MARKED = re.compile(r"\[rw:[^\]]*\]$")


class _Message(NamedTuple):
    author: str
    at: datetime


class Roundup:
    """:class:`release_watch.response.tickets.Tickets` in a Roundup tracker.

    The key stands in brackets at the end of a ticket's title, so that anyone who looks for it finds it, and
    a ticket is posted to a link that takes exactly one.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        parts = urlsplit(transport.base_url)
        # Roundup refuses REST requests without these: they tell it that no foreign page sent them.
        self._headers = {
            "X-Requested-With": "release-watch",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": transport.base_url.rstrip("/") + "/",
        }

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        """Return the ticket of ``key``, made with ``title`` and ``body`` if there was none.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        if found := self._find(key):
            return found
        link = self._data("POST", "/rest/data/issue/@poe", json={"lifetime": "600"})["link"]
        issue = {"title": f"{one_line(title, 200)} {_marker(key)}", "messages": [self._message(body)]}
        answer = self._send(
            "POST", _path_of(link), json=issue, headers={"Idempotency-Key": link.rpartition("/")[2]}
        )
        if answer.status < 400:
            return self._ref(answer.body["data"]["id"])
        # The link is spent: an answer that was lost on its way may have left a ticket behind.
        if found := self._find(key):
            return found
        raise self._refused("a new ticket", answer)

    def update(self, ticket: TicketRef, note: str) -> None:
        """Add a note; a closed ticket stays closed.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        self._annotate(ticket, note)

    def close(self, ticket: TicketRef, note: str) -> None:
        """Close the ticket with a note; a closed one stays as it is.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        self._annotate(ticket, note, status=CLOSED, unless_closed=True)

    def reopen(self, ticket: TicketRef, note: str) -> None:
        """Open a closed ticket again with a note; an open one gets the note only.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        self._annotate(ticket, note, status=REOPENED)

    def attach(self, ticket: TicketRef, attachment: Attachment) -> bool:
        """Attach a file, unless the ticket has one of that name; False where files cannot be sent.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        uploads = uploads_of(self._transport)
        if uploads is None:
            return False
        issue = self._issue(ticket)
        known = [entry["id"] for entry in issue["attributes"].get("files", [])]
        names = (
            self._data("GET", f"/rest/data/file/{one}", params={"@fields": "name"})["attributes"]
            for one in known
        )
        if any(file.get("name") == attachment.name for file in names):
            return True
        fields = {"name": attachment.name, "type": attachment.media_type}
        sent = uploads.upload(
            "/rest/data/file", "content", attachment, fields=fields, headers=dict(self._headers)
        )
        if sent.status >= 400:
            raise self._refused(f"the file {attachment.name}", sent)
        change = {"files": [*known, str(sent.body["data"]["id"])], "@etag": issue["@etag"]}
        answer = self._send("PATCH", self._path(ticket), json=change, headers={"If-Match": issue["@etag"]})
        if answer.status >= 400:
            raise self._refused(f"a file for ticket {ticket.id}", answer)
        return True

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        """Return the tickets opened since then whose title names one of the services, oldest first.

        Release Watch's own tickets are left out: its findings would count as incidents that no alert told of.
        A closed one counts as closed when it was last touched, and as acknowledged when somebody else than
        who opened it wrote the first message: Roundup's REST interface tells no history of a status. It
        takes two requests, however many tickets there are, and one if nobody wrote anything.

        Raises:
            BackendError: if the tracker does not answer, or refuses.
        """
        fields = {
            "@fields": "title,status,creation,creator,activity,keyword,messages",
            "@verbose": "2",
            "@sort": "creation",
        }
        found = self._data(
            "GET",
            "/rest/data/issue",
            params={"creation": f"from {since.astimezone(UTC).strftime(_TIME)}", **fields},
        )
        names = tuple(services)
        ours = [
            entry
            for entry in found["collection"]
            if not _MARKED.search(str(entry["title"])) and named_service(str(entry["title"]), names)
        ]
        written = self._written(since) if any(entry.get("messages") for entry in ours) else {}
        return [self._incident(entry, names, _first_answer(entry, written)) for entry in ours]

    def _written(self, since: datetime) -> dict[str, _Message]:
        """Return who wrote each message since then, and when Roundup got it, by the message's id."""
        fields = {"@fields": "author,creation", "@verbose": "1", "@protected": "true"}
        created = {"creation": f"from {since.astimezone(UTC).strftime(_TIME)}"}
        found = self._data("GET", "/rest/data/msg", params={**created, **fields})
        return {
            str(entry["id"]): _Message(str(entry["author"]["id"]), _moment(entry["creation"]))
            for entry in found["collection"]
            if entry.get("author")
        }

    def _incident(
        self, entry: Mapping[str, Any], services: Iterable[str], acknowledged_at: datetime | None
    ) -> Incident:
        ref, title = self._ref(entry["id"]), str(entry["title"])
        closed = (entry.get("status") or {}).get("name") in CLOSED_STATES
        return Incident(
            id=ref.id,
            url=ref.url,
            title=title,
            service=named_service(title, services),
            opened_at=_moment(entry["creation"]),
            closed_at=_moment(entry["activity"]) if closed else None,
            acknowledged_at=acknowledged_at,
            labels=tuple(str(one["name"]) for one in entry.get("keyword") or ()),
        )

    def _find(self, key: str) -> TicketRef | None:
        """Return the first ticket with this key. Roundup matches parts of titles, so the end is compared."""
        found = self._data(
            "GET",
            "/rest/data/issue",
            params={"title": key, "@fields": "title", "@sort": "id", "@verbose": "1"},
        )
        ids = [entry["id"] for entry in found["collection"] if str(entry["title"]).endswith(_marker(key))]
        return self._ref(min(ids, key=int)) if ids else None

    def _annotate(
        self, ticket: TicketRef, note: str, *, status: str | None = None, unless_closed: bool = False
    ) -> None:
        message: str | None = None
        answer = Answer(CONFLICT, "never sent")
        for _ in range(ATTEMPTS):
            issue = self._issue(ticket)
            closed = ((issue["attributes"].get("status") or {}).get("name")) in CLOSED_STATES
            if closed and unless_closed:
                return
            message = message or self._message(note)
            change: dict[str, Any] = {
                "messages": [*(entry["id"] for entry in issue["attributes"]["messages"]), message],
                "@etag": issue["@etag"],
            }
            if status == CLOSED or closed:
                change["status"] = status or CLOSED  # else a note reopens it
            answer = self._send(
                "PATCH", self._path(ticket), json=change, headers={"If-Match": issue["@etag"]}
            )
            if answer.status != CONFLICT:
                break
        if answer.status >= 400:
            raise self._refused(f"a change of ticket {ticket.id}", answer)

    def _issue(self, ticket: TicketRef) -> Any:
        return self._data("GET", self._path(ticket), params={"@verbose": "2"})

    @staticmethod
    def _path(ticket: TicketRef) -> str:
        return f"/rest/data/issue/{ticket.id}"

    def _message(self, text: str) -> str:
        """Return the id of a new message. Roundup wants its author named, and we know only our password."""
        moment = now().strftime(_TIME)
        created = self._data("POST", "/rest/data/msg", json={"content": text, "date": moment})["id"]
        path = f"/rest/data/msg/{created}"
        message = self._data("GET", path, params={"@protected": "true"})
        author = {"author": message["attributes"]["creator"]["id"], "@etag": message["@etag"]}
        self._data("PATCH", path, json=author, headers={"If-Match": message["@etag"]})
        return str(created)

    def _data(self, method: str, path: str, **request: Any) -> Any:
        answer = self._send(method, path, **request)
        if answer.status >= 400:
            raise self._refused(f"{method} {path}", answer)
        try:
            return answer.body["data"]
        except (KeyError, TypeError) as error:
            words = f"{self._transport.base_url} answered {method} {path} with no data; is it Roundup?"
            raise BackendError(BACKEND, words, status=answer.status) from error

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> Answer:
        return self._transport.request(method, path, headers={**self._headers, **(headers or {})}, **request)

    def _refused(self, what: str, answer: Answer) -> BackendError:
        error = answer.body.get("error") if isinstance(answer.body, dict) else answer.body
        words = error.get("msg") if isinstance(error, dict) else error
        return BackendError(
            BACKEND,
            f"{self._transport.base_url} refused {what}: {answer.status} {str(words)[:300]}",
            status=answer.status,
        )

    def _ref(self, number: Any) -> TicketRef:
        return TicketRef(str(number), f"{self._transport.base_url.rstrip('/')}/issue{number}")


def _marker(key: str) -> str:
    return f"[rw:{key}]"


def _first_answer(entry: Mapping[str, Any], written: Mapping[str, _Message]) -> datetime | None:
    """Return when somebody else than who opened a ticket wrote to it first."""
    opener = str((entry.get("creator") or {}).get("id"))
    own = (written.get(str(one["id"])) for one in entry.get("messages") or ())
    return min((one.at for one in own if one and one.author != opener), default=None)


def _path_of(link: str) -> str:
    return "/rest/" + link.partition("/rest/")[2]


def _moment(text: str) -> datetime:
    """Return a time as Roundup writes it, ``2026-11-22.11:05:47``, in UTC."""
    return datetime.strptime(text[:19], _TIME).replace(tzinfo=UTC)
