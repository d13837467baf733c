"""Why a drill did not pass a hop, and what to repair: asked of the servers at the moment it failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import yaml

from release_watch.clock import in_words
from release_watch.drills import alertmanager
from release_watch.drills.notifying import integrations, not_told
from release_watch.drills.rulefile import server_time
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.answers import get, understood

if TYPE_CHECKING:
    from release_watch.drills.alertmanager import Notifications, RoutedAlert
    from release_watch.drills.plan import DrillRoute
    from release_watch.telemetry.backends import Backends
    from release_watch.transport import Transport

HopName = Literal["fired", "accepted", "delivered"]

FORGETFUL = timedelta(seconds=15)
"""For how long after a reload an empty list of Alertmanagers is nothing but the reload (5 s, as a rule)."""
LAST_RELOAD = "prometheus_config_last_reload_success_timestamp_seconds"
DROPPED = ("prometheus_notifications_errors_total", "prometheus_notifications_dropped_total")


def diagnose(
    route: DrillRoute,
    hop: HopName,
    backends: Backends,
    *,
    drill_id: str,
    before: Notifications | None = None,
    missing: Sequence[str] | None = None,
    direct: bool = False,
) -> str:
    """Return which cause kept a drill from passing ``hop``, with the repair, for a person on call.

    ``before`` are Alertmanager's counters from before the drill, needed to tell what the receiver answered;
    ``missing`` are the receivers without a record of it, None for all. A ``direct`` drill was posted to
    Alertmanager.

    Raises:
        BackendError: if a server does not answer; that itself is then the cause.
    """
    if route.obstacle:
        return route.obstacle
    if hop == "fired":
        return _not_fired(drill_id, backends)
    found = alertmanager.alerts(backends.alertmanager(), [f'drill_id="{drill_id}"'])
    if not found:
        return _not_kept(backends) if direct else _not_sent(backends)
    return (
        _suppressed(found[0], backends)
        or _elsewhere(route, found[0])
        or _not_told(route, missing, backends, before)
    )


def meanwhile(route: DrillRoute, backends: Backends, before: Notifications) -> str | None:
    """Return which integration of the receivers failed for good during a delivered drill, None if none."""
    failed = alertmanager.notifications(backends.alertmanager()).since(before).failed
    kinds = {way.kind for way in integrations(route.expected, backends)}
    broken = {kind: count for kind, count in failed.items() if kind in kinds and count}
    if not broken:
        return None
    counts = ", ".join(f"{kind}: {count:.0f}" for kind, count in sorted(broken.items()))
    return (
        f"Delivered, but Alertmanager gave up notifications meanwhile ({counts}). A receiver has an "
        "integration that does not work; Alertmanager's log says which."
    )


def _not_fired(drill_id: str, backends: Backends) -> str:
    loaded = [
        rule
        for rule in prometheus_api.rules(backends.prometheus())
        if rule.labels.get("drill_id") == drill_id
    ]
    if not loaded:
        return (
            f"Prometheus did not load the drill rule from {backends.rules_directory()}: after the reload it "
            "is not among its rules. Check that rule_files of Prometheus matches *.yaml in that folder, and "
            "that the folder in the connection's extra (rules_directory) is the one Prometheus reads."
        )
    rule = loaded[0]
    if rule.health == "err":
        return f"Prometheus cannot evaluate the drill rule: {rule.last_error}. Check Prometheus' log."
    return (
        f"The drill rule is loaded from {rule.file} and healthy ({rule.health}), but did not fire: "
        "Prometheus is late with its evaluations. Check prometheus_rule_group_iterations_missed_total, and "
        "the load of the server."
    )


def _not_sent(backends: Backends) -> str:
    prometheus = backends.prometheus()
    known = prometheus_api.alertmanagers(prometheus)
    ours = backends.alertmanager().base_url
    counted = str(get(prometheus, "Prometheus", "/metrics")).splitlines()
    if not known:
        return _not_connected(prometheus, counted)
    lost = [line for line in counted if line.startswith(DROPPED) and not line.endswith(" 0")]
    told = f" It counts {'; '.join(lost)}." if lost else ""
    return (
        f"The alert fired in Prometheus but did not arrive in the Alertmanager at {ours}. Prometheus sends "
        f"to {', '.join(known)}.{told} If that is another Alertmanager, correct the connection "
        "alertmanager_default; else see why Prometheus cannot reach it."
    )


def _not_connected(prometheus: Transport, counted: Sequence[str]) -> str:
    """Tell an Alertmanager that was never configured from one that is just not known."""
    body = get(prometheus, "Prometheus", "/api/v1/status/config")
    running = understood("Prometheus", "its configuration", lambda: yaml.safe_load(body["data"]["yaml"]))
    alerting = running.get("alerting") if isinstance(running, dict) else None
    if not (alerting or {}).get("alertmanagers"):
        return (
            "Prometheus is connected to no Alertmanager, and its configuration names none "
            "(alerting.alertmanagers is missing), so no alert leaves it. Add it, reload Prometheus, and "
            "drill again."
        )
    age = _since_reload(prometheus, counted)
    if age is not None and age < FORGETFUL:
        return (
            f"Prometheus' list of Alertmanagers is empty, {in_words(age)} after it was reloaded or started: "
            "for some seconds after each it knows none, and drops what fires then. One is configured: drill "
            "again, and see who reloads Prometheus so often."
        )
    return (
        "Prometheus has Alertmanagers configured, but its list of them is empty, so no alert leaves it: "
        "service discovery finds none, or relabelling drops them all. See the page Status > Service "
        "Discovery of Prometheus and its log, correct alerting.alertmanagers, and drill again."
    )


def _since_reload(prometheus: Transport, counted: Sequence[str]) -> timedelta | None:
    times = [line.rpartition(" ")[2] for line in counted if line.startswith(LAST_RELOAD + " ")]
    try:
        return server_time(prometheus) - datetime.fromtimestamp(float(times[0]), UTC)
    except (IndexError, ValueError):
        return None


def _not_kept(backends: Backends) -> str:
    return (
        f"Alertmanager at {backends.alertmanager().base_url} took the alert but does not hold it: behind the "
        "address is more than one Alertmanager that do not know each other, or it was restarted, or somebody "
        "ended the alert. Let the connection alertmanager_default lead to one of them, and drill again."
    )


def _suppressed(alert: RoutedAlert, backends: Backends) -> str | None:
    server = backends.alertmanager()
    if alert.silenced_by:
        silence = alertmanager.silence(server, alert.silenced_by[0])
        return (
            f"Silenced until {silence.get('endsAt')} by {silence.get('createdBy')} "
            f"({silence.get('comment')!r}, silence {alert.silenced_by[0]}). A real alert would be silenced "
            f"too: expire the silence (amtool silence expire {alert.silenced_by[0]}), or narrow it, and "
            "drill again."
        )
    if alert.inhibited_by:
        others = {one.fingerprint: one for one in alertmanager.alerts(server, [])}
        causes = [_name(others[print_]) for print_ in alert.inhibited_by if print_ in others]
        return (
            f"Inhibited by {', '.join(causes) or 'alert ' + alert.inhibited_by[0]}. A real alert would be "
            "held back too: resolve that alert, or narrow inhibit_rules in Alertmanager's configuration, and "
            "drill again."
        )
    return None


def _elsewhere(route: DrillRoute, alert: RoutedAlert) -> str | None:
    went = alert.receivers
    path = " > ".join(route.way.route)
    if route.misrouted:
        return (
            f"The {route.severity} of {route.service} goes to {', '.join(route.way.receivers)} by the "
            f"route {path}. A later route to {', '.join(route.expected)} matches it too and is never "
            f"reached: the order of the routes is wrong. Move the route to {', '.join(route.expected)} "
            "before it, or set continue: true on the earlier one."
        )
    if set(route.expected) <= set(went):
        return None
    return (
        f"Routed elsewhere: a real alert goes to {', '.join(route.expected)} by {path}, the drill went to "
        f"{', '.join(went)}. A route of its own for drills proves nothing about the real one: let both end "
        "at the same receiver."
    )


def _not_told(
    route: DrillRoute, missing: Sequence[str] | None, backends: Backends, before: Notifications | None
) -> str:
    without = tuple(missing or route.expected)
    has_it = [name for name in route.expected if name not in without]
    reached = f"Receiver {', '.join(has_it)} has it, {', '.join(without)} has not. " if has_it else ""
    return reached + not_told(without, backends, before)


def _name(alert: RoutedAlert) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()) if key != "alertname")
    return f"{alert.labels.get('alertname', 'an alert')} ({labels})"
