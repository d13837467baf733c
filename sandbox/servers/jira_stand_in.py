"""STAND-IN for Jira Cloud: the part of its REST API v3 that tickets need, strict about what it is sent.

It is no Jira. It refuses what Jira Cloud as published refuses: requests without basic authentication, what
``jira_payloads`` names, unbounded searches, unknown transitions, files without ``X-Atlassian-Token``. As in
Jira, what was just made is not found at once where ``found_after`` says so: it takes so many searches. Start
it in a process with :func:`serving`, or run
``python -m sandbox.servers.jira_stand_in --port N --token TOKEN``.
"""

from __future__ import annotations

import argparse
import base64
import email
import email.policy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.servers.jira_payloads import RefusedError, check_document, check_fields

HOST = "127.0.0.1"
ACCOUNT = "release-watch@example.com"
API = "/rest/api/3"
STATUSES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
TRANSITIONS = {"11": "To Do", "21": "In Progress", "31": "Done"}
SEARCH = frozenset(
    {
        "expand",
        "fields",
        "fieldsByKeys",
        "jql",
        "maxResults",
        "nextPageToken",
        "properties",
        "reconcileIssues",
    }
)
_CLAUSES = (
    re.compile(r'project = "(?P<project>[^"]+)"'),
    re.compile(r'labels = "(?P<label>(?:[^"\\]|\\.)+)"'),
    re.compile(r"created >= -(?P<minutes>\d+)m"),
    re.compile(r'\(labels IS EMPTY OR labels != "(?P<without>[^"]+)"\)'),
)


class Project:
    """The issues of one project, and what can be asked of them."""

    def __init__(self, url: str, key: str = "OPS", *, found_after: int = 0) -> None:
        self.url = url
        self.key = key
        self.found_after = found_after
        self.issues: list[dict[str, Any]] = []
        self.searches = 0
        self._lock = threading.Lock()

    def create(self, body: Any) -> dict[str, Any]:
        """Make an issue from ``{"fields": ...}``."""
        fields = _object(body, {"fields", "update", "properties"}).get("fields")
        if not isinstance(fields, dict):
            raise RefusedError(400, "fields is missing")
        check_fields(fields, self.key)
        with self._lock:
            number = len(self.issues) + 1
            issue = {
                "id": str(10000 + number),
                "key": f"{self.key}-{number}",
                "self": f"{self.url}{API}/issue/{10000 + number}",
                "made_before_search": self.searches,
                "comments": [],
                "attachments": [],
                "histories": [],
                "fields": {
                    **fields,
                    "labels": fields.get("labels", []),
                    "status": _status("To Do"),
                    "created": _moment(),
                    "updated": _moment(),
                    "resolutiondate": None,
                },
            }
            self.issues.append(issue)
        return {name: issue[name] for name in ("id", "key", "self")}

    def find(self, key: str) -> dict[str, Any]:
        """Return an issue by its key or id."""
        for issue in self.issues:
            if key in (issue["key"], issue["id"]):
                return issue
        raise RefusedError(404, "Issue does not exist or you do not have permission to see it.")

    def search(self, body: Any) -> dict[str, Any]:
        """Answer a search as ``POST /search/jql`` does, a page of at most two at a time."""
        question = _object(body, SEARCH)
        found = [issue for issue in self.issues if self._matches(issue, _jql(question.get("jql")))]
        found = [one for one in found if self.searches - one["made_before_search"] >= self.found_after]
        self.searches += 1
        start = int(question.get("nextPageToken", "0"))
        size = min(int(question.get("maxResults", 50)), 2)
        wanted = question.get("fields", [])
        expanded = "changelog" in str(question.get("expand", "")).split(",")
        page = [
            {
                **_named(issue),
                "fields": {name: issue["fields"].get(name) for name in wanted},
                **({"changelog": _changelog(issue)} if expanded else {}),
            }
            for issue in found[start : start + size]
        ]
        last = start + size >= len(found)
        return {"isLast": last, "issues": page, **({} if last else {"nextPageToken": str(start + size)})}

    def _matches(self, issue: dict[str, Any], asked: dict[str, str]) -> bool:
        fields = issue["fields"]
        if "minutes" in asked:
            since = datetime.now(UTC) - timedelta(minutes=int(asked["minutes"]))
            if datetime.fromisoformat(fields["created"]) < since:
                return False
        label, without = asked.get("label"), asked.get("without")
        if label is not None and re.sub(r"\\(.)", r"\1", label) not in fields["labels"]:
            return False
        return asked["project"] == self.key and without not in fields["labels"]

    def comment(self, key: str, body: Any) -> dict[str, Any]:
        """Add a comment."""
        text = _object(body, {"body", "visibility", "properties"}).get("body")
        check_document(text, "comment")
        issue = self.find(key)
        issue["comments"].append(text)
        return {"id": str(len(issue["comments"])), "body": text}

    def transitions(self, key: str) -> dict[str, Any]:
        """Return where an issue may go from its status."""
        now = self.find(key)["fields"]["status"]["name"]
        ways = [(number, name) for number, name in TRANSITIONS.items() if name != now]
        return {"transitions": [{"id": number, "name": name, "to": _status(name)} for number, name in ways]}

    def move(self, key: str, body: Any) -> None:
        """Carry out a transition."""
        wanted = _object(body, {"transition", "fields", "update"}).get("transition")
        ways = {one["id"]: one["to"] for one in self.transitions(key)["transitions"]}
        if not isinstance(wanted, dict) or wanted.get("id") not in ways:
            raise RefusedError(400, "It is not possible to perform the transition")
        issue = self.find(key)
        fields, status = issue["fields"], ways[wanted["id"]]
        change = {"field": "status", "fromString": fields["status"]["name"], "toString": status["name"]}
        at = _moment()
        issue["histories"].insert(0, {"created": at, "items": [change]})
        done = status["statusCategory"]["key"] == "done"
        fields |= {
            "status": status,
            "updated": at,
            "resolutiondate": at if done else None,
        }

    def attach(self, key: str, headers: Any, body: bytes) -> list[dict[str, Any]]:
        """Take a file from a multipart form."""
        if headers.get("X-Atlassian-Token") != "no-check":
            raise RefusedError(403, "XSRF check failed")
        head = f"Content-Type: {headers.get('Content-Type', '')}\r\n\r\n".encode()
        form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        files = [
            {"filename": part.get_filename(), "content": part.get_content()}
            for part in (form.iter_parts() if form.is_multipart() else ())
            if part.get_param("name", header="content-disposition") == "file"
        ]
        if not files:
            raise RefusedError(400, "The form has no part named file")
        self.find(key)["attachments"] += files
        return [{"filename": file["filename"]} for file in files]

    def show(self, key: str, wanted: list[str]) -> dict[str, Any]:
        """Return an issue with the fields that were asked for."""
        issue = self.find(key)
        fields = {**issue["fields"], "attachment": issue["attachments"]}
        named = {name: fields[name] for name in wanted if name in fields}
        if "attachment" in named:
            named["attachment"] = [{"filename": file["filename"]} for file in issue["attachments"]]
        return {**_named(issue), "fields": named}


