"""Alerta (9.1): Alertmanager's webhook makes the alert, a person acknowledges it there, its history tells.

Alerta joins alerts of one environment, resource and event, also those of different drills, so the time of a
drill is that of the history entry that names it, not that of the alert.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Status
from release_watch.drills.receivers.asking import Access, ask, digest, names
from release_watch.drills.receivers.times import fired
from release_watch.identifiers import identifier
from release_watch.telemetry.answers import understood

if TYPE_CHECKING:
    from release_watch.catalog.policies import ReceiverKind
    from release_watch.transport import Transport

SYSTEM = "Alerta"
NEEDS = "the header 'Authorization: Key ...' with an API key of the scope read:alerts"
OVER = frozenset({"closed", "expired"})


class _Entry(NamedTuple):
    """One change of an alert; ``kind`` is new, severity, status, ack, ... as Alerta calls it."""

    kind: str
    status: str
    text: str
    user: str
    at: datetime


class AlertaReceiver:
    """A receiver whose webhook is Alerta's ``/webhooks/prometheus``."""

    kind: ReceiverKind = "alerta"

    def __init__(self, name: str, alerta: Transport, connection: str) -> None:
        self.name = name
        self._alerta = alerta
        self._access = Access(name, SYSTEM, connection, NEEDS)

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        """Return the alert in Alerta that this drill made; resolved, once Alertmanager's notice closed it.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if Alerta does not answer as Alerta does; ReceiverRefusedError for a wrong key.
        """
        alert = self._alert(drill_id)
        if alert is None:
            return None
        return understood(
            SYSTEM, f"the alert of drill {drill_id}", lambda: self._read(alert, drill_id, status)
        )

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return who first set the alert to ``ack`` after this drill arrived; without a user it is none.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if Alerta does not answer as Alerta does; ReceiverRefusedError for a wrong key.
        """
        alert = self._alert(drill_id)
        if alert is None:
            return None

        def first() -> Acknowledgement | None:
            named = _named(alert, drill_id)
            # Joined to an open alert, its arrival is not on record; that it did not exist before is.
            since = min(named) if named else fired(drill_id)
            given = [
                Acknowledgement(entry.user, entry.at)
                for entry in _history(alert)
                if entry.user and entry.at >= since and _is_answer(entry, drill_id)
            ]
            return min(given, key=lambda answer: answer.at, default=None)

        return understood(SYSTEM, f"the history of drill {drill_id}", first)

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return nothing: Alerta shows alerts to all who look, it pages nobody."""
        identifier(drill_id, "drill_id")
        return ()

    def _alert(self, drill_id: str) -> Mapping[str, Any] | None:
        wanted = {
            # A phrase: as plain parameter `tag`, Alerta 9.1 on PostgreSQL answers 500.
            "q": f'tags:"drill_id={identifier(drill_id, "drill_id")}"',
            "show-history": "true",
            "show-raw-data": "true",
        }
        body = ask(self._alerta, self._access, "/alerts", wanted)
        found = understood(SYSTEM, "its alerts", lambda: [dict(alert) for alert in body["alerts"]])
        return found[0] if found else None

    def _read(self, alert: Mapping[str, Any], drill_id: str, status: Status) -> Receipt | None:
        at = _arrived(alert, drill_id) if status == "firing" else _resolved(alert, drill_id)
        if at is None:
            return None
        raw = _raw(alert)
        return Receipt(
            drill_id=drill_id,
            status=status,
            receiver=self.name,
            at=at,
            fingerprint=str(raw.get("fingerprint", "")) if _is_of(raw, drill_id) else "",
            sha256=digest(alert),
            uri=f"{self._alerta.base_url}/alert/{alert['id']}",
        )


def _arrived(alert: Mapping[str, Any], drill_id: str) -> datetime:
    """Return when the drill's notice arrived; at the latest, where Alerta joined it to an open alert."""
    if named := _named(alert, drill_id):
        return min(named)
    only = alert["duplicateCount"] == 0 and _is_of(_raw(alert), drill_id)
    return _moment(alert["createTime"] if only else alert["lastReceiveTime"])


def _named(alert: Mapping[str, Any], drill_id: str) -> list[datetime]:
    """Return when the history says that a notice of the firing drill came; empty where it was joined."""
    return [entry.at for entry in _notices(alert, drill_id) if entry.status not in OVER]


def _resolved(alert: Mapping[str, Any], drill_id: str) -> datetime | None:
    named = [entry.at for entry in _notices(alert, drill_id) if entry.status in OVER]
    if named:
        return min(named)
    raw = _raw(alert)  # the notice came when a person had closed the alert: that is no entry in the history
    last = _is_of(raw, drill_id) and raw.get("status") == "resolved"
    return _moment(alert["lastReceiveTime"]) if last and alert["status"] in OVER else None


def _is_answer(entry: _Entry, drill_id: str) -> bool:
    by_status = entry.kind == "status" and entry.status == "ack" and not names(entry.text, drill_id)
    return entry.kind == "ack" or by_status


def _notices(alert: Mapping[str, Any], drill_id: str) -> Iterator[_Entry]:
    """The entries that Alertmanager's notices of this drill made: their text is that of the drill."""
    return (
        entry
        for entry in _history(alert)
        if entry.kind in ("new", "severity", "status") and names(entry.text, drill_id)
    )


def _history(alert: Mapping[str, Any]) -> Iterator[_Entry]:
    for entry in alert["history"]:
        kind, status = str(entry["type"]), str(entry["status"])
        user, text = str(entry["user"] or ""), str(entry["text"] or "")
        yield _Entry(kind, status, text, user, _moment(entry["updateTime"]))


def _raw(alert: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the alert of Alertmanager's last notice, as Alerta keeps it; empty where it does not."""
    raw = alert.get("rawData")
    try:
        parsed = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_of(raw: Mapping[str, Any], drill_id: str) -> bool:
    labels = raw.get("labels")
    return isinstance(labels, dict) and labels.get("drill_id") == drill_id


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
