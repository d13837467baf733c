"""Tickets in Jira Cloud, over its REST API v3."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from release_watch.clock import now
from release_watch.errors import BackendError
from release_watch.response.adf import document
from release_watch.response.attachments import Attachment, uploads_of
from release_watch.response.incidents import Incident, TicketRef, named_service, one_line
from release_watch.transport import Answer, Transport

BACKEND = "Jira"
OWN = "release-watch"
"""The label of every ticket that is ours."""
API = "/rest/api/3"
DONE = "done"
LONGEST_LABEL = 255
SEARCH_PAUSES = (0.0, 1.0, 3.0)
"""Seconds before each search for a ticket that may just have been made: Jira finds new ones late."""


class _Changes(NamedTuple):
    """When a ticket was first taken on by somebody, and when its status changed last, as Jira writes it."""

    taken_first: str | None
    status_last: str | None

    @classmethod
    def of(cls, changelog: Mapping[str, Any]) -> Self:
        """Return what a changelog tells; without the oldest changes nobody knows who was first."""
        histories = changelog.get("histories") or ()
        whole = len(histories) >= int(changelog.get("total") or 0)
        status = [one["created"] for one in histories if any(_moves(item) for item in one["items"])]
        taken = [one["created"] for one in histories if any(_takes(item) for item in one["items"])]
        return cls(
            min(taken, key=_moment, default=None) if whole else None, max(status, key=_moment, default=None)
        )


class Jira:
    """:class:`release_watch.response.tickets.Tickets` in a Jira project.

    The key is a label, so that anyone can search for it. Jira has no idempotency keys: a creation that was
    not answered is never repeated before the label was searched for, and of several with one label the
    oldest is the ticket.
    """

    def __init__(
        self,
        transport: Transport,
        project: str,
        *,
        issue_type: str = "Bug",
        closed_status: str | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._project = project
        self._issue_type = issue_type
        self._closed_status = closed_status
        self._pause = pause
        self._made: dict[str, TicketRef] = {}

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        """Return the ticket of ``key``, made with ``title`` and ``body`` if there was none.

        Raises:
            BackendError: if Jira does not answer, or refuses.
        """
        found = self._made.get(key) or self._find(key)
        self._made[key] = found or self._create(key, title, body)
        return self._made[key]

    def update(self, ticket: TicketRef, note: str) -> None:
        """Add a comment; a closed ticket stays closed.

        Raises:
            BackendError: if Jira does not answer, or refuses.
        """
        self._data("POST", f"{_path(ticket)}/comment", json={"body": document(note)})

    def close(self, ticket: TicketRef, note: str) -> None:
        """Close the ticket with a comment; a closed one stays as it is.

        Raises:
            BackendError: if Jira does not answer, or refuses, or the workflow leads to no such status.
        """
        if not self._closed(ticket):
            self.update(ticket, note)
            self._move(ticket, done=True)

    def reopen(self, ticket: TicketRef, note: str) -> None:
        """Open a closed ticket again with a comment; an open one gets the comment only.

        Raises:
            BackendError: if Jira does not answer, or refuses, or the workflow leads to no such status.
        """
        if self._closed(ticket):
            self._move(ticket, done=False)
        self.update(ticket, note)

    def attach(self, ticket: TicketRef, attachment: Attachment) -> bool:
        """Attach a file, unless the ticket has one of that name; False where files cannot be sent.

        Raises:
            BackendError: if Jira does not answer, or refuses.
        """
        uploads = uploads_of(self._transport)
        if uploads is None:
            return False
        known = self._data("GET", _path(ticket), params={"fields": "attachment"})["fields"]
        if any(file["filename"] == attachment.name for file in known.get("attachment") or ()):
            return True
        no_check = {"X-Atlassian-Token": "no-check"}
        sent = uploads.upload(f"{_path(ticket)}/attachments", "file", attachment, fields={}, headers=no_check)
        if sent.status >= 400:
            raise self._refused(f"the file {attachment.name}", sent)
        return True

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        """Return the tickets of others, opened since then, that name a service in their title, oldest first.

        Each comes with its changelog in the same pages: acknowledged is when it was assigned or its status
        changed first, closed when it was resolved, else when its status changed last. Jira gives the latest
        changes of a ticket; where older ones are left out the acknowledgement is not known.

        Raises:
            BackendError: if Jira does not answer, or refuses.
        """
        # Relative: an absolute time would be read in the time zone of the account's profile.
        minutes = max(int((now() - since) / timedelta(minutes=1)) + 1, 1)
        query = (
            f"{self._in_project} AND created >= -{minutes}m AND (labels IS EMPTY OR labels != {_quoted(OWN)})"
        )
        names = tuple(services)
        fields = ["summary", "status", "created", "resolutiondate", "updated", "labels"]
        found = [self._incident(issue, names) for issue in self._search(query, fields, expand="changelog")]
        return [one for one in found if one.service is not None and one.opened_at >= since]

    def _create(self, key: str, title: str, body: str) -> TicketRef:
        fields = {
            "project": {"key": self._project},
            "issuetype": {"name": self._issue_type},
            "summary": one_line(title, 255),
            "description": document(body),
            "labels": [OWN, label(key)],
        }
        try:
            created = self._data("POST", f"{API}/issue", json={"fields": fields})
        except BackendError as error:
            if error.status is not None:  # it was answered: with a refusal
                raise
            for seconds in SEARCH_PAUSES:
                self._pause(seconds)
                if found := self._find(key):
                    return found
            raise
        return self._ref(created["key"])

    def _find(self, key: str) -> TicketRef | None:
        query = f"{self._in_project} AND labels = {_quoted(label(key))}"
        return next((self._ref(issue["key"]) for issue in self._search(query, ["summary"])), None)

    def _search(self, query: str, fields: list[str], **more: str) -> Iterator[Mapping[str, Any]]:
        question: dict[str, Any] = {
            "jql": f"{query} ORDER BY created ASC",
            "fields": fields,
            "maxResults": 100,
            **more,
        }
        while True:
            page = self._data("POST", f"{API}/search/jql", json=question)
            yield from page["issues"]
            token = page.get("nextPageToken")
            if not token:
                return
            question = {**question, "nextPageToken": token}

    def _closed(self, ticket: TicketRef) -> bool:
        fields = self._data("GET", _path(ticket), params={"fields": "status"})["fields"]
        return _is_done(fields["status"])

    def _move(self, ticket: TicketRef, *, done: bool) -> None:
        path = f"{_path(ticket)}/transitions"
        ways = self._data("GET", path)["transitions"]
        fitting = [way for way in ways if _is_done(way["to"]) is done]
        if done and self._closed_status:
            fitting = [way for way in ways if self._closed_status in (way["to"]["name"], way["name"])]
        if not fitting:
            wanted = (self._closed_status or "a status that is done") if done else "an open status"
            words = f"ticket {ticket.id}: the workflow leads this account to no {wanted!r} from where it is"
            raise BackendError(BACKEND, f"{words}; see response.tickets.closed_status in policies.yaml")
        self._data("POST", path, json={"transition": {"id": fitting[0]["id"]}})

    def _incident(self, issue: Mapping[str, Any], services: Iterable[str]) -> Incident:
        fields, ref = issue["fields"], self._ref(issue["key"])
        changes = _Changes.of(issue.get("changelog") or {})
        closed_at = fields.get("resolutiondate") or changes.status_last or fields["updated"]
        return Incident(
            id=ref.id,
            url=ref.url,
            title=str(fields["summary"]),
            service=named_service(str(fields["summary"]), services),
            opened_at=_moment(fields["created"]),
            closed_at=_moment(closed_at) if _is_done(fields["status"]) else None,
            acknowledged_at=_moment(changes.taken_first) if changes.taken_first else None,
            labels=tuple(fields.get("labels") or ()),
        )

    def _data(self, method: str, path: str, **request: Any) -> Any:
        answer = self._transport.request(method, path, **request)
        if answer.status >= 400:
            raise self._refused(f"{method} {path}", answer)
        if answer.status != 204 and not isinstance(answer.body, Mapping):
            words = f"{self._transport.base_url} answered {method} {path} with no JSON; is it Jira?"
            raise BackendError(BACKEND, words, status=answer.status)
        return answer.body

    def _refused(self, what: str, answer: Answer) -> BackendError:
        words: object = answer.body
        if isinstance(answer.body, Mapping):
            fields = (f"{name}: {problem}" for name, problem in (answer.body.get("errors") or {}).items())
            words = "; ".join((*(answer.body.get("errorMessages") or ()), *fields))
        refusal = f"{self._transport.base_url} refused {what}: {answer.status} {str(words)[:300]}"
        return BackendError(BACKEND, refusal, status=answer.status)

    @property
    def _in_project(self) -> str:
        return f"project = {_quoted(self._project)}"

    def _ref(self, key: str) -> TicketRef:
        return TicketRef(key, f"{self._transport.base_url.rstrip('/')}/browse/{key}")


def label(key: str) -> str:
    """Return the label of a ticket's key; Jira's labels hold no space and have a greatest length."""
    plain = "rw-" + "-".join(key.split())
    if len(plain) <= LONGEST_LABEL:
        return plain
    return f"{plain[: LONGEST_LABEL - 17]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _path(ticket: TicketRef) -> str:
    return f"{API}/issue/{quote(ticket.id, safe='')}"


def _is_done(status: Mapping[str, Any]) -> bool:
    return bool((status.get("statusCategory") or {}).get("key") == DONE)


def _moves(item: Mapping[str, Any]) -> bool:
    return item.get("field") == "status"


def _takes(item: Mapping[str, Any]) -> bool:
    return _moves(item) or (item.get("field") == "assignee" and item.get("to") is not None)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _moment(text: str) -> datetime:
    """Return a time as Jira writes it, ``2026-11-22T11:05:47.123+0000``, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