def _object(body: Any, known: frozenset[str] | set[str]) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.keys() <= known:
        raise RefusedError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return body


def _jql(query: Any) -> dict[str, str]:
    where, _, order = str(query or "").partition(" ORDER BY ")
    asked: dict[str, str] = {}
    for clause in where.split(" AND ") if where else ():
        match = next((m for pattern in _CLAUSES if (m := pattern.fullmatch(clause))), None)
        if match is None:
            raise RefusedError(400, f"Error in the JQL Query: '{clause}' (or this stand-in does not know it)")
        asked |= match.groupdict()
    if "project" not in asked:
        raise RefusedError(400, "Unbounded JQL queries are not allowed here. Add a search restriction.")
    if order not in ("", "created ASC"):
        raise RefusedError(400, f"Not able to sort using field '{order}'.")
    return asked


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": STATUSES[name]}}


def _named(issue: dict[str, Any]) -> dict[str, Any]:
    return {name: issue[name] for name in ("id", "key", "self")}


def _changelog(issue: dict[str, Any]) -> dict[str, Any]:
    """Return the latest 40 changes of an issue, newest first, as a search gives them."""
    histories = issue["histories"]
    return {"startAt": 0, "maxResults": 40, "total": len(histories), "histories": histories[:40]}


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


class Handler(BaseHTTPRequestHandler):
    """The HTTP side. As on a broken line, ``lose_next`` answers of creations are lost after the work."""

    protocol_version = "HTTP/1.1"
    project: Project
    token: str
    lose_next: int = 0

    def do_GET(self) -> None:
        """Answer with an issue or its transitions."""
        self._handle()

    def do_POST(self) -> None:
        """Search, make, move, comment or attach."""
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, content = self._answer_to(body)
        except RefusedError as error:
            status, content = error.status, error.body
        if status == 201 and self.path == f"{API}/issue" and type(self).lose_next:
            type(self).lose_next -= 1
            self.close_connection = True
            return
        sent = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _answer_to(self, body: bytes) -> tuple[int, Any]:
        given = base64.b64encode(f"{ACCOUNT}:{self.token}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {given}":
            raise RefusedError(401, "Client must be authenticated to access this resource.")
        parts = urlsplit(self.path)
        key, _, rest = parts.path.removeprefix(f"{API}/issue/").partition("/")
        if self.command == "POST" and rest == "attachments":
            return 200, self.project.attach(key, self.headers, body)
        if self.command == "GET" and parts.path.startswith(f"{API}/issue/"):
            wanted = parse_qs(parts.query).get("fields", [""])[0].split(",")
            return 200, self.project.transitions(key) if rest else self.project.show(key, wanted)
        return self._posted(parts.path, key, rest, body)

    def _posted(self, path: str, key: str, rest: str, body: bytes) -> tuple[int, Any]:
        if self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise RefusedError(415, "Content-Type must be application/json")
        content = json.loads(body or b"null")
        if path == f"{API}/issue":
            return 201, self.project.create(content)
        if path == f"{API}/search/jql":
            return 200, self.project.search(content)
        if rest == "comment":
            return 201, self.project.comment(key, content)
        if rest == "transitions":
            self.project.move(key, content)
            return 204, None
        raise RefusedError(404, f"null for uri: {path}")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet about answered requests."""


@contextmanager
def serving(token: str, *, port: int = 0, found_after: int = 0) -> Iterator[type[Handler]]:
    """Serve a project in a thread; yields the handler class, whose ``project`` holds all that was made."""
    handler: type[Handler] = type("JiraStandIn", (Handler,), {"token": token})
    with ThreadingHTTPServer((HOST, port), handler) as http:
        handler.project = Project(f"http://{HOST}:{http.server_address[1]}", found_after=found_after)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler
        finally:
            http.shutdown()
            thread.join()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args()
    with serving(options.token, port=options.port) as handler:
        print(f"STAND-IN for Jira Cloud at {handler.project.url}, account {ACCOUNT}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
