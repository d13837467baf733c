"""A STAND-IN for PagerDuty, which is no program that one could run: it checks every request it gets.

Written after PagerDuty's published schemas (github.com/PagerDuty/api-schema: Events API v2 ``/enqueue``, REST
``/incidents``, ``/incidents/{id}/alerts``, ``/incidents/{id}/log_entries``): an event that breaks the schema
is answered 400, as is a REST request without the required headers or with a parameter that the API does not
have. ``refusals`` are the reasons. Its times are whole seconds and its log comes newest first, as theirs do.
What it does not show: PagerDuty's own grouping, delays and rate limits.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator

EVENT = Draft202012Validator(
    {
        "type": "object",
        "required": ["routing_key", "event_action"],
        "properties": {
            "routing_key": {"type": "string", "minLength": 1},
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": {"type": "string", "maxLength": 255},
            "client": {"type": "string"},
            "client_url": {"type": "string"},
            "payload": {
                "type": "object",
                "required": ["summary", "severity", "source"],
                "properties": {
                    "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                    "timestamp": {"type": "string"},
                    "severity": {"enum": ["critical", "warning", "error", "info"]},
                    "source": {"type": "string", "minLength": 1},
                    "component": {"type": "string"},
                    "group": {"type": "string"},
                    "class": {"type": "string"},
                    "custom_details": {"type": "object"},
                },
            },
            "links": {"type": "array", "items": {"type": "object", "required": ["href"]}},
            "images": {"type": "array", "items": {"type": "object", "required": ["src"]}},
        },
        # A trigger says what is wrong; the others name the alert.
        "if": {"properties": {"event_action": {"const": "trigger"}}},
        "then": {"required": ["payload"]},
        "else": {"required": ["dedup_key"]},
    }
)
PAGING = {"limit", "offset", "total"}
PARAMETERS = {
    "incidents": PAGING
    | {"date_range", "incident_key", "include[]", "service_ids[]", "since", "sort_by", "statuses[]"}
    | {"team_ids[]", "time_zone", "until", "urgencies[]", "user_ids[]"},
    "log_entries": PAGING | {"include[]", "is_overview", "since", "time_zone", "until"},
    "alerts": PAGING | {"alert_key", "include[]", "sort_by", "statuses[]"},
}
REQUIRED_HEADERS = {"Accept": "application/vnd.pagerduty+json;version=2", "Content-Type": "application/json"}
SERVICE = {"id": "PSHOP01", "type": "service_reference", "summary": "Shop"}
Answer = tuple[int, Any]


@dataclass
class Incident:
    """An incident with one alert; ``log`` is newest first."""

    number: int
    dedup_key: str
    title: str
    details: Any
    status: str = "triggered"
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def incident_id(self) -> str:
        return f"PINC{self.number:03d}"

    def note(self, kind: str, agent: Mapping[str, Any], **more: Any) -> None:
        entry_id = f"R{self.number:03d}{len(self.log):03d}"
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.log.insert(
            0, {"id": entry_id, "type": kind, "created_at": created, "agent": dict(agent), **more}
        )

    def listed(self) -> dict[str, Any]:
        return {
            "id": self.incident_id,
            "type": "incident",
            "summary": f"[#{self.number}] {self.title}",
            "title": self.title,
            "incident_number": self.number,
            "status": self.status,
            "alert_counts": {"all": 1, "triggered": 1, "resolved": 0},
        }


def user(name: str) -> dict[str, str]:
    return {"id": f"P{name.upper()}", "type": "user_reference", "summary": name}


class PagerDutyStandIn:
    """The Events API under ``/v2/enqueue``, the REST API beside it, and one escalation policy: ``people``."""

    def __init__(self, routing_key: str, token: str, people: tuple[str, ...]) -> None:
        self.routing_key, self.token, self._people = routing_key, token, people
        self.incidents: list[Incident] = []
        self.events: list[Any] = []
        self.refusals: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> PagerDutyStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def acknowledge(self, incident: Incident, who: str) -> None:
        with self._lock:
            incident.status = "acknowledged"
            incident.note("acknowledge_log_entry", user(who), channel={"type": "website"})

    def resolve(self, incident: Incident, who: str) -> None:
        with self._lock:
            incident.status = "resolved"
            incident.note("resolve_log_entry", user(who), channel={"type": "website"})

    def escalate(self, incident: Incident, level: int) -> None:
        """Let a level's time run out: the person of the next one is assigned and notified."""
        with self._lock:
            who = user(self._people[level - 1])
            incident.note("escalate_log_entry", SERVICE, channel={"type": "timeout"}, assignees=[who])
            self._notify(incident, level)

    def _notify(self, incident: Incident, level: int) -> None:
        who = user(self._people[level - 1])
        told = {"type": "auto", "notification": {"type": "push_notification", "status": "success"}}
        incident.note("notify_log_entry", SERVICE, channel=told, user=who)

    def enqueue(self, event: Any) -> Answer:
        """Take one event of the Events API v2."""
        with self._lock:
            wrong = [f"{error.json_path}: {error.message}" for error in EVENT.iter_errors(event)]
            if not wrong and event["routing_key"] != self.routing_key:
                wrong = ["routing_key: no such integration"]
            if wrong:
                self.refusals += wrong
                return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
            self.events.append(event)
            key = event.get("dedup_key") or f"made-{len(self.events)}"
            self._take(event, key)
            return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def _take(self, event: Any, key: str) -> None:
        known = [one for one in self.incidents if one.dedup_key == key and one.status != "resolved"]
        agent = {**SERVICE, "type": "integration_reference"}
        if event["event_action"] == "trigger" and not known:
            payload = event["payload"]
            incident = Incident(
                len(self.incidents) + 1, key, payload["summary"], payload.get("custom_details")
            )
            self.incidents.append(incident)
            incident.note("trigger_log_entry", agent, channel={"type": "api"})
            incident.note("assign_log_entry", SERVICE, channel={"type": "auto"})
            self._notify(incident, 1)
        for incident in known:
            if event["event_action"] == "acknowledge":
                incident.note("acknowledge_log_entry", agent, channel={"type": "api"})
            elif event["event_action"] == "resolve":
                incident.status = "resolved"
                incident.note("resolve_log_entry", agent, channel={"type": "api"})

    def read(self, path: str, asked: Mapping[str, list[str]], headers: Mapping[str, str]) -> Answer:
        """Answer one GET of the REST API."""
        if headers.get("Authorization") != f"Token token={self.token}":
            return 401, {"error": {"message": "Invalid credentials", "code": 2006}}
        parts = path.strip("/").split("/")
        what = parts[-1]
        wrong = [
            f"{name} is missing" for name, value in REQUIRED_HEADERS.items() if headers.get(name) != value
        ]
        wrong += [f"{name} is no parameter of {what}" for name in asked.keys() - PARAMETERS.get(what, set())]
        if int(asked.get("limit", ["25"])[0]) > 100:
            wrong.append("limit is more than 100")
        if wrong:
            self.refusals += wrong
            return 400, {"error": {"message": "Invalid Input Provided", "code": 2001, "errors": wrong}}
        with self._lock:
            found = self._found(parts)
        if found is None:
            return 404, {"error": {"message": "Not Found", "code": 2100}}
        offset, limit = int(asked.get("offset", ["0"])[0]), int(asked.get("limit", ["25"])[0])
        more = offset + limit < len(found)
        return 200, {what: found[offset : offset + limit], "limit": limit, "offset": offset, "more": more}

    def _found(self, parts: list[str]) -> list[Any] | None:
        if parts == ["incidents"]:
            return [incident.listed() for incident in self.incidents]
        incident = next((one for one in self.incidents if one.incident_id == parts[1]), None)
        if incident is None or len(parts) != 3:
            return None
        alert = {"id": f"Q{incident.number}", "type": "alert", "alert_key": incident.dedup_key}
        body = {"type": "alert_body", "details": incident.details}
        return list(incident.log) if parts[2] == "log_entries" else [{**alert, "body": body}]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                known = self.path == "/v2/enqueue"
                self._answer(*(outer.enqueue(json.loads(body)) if known else (404, {"status": "not found"})))

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                self._answer(*outer.read(parts.path, parse_qs(parts.query), dict(self.headers)))

            def _answer(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
