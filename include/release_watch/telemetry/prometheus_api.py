"""What Prometheus says of itself: loaded rules, active alerts, targets, Alertmanagers, retention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from release_watch.errors import BackendError
from release_watch.telemetry.answers import get, shortened, understood
from release_watch.transport import Transport

BACKEND = "Prometheus"
_UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_NEVER = "0001-01-01"
_SCRAPE_INTERVAL = re.compile(r"^global:\n(?:[ \t].*\n)*?[ \t]+scrape_interval:[ \t]*(\S+)", re.MULTILINE)


class LoadedRule(NamedTuple):
    """A rule as Prometheus runs it. ``kind`` is alerting or recording, ``health`` ok, err or unknown.

    ``duration_seconds`` is its ``for``, ``keep_firing_seconds`` its ``keep_firing_for``.
    """

    group: str
    file: str
    name: str
    kind: str
    query: str
    duration_seconds: float
    keep_firing_seconds: float
    labels: dict[str, str]
    annotations: dict[str, str]
    health: str
    last_error: str
    state: str
    last_evaluation: datetime | None
    interval_seconds: float


class ActiveAlert(NamedTuple):
    """An alert that is pending or firing."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: datetime
    value: float


class Target(NamedTuple):
    """A scrape target. ``health`` is up, down or unknown."""

    job: str
    url: str
    labels: dict[str, str]
    health: str
    last_error: str
    last_scrape: datetime | None


def rules(transport: Transport) -> list[LoadedRule]:
    """Return every loaded rule in the order in which Prometheus lists them."""
    data = _data(transport, "/api/v1/rules")
    return understood(
        BACKEND, "rules", lambda: [_rule(group, rule) for group in data["groups"] for rule in group["rules"]]
    )


def alerts(transport: Transport) -> list[ActiveAlert]:
    """Return every pending or firing alert."""
    data = _data(transport, "/api/v1/alerts")
    return understood(BACKEND, "alerts", lambda: [_alert(alert) for alert in data["alerts"]])


def targets(transport: Transport) -> list[Target]:
    """Return every active scrape target."""
    data = _data(transport, "/api/v1/targets", {"state": "active"})
    return understood(BACKEND, "targets", lambda: [_target(target) for target in data["activeTargets"]])


def alertmanagers(transport: Transport) -> list[str]:
    """Return the addresses of the Alertmanagers that alerts are sent to; empty for seconds after a reload."""
    data = _data(transport, "/api/v1/alertmanagers")
    return understood(
        BACKEND, "Alertmanagers", lambda: [str(one["url"]) for one in data["activeAlertmanagers"]]
    )


def retention(transport: Transport) -> timedelta | None:
    """Return how long samples are kept, or None where the server does not say so in time."""
    data = _data(transport, "/api/v1/status/runtimeinfo")
    text = understood(BACKEND, "retention", lambda: str(data.get("storageRetention", "")))
    parts = re.findall(r"(\d+)([ywdhms])(?![A-Za-z])", text)
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts)) if parts else None


def reload_succeeded(transport: Transport) -> bool:
    """Return whether the configuration and rules were read at the last reload."""
    data = _data(transport, "/api/v1/status/runtimeinfo")
    return understood(BACKEND, "runtime information", lambda: data["reloadConfigSuccess"] is True)


def scrape_interval(transport: Transport) -> timedelta | None:
    """Return how often targets are scraped that do not say otherwise; None if the server does not tell."""
    data = _data(transport, "/api/v1/status/config")
    found = understood(BACKEND, "configuration", lambda: _SCRAPE_INTERVAL.search(str(data["yaml"])))
    parts = re.findall(r"(\d+)([ywdhms])(?![A-Za-z])", found[1]) if found else []
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts)) if parts else None


def reload(transport: Transport) -> None:
    """Have Prometheus read its configuration and rules again.

    Raises:
        BackendError: with Prometheus' words, if it refuses; the former configuration then stays in force.
    """
    try:
        answer = transport.request("POST", "/-/reload")
    except BackendError as error:
        raise BackendError(BACKEND, f"reload failed: {error}", status=error.status) from error
    if answer.status in (403, 404, 405):
        remedy = "start it with --web.enable-lifecycle"
        raise BackendError(BACKEND, f"reload is not allowed; {remedy}", status=answer.status)
    if answer.status >= 400:
        words = f"reload answered {answer.status}: {shortened(answer.body)}"
        raise BackendError(BACKEND, words, status=answer.status)


def _data(transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> Any:
    body = get(transport, BACKEND, path, params)
    if not isinstance(body, dict) or body.get("status") != "success":
        raise BackendError(BACKEND, f"{transport.base_url}{path} gave no result: {shortened(body)}")
    return body["data"]


def _rule(group: Mapping[str, Any], rule: Mapping[str, Any]) -> LoadedRule:
    return LoadedRule(
        group=group["name"],
        file=group["file"],
        name=rule["name"],
        kind=rule["type"],
        query=rule["query"],
        duration_seconds=float(rule.get("duration", 0)),
        keep_firing_seconds=float(rule.get("keepFiringFor", 0)),
        labels=dict(rule.get("labels") or {}),
        annotations=dict(rule.get("annotations") or {}),
        health=rule["health"],
        last_error=rule.get("lastError", ""),
        state=rule.get("state", ""),
        last_evaluation=_moment(rule.get("lastEvaluation")),
        interval_seconds=float(group.get("interval", 0)),
    )


def _alert(alert: Mapping[str, Any]) -> ActiveAlert:
    active_at = _moment(alert["activeAt"])
    if active_at is None:
        raise ValueError("an alert without activeAt")
    return ActiveAlert(
        labels=dict(alert["labels"]),
        annotations=dict(alert.get("annotations") or {}),
        state=alert["state"],
        active_at=active_at,
        value=float(alert["value"]),
    )


def _target(target: Mapping[str, Any]) -> Target:
    labels = dict(target["labels"])
    return Target(
        job=labels.get("job", target.get("scrapePool", "")),
        url=target["scrapeUrl"],
        labels=labels,
        health=target["health"],
        last_error=target.get("lastError", ""),
        last_scrape=_moment(target.get("lastScrape")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if not text or text.startswith(_NEVER) else datetime.fromisoformat(text)
