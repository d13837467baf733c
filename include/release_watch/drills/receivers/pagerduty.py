"""PagerDuty: Alertmanager triggers incidents (Events API v2); what became of them tells the REST API v2.

A person's acknowledgement, whom it notified and its escalations are log entries of the incident. An
acknowledgement by an integration is none: no person gave it. PagerDuty's times are whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.clock import rfc3339
from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Status
from release_watch.drills.receivers.asking import Access, ask, digest, names
from release_watch.drills.receivers.times import CLOCKS_DIFFER, fired
from release_watch.identifiers import identifier
from release_watch.telemetry.answers import understood

if TYPE_CHECKING:
    from release_watch.catalog.policies import ReceiverKind
    from release_watch.transport import Transport

SYSTEM = "PagerDuty"
NEEDS = "the header 'Authorization: Token token=...' with a REST API key, read-only is enough"
HEADERS = {"Accept": "application/vnd.pagerduty+json;version=2", "Content-Type": "application/json"}
PAGE_SIZE = 100
"""The most that PagerDuty gives at once."""
MOST_PAGES = 10
ACKNOWLEDGED = ("acknowledge_log_entry", "acknowledgement_log_entry")
"""The published schema has both names."""


class _Entry(NamedTuple):
    """A log entry: ``person`` is who did it, None for an integration; ``told`` is who was notified."""

    entry_id: str
    kind: str
    at: datetime
    person: str | None
    told: str | None
    channel: str
    sha256: str


class PagerDutyReceiver:
    """A receiver with ``pagerduty_configs``."""

    kind: ReceiverKind = "pagerduty"

    def __init__(self, name: str, pagerduty: Transport, connection: str) -> None:
        self.name = name
        self._pagerduty = pagerduty
        self._access = Access(name, SYSTEM, connection, NEEDS)
        self._incident_of: dict[str, str] = {}
        self._details: dict[str, tuple[int, str]] = {}

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        """Return the incident that this drill triggered; resolved, once Alertmanager's event resolved it.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if PagerDuty does not answer as it should; ReceiverRefusedError for a wrong key.
        """
        wanted = "trigger_log_entry" if status == "firing" else "resolve_log_entry"
        log = self._log(drill_id)
        entry = next((one for one in log if one.kind == wanted and one.person is None), None)
        if entry is None:
            return None
        return Receipt(
            drill_id=drill_id,
            status=status,
            receiver=self.name,
            at=entry.at,
            fingerprint=self._incident_of[drill_id],
            sha256=entry.sha256,
            uri=self._uri(drill_id, entry),
        )

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return which person first acknowledged the incident, or resolved it, which answers it too.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if PagerDuty does not answer as it should; ReceiverRefusedError for a wrong key.
        """
        for entry in self._log(drill_id):
            if entry.kind in (*ACKNOWLEDGED, "resolve_log_entry") and entry.person is not None:
                return Acknowledgement(entry.person, entry.at)
        return None

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return whom PagerDuty notified; an escalation begins the next level, a repetition the first again.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if PagerDuty does not answer as it should; ReceiverRefusedError for a wrong key.
        """
        level, pages = 1, []
        for entry in self._log(drill_id):
            if entry.kind == "escalate_log_entry":
                level += 1
            elif entry.kind == "repeat_escalation_path_log_entry":
                level = 1
            elif entry.kind == "notify_log_entry" and entry.told is not None:
                pages.append(self._page(drill_id, level, entry, entry.told))
        return tuple(pages)

    def _page(self, drill_id: str, level: int, entry: _Entry, person: str) -> Page:
        return Page(
            drill_id=drill_id,
            level=level,
            role=f"level {level}",
            person=person,
            at=entry.at,
            channel=entry.channel,
            proof=f"{self._uri(drill_id, entry)} sha256:{entry.sha256}",
        )

    def _uri(self, drill_id: str, entry: _Entry) -> str:
        return (
            f"{self._pagerduty.base_url}/incidents/{self._incident_of[drill_id]}/log_entries#{entry.entry_id}"
        )

    def _log(self, drill_id: str) -> list[_Entry]:
        """Return the log entries of the drill's incident, oldest first; none where there is no incident."""
        incident = self._incident_of.get(identifier(drill_id, "drill_id")) or self._find(drill_id)
        if incident is None:
            return []
        self._incident_of[drill_id] = incident
        asked = {"time_zone": "UTC", "include[]": "channels"}
        found = list(self._all(f"/incidents/{incident}/log_entries", "log_entries", asked))
        entries = understood(SYSTEM, "the log of an incident", lambda: [_entry(one) for one in found])
        # Newest first, it comes; within a second only that tells the order.
        if entries and entries[0].at >= entries[-1].at:
            entries.reverse()
        return sorted(entries, key=lambda entry: entry.at)

    def _find(self, drill_id: str) -> str | None:
        asked = {"since": rfc3339(fired(drill_id) - CLOCKS_DIFFER), "time_zone": "UTC"}
        incidents = list(self._all("/incidents", "incidents", asked))

        def found() -> str | None:
            # Only a description of the user's own keeps the id out of the title.
            titled = (one for one in incidents if names(one.get("title") or one.get("summary"), drill_id))
            detailed = (one for one in incidents if names(self._details_of(one), drill_id))
            incident = next(titled, None) or next(detailed, None)
            return None if incident is None else identifier(incident["id"], "incident")

        return understood(SYSTEM, "its incidents", found)

    def _details_of(self, incident: Mapping[str, Any]) -> str:
        """Return what the alerts of an incident say, asked again only when there are more of them."""
        known, count = identifier(incident["id"], "incident"), _alert_count(incident)
        if known not in self._details or self._details[known][0] != count:
            found = self._all(f"/incidents/{known}/alerts", "alerts", {})
            text = "\n".join(str((alert.get("body") or {}).get("details")) for alert in found)
            self._details[known] = (count, text)
        return self._details[known][1]

    def _all(self, path: str, what: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for page in range(MOST_PAGES):
            params = {**asked, "limit": PAGE_SIZE, "offset": page * PAGE_SIZE}
            body = ask(self._pagerduty, self._access, path, params, HEADERS)
            found, more = understood(SYSTEM, what, partial(_page_of, body, what))
            yield from found
            if not more:
                return


def _alert_count(incident: Mapping[str, Any]) -> int:
    return int((incident.get("alert_counts") or {}).get("all") or 0)


def _page_of(body: Any, what: str) -> tuple[list[Mapping[str, Any]], bool]:
    return [dict(one) for one in body[what]], bool(body.get("more"))


def _entry(log_entry: Mapping[str, Any]) -> _Entry:
    agent, user = log_entry.get("agent") or {}, log_entry.get("user")
    channel = log_entry.get("channel") or {}
    notification = channel.get("notification") or {}
    return _Entry(
        entry_id=str(log_entry["id"]),
        kind=str(log_entry["type"]),
        at=datetime.fromisoformat(log_entry["created_at"]).astimezone(UTC),
        person=_person(agent) if str(agent.get("type", "")).startswith("user") else None,
        told=_person(user) if user else None,
        channel=str(notification.get("type") or channel.get("type") or SYSTEM),
        sha256=digest(log_entry),
    )


def _person(user: Mapping[str, Any]) -> str:
    return str(user.get("summary") or user.get("name") or user["id"])
