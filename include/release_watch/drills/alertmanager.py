"""What a drill asks of Alertmanager: alerts, silences, the live configuration, notification counters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.clock import rfc3339
from release_watch.errors import BackendError
from release_watch.telemetry.answers import get, shortened, understood
from release_watch.transport import Transport

BACKEND = "Alertmanager"
DRILL_FILTER = 'drill="true"'
FINAL_FAILURES = "alertmanager_notifications_failed_total"
"""Notifications given up for good."""
REQUEST_FAILURES = "alertmanager_notification_requests_failed_total"
"""Single attempts that failed; Alertmanager repeats them until the group's next flush."""
ATTEMPTS = "alertmanager_notification_requests_total"

_SAMPLE = re.compile(
    r'^(?P<name>\w+)\{(?:[^}]*,)?integration="(?P<integration>[^"]+)"[^}]*\} (?P<value>\S+)$'
)


class RoutedAlert(NamedTuple):
    """An alert as Alertmanager holds it; ``state`` is active, suppressed or unprocessed."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    state: str
    receivers: tuple[str, ...]
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]


class Notifications(NamedTuple):
    """Alertmanager's counters by integration (``webhook``, ``email``, ...) since it started."""

    attempts: Mapping[str, float]
    failed_requests: Mapping[str, float]
    failed: Mapping[str, float]

    def since(self, earlier: Notifications) -> Notifications:
        """Return how much each counter grew; one that was reset by a restart counts from zero."""
        return Notifications(*(_growth(now, then) for now, then in zip(self, earlier, strict=True)))


def alerts(alertmanager: Transport, filters: Sequence[str]) -> list[RoutedAlert]:
    """Return the alerts that match every filter, silenced and inhibited ones too.

    Raises:
        BackendError: if Alertmanager does not answer, or not with a list of alerts.
    """
    found = get(alertmanager, BACKEND, "/api/v2/alerts", {"filter": list(filters)})
    return understood(BACKEND, "alerts", lambda: [_alert(entry) for entry in found])


def silence(alertmanager: Transport, silence_id: str) -> dict[str, Any]:
    """Return one silence as the API gives it: ``createdBy``, ``comment``, ``endsAt``, ``matchers``."""
    found = get(alertmanager, BACKEND, f"/api/v2/silence/{silence_id}")
    return understood(BACKEND, "a silence", lambda: dict(found))


def live_configuration(alertmanager: Transport) -> str:
    """Return the YAML that Alertmanager runs with; it has ``<secret>`` where secrets are.

    Raises:
        BackendError: if Alertmanager does not answer.
    """
    status = get(alertmanager, BACKEND, "/api/v2/status")
    return understood(BACKEND, "its configuration", lambda: str(status["config"]["original"]))


def notifications(alertmanager: Transport) -> Notifications:
    """Return the notification counters from ``/metrics``."""
    text = str(get(alertmanager, BACKEND, "/metrics"))
    return Notifications(*(_counter(text, name) for name in (ATTEMPTS, REQUEST_FAILURES, FINAL_FAILURES)))


def _counter(text: str, name: str) -> dict[str, float]:
    total: dict[str, float] = {}
    for line in text.splitlines():
        sample = _SAMPLE.match(line)
        if sample and sample["name"] == name:
            total[sample["integration"]] = total.get(sample["integration"], 0.0) + float(sample["value"])
    return total


def expire(alertmanager: Transport, left: Iterable[RoutedAlert], at: datetime) -> None:
    """Resolve alerts at once by posting them again with an end; none is no request.

    Raises:
        BackendError: if Alertmanager does not take it.
    """
    ended = [
        {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": alert.starts_at,
            "endsAt": rfc3339(at),
        }
        for alert in left
    ]
    if not ended:
        return
    answer = alertmanager.request("POST", "/api/v2/alerts", json=ended)
    if answer.status != 200:
        raise BackendError(BACKEND, f"POST /api/v2/alerts: {shortened(answer.body)}", status=answer.status)


def _alert(entry: Any) -> RoutedAlert:
    status = entry["status"]
    return RoutedAlert(
        fingerprint=str(entry["fingerprint"]),
        labels=dict(entry["labels"]),
        annotations=dict(entry["annotations"]),
        starts_at=str(entry["startsAt"]),
        state=str(status["state"]),
        receivers=tuple(str(receiver["name"]) for receiver in entry["receivers"]),
        silenced_by=tuple(status["silencedBy"]),
        inhibited_by=tuple(status["inhibitedBy"]),
    )


def _growth(now: Mapping[str, float], then: Mapping[str, float]) -> dict[str, float]:
    grown = {name: value - then.get(name, 0.0) for name, value in now.items()}
    return {name: now[name] if growth < 0 else growth for name, growth in grown.items()}
