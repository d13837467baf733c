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
POSTED_TO = "/api/v2/alerts"

_SAMPLE = re.compile(
    r'^(?P<name>\w+)\{(?P<labels>(?:[^}]*,)?integration="(?P<integration>[^"]+)"[^}]*)\} (?P<value>\S+)$'
)
_REASON = re.compile(r'(?:^|,)reason="([^"]*)"')


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
    """Alertmanager's counters by integration (``webhook``, ``email``, ...) since it started.

    ``reasons`` counts those in ``failed`` by ``<integration>/<reason>`` (``clientError``, ``serverError``,
    ...), as Alertmanager does from 0.26 on; before, it is empty.
    """

    attempts: Mapping[str, float]
    failed_requests: Mapping[str, float]
    failed: Mapping[str, float]
    reasons: Mapping[str, float] = {}

    def since(self, earlier: Notifications) -> Notifications:
        """Return how much each counter grew; one that was reset by a restart counts from zero."""
        return Notifications(*(_growth(now, then) for now, then in zip(self, earlier, strict=True)))


class AlertmanagerDownError(BackendError):
    """Alertmanager does not answer, so that no alert is routed at all."""

    def __init__(self, alertmanager: Transport, error: BackendError) -> None:
        super().__init__(
            BACKEND,
            f"does not answer at {alertmanager.base_url} ({error}). While it is down nobody is told of any "
            "alert. Start it, or correct the connection alertmanager_default, and drill again.",
            status=error.status,
        )


def alerts(alertmanager: Transport, filters: Sequence[str]) -> list[RoutedAlert]:
    """Return the alerts that match every filter, silenced and inhibited ones too.

    Raises:
        BackendError: if Alertmanager does not answer, or not with a list of alerts.
    """
    found = _get(alertmanager, POSTED_TO, {"filter": list(filters)})
    return understood(BACKEND, "alerts", lambda: [_alert(entry) for entry in found])


def silence(alertmanager: Transport, silence_id: str) -> dict[str, Any]:
    """Return one silence as the API gives it: ``createdBy``, ``comment``, ``endsAt``, ``matchers``."""
    found = _get(alertmanager, f"/api/v2/silence/{silence_id}")
    return understood(BACKEND, "a silence", lambda: dict(found))


def live_configuration(alertmanager: Transport) -> str:
    """Return the YAML that Alertmanager runs with; it has ``<secret>`` where secrets are.

    Raises:
        BackendError: if Alertmanager does not answer.
    """
    status = _get(alertmanager, "/api/v2/status")
    return understood(BACKEND, "its configuration", lambda: str(status["config"]["original"]))


def notifications(alertmanager: Transport) -> Notifications:
    """Return the notification counters from ``/metrics``."""
    text = str(_get(alertmanager, "/metrics"))
    attempts, failed_requests, failed = (
        _counter(text, name) for name in (ATTEMPTS, REQUEST_FAILURES, FINAL_FAILURES)
    )
    return Notifications(attempts, failed_requests, failed, _counter(text, FINAL_FAILURES, by_reason=True))


def _counter(text: str, name: str, *, by_reason: bool = False) -> dict[str, float]:
    total: dict[str, float] = {}
    for line in text.splitlines():
        sample = _SAMPLE.match(line)
        if not sample or sample["name"] != name:
            continue
        reason = _REASON.search(sample["labels"])
        if by_reason and not reason:
            continue
        key = f"{sample['integration']}/{reason[1]}" if by_reason and reason else sample["integration"]
        total[key] = total.get(key, 0.0) + float(sample["value"])
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
            # Alertmanager refuses an end before the start, which is by the clock of whoever raised the alert.
            "endsAt": rfc3339(max(at, datetime.fromisoformat(alert.starts_at))),
        }
        for alert in left
    ]
    if ended:
        post(alertmanager, ended)


def post(alertmanager: Transport, posted: Sequence[Mapping[str, Any]]) -> None:
    """Hand alerts to Alertmanager.

    Raises:
        BackendError: if Alertmanager does not take one of them; it then has the others all the same.
    """
    try:
        answer = alertmanager.request("POST", POSTED_TO, json=list(posted))
    except BackendError as error:
        raise AlertmanagerDownError(alertmanager, error) from error
    if answer.status != 200:
        raise BackendError(BACKEND, f"POST {POSTED_TO}: {shortened(answer.body)}", status=answer.status)


def _get(alertmanager: Transport, path: str, params: Mapping[str, Any] | None = None) -> Any:
    try:
        return get(alertmanager, BACKEND, path, params)
    except BackendError as error:
        if error.status is not None and error.status < 500:
            raise
        raise AlertmanagerDownError(alertmanager, error) from error


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
