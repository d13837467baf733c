"""Why a drill did not pass a hop, and what to repair: asked of the servers at the moment it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from release_watch.drills import alertmanager
from release_watch.drills.routing import Integration, Routing
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.answers import get

if TYPE_CHECKING:
    from release_watch.drills.alertmanager import Notifications, RoutedAlert
    from release_watch.drills.plan import DrillRoute
    from release_watch.telemetry.backends import Backends

HopName = Literal["fired", "accepted", "delivered"]

DROPPED = ("prometheus_notifications_errors_total", "prometheus_notifications_dropped_total")


def diagnose(
    route: DrillRoute,
    hop: HopName,
    backends: Backends,
    *,
    drill_id: str,
    before: Notifications | None = None,
) -> str:
    """Return which cause kept a drill from passing ``hop``, with the repair, for a person on call.

    ``before`` are Alertmanager's counters from before the drill, needed to tell what the receiver answered.

    Raises:
        BackendError: if a server does not answer; that itself is then the cause.
    """
    if route.obstacle:
        return route.obstacle
    if hop == "fired":
        return _not_fired(drill_id, backends)
    found = alertmanager.alerts(backends.alertmanager(), [f'drill_id="{drill_id}"'])
    if not found:
        return _not_sent(backends)
    return (
        _suppressed(found[0], backends) or _elsewhere(route, found[0]) or _not_told(route, backends, before)
    )


def meanwhile(route: DrillRoute, backends: Backends, before: Notifications) -> str | None:
    """Return which integration of the receivers failed for good during a delivered drill, None if none."""
    failed = alertmanager.notifications(backends.alertmanager()).since(before).failed
    kinds = _kinds(route, backends)
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
    if not known:
        return (
            "Prometheus is connected to no Alertmanager: its list is empty, so no alert leaves it. Set "
            "alerting.alertmanagers in Prometheus' configuration, reload it, and drill again."
        )
    lost = [
        line
        for line in str(get(prometheus, "Prometheus", "/metrics")).splitlines()
        if line.startswith(DROPPED) and not line.endswith(" 0")
    ]
    told = f" It counts {'; '.join(lost)}." if lost else ""
    return (
        f"The alert fired in Prometheus but did not arrive in the Alertmanager at {ours}. Prometheus sends "
        f"to {', '.join(known)}.{told} If that is another Alertmanager, correct the connection "
        "alertmanager_default; else see why Prometheus cannot reach it."
    )


def _suppressed(alert: RoutedAlert, backends: Backends) -> str | None:
    server = backends.alertmanager()
    if alert.silenced_by:
        silence = alertmanager.silence(server, alert.silenced_by[0])
        return (
            f"Silenced until {silence.get('endsAt')} by {silence.get('createdBy')} "
            f"({silence.get('comment')!r}, silence {alert.silenced_by[0]}). A real page would be silenced "
            f"too: expire the silence (amtool silence expire {alert.silenced_by[0]}), or narrow it, and "
            "drill again."
        )
    if alert.inhibited_by:
        others = {one.fingerprint: one for one in alertmanager.alerts(server, [])}
        causes = [_name(others[print_]) for print_ in alert.inhibited_by if print_ in others]
        return (
            f"Inhibited by {', '.join(causes) or 'alert ' + alert.inhibited_by[0]}. A real page would be "
            "held back too: resolve that alert, or narrow inhibit_rules in Alertmanager's configuration, and "
            "drill again."
        )
    return None


def _elsewhere(route: DrillRoute, alert: RoutedAlert) -> str | None:
    went = alert.receivers
    path = " > ".join(route.way.route)
    if route.misrouted:
        return (
            f"The page of {route.service} goes to {', '.join(route.way.receivers)} by the route {path}. A "
            f"later route to {', '.join(route.expected)} matches it too and is never reached: the order of "
            f"the routes is wrong. Move the route to {', '.join(route.expected)} before it, or set continue: "
            "true on the earlier one."
        )
    if set(route.expected) <= set(went):
        return None
    return (
        f"Routed elsewhere: a real alert goes to {', '.join(route.expected)} by {path}, the drill went to "
        f"{', '.join(went)}. A route of its own for drills proves nothing about the real one: let both end "
        "at the same receiver."
    )


def _not_told(route: DrillRoute, backends: Backends, before: Notifications | None) -> str:
    grown = alertmanager.notifications(backends.alertmanager())
    if before is not None:
        grown = grown.since(before)
    receivers = ", ".join(route.expected)
    kinds = _kinds(route, backends)
    # The counters are per integration, not per receiver: other alerts that were sent meanwhile count too.
    failed = sum(grown.failed_requests.get(kind, 0) + grown.failed.get(kind, 0) for kind in kinds)
    attempts = sum(grown.attempts.get(kind, 0) for kind in kinds)
    where = f"{', '.join(sorted(kinds))} at {_addresses(route, backends)}"
    if failed:
        return (
            f"Receiver {receivers} does not take notifications: Alertmanager tried {where} and failed "
            f"{failed:.0f} times. Check that it listens, its URL and its credentials; Alertmanager's log has "
            "its answer."
        )
    if not attempts:
        return (
            f"Alertmanager holds the alert for receiver {receivers} but has not notified anybody yet: "
            f"{_TOO_SLOW}"
        )
    return (
        f"Alertmanager sent {attempts:.0f} notifications by {where} without an error, but no receipt of the "
        "drill was recorded. Check that it is the address of Release Watch's receipts (POST "
        "/release-watch/receipts), and that the web server and the workers have the same artifact root. If "
        f"those were other alerts: {_TOO_SLOW}"
    )


_TOO_SLOW = (
    "group_wait or group_interval of the route is longer than the target for delivery. Shorten it, put "
    "drill_id into group_by, or raise drill.deliver_within in policies.yaml."
)


def _kinds(route: DrillRoute, backends: Backends) -> set[str]:
    return {integration.kind for integration in _integrations(route, backends)}


def _addresses(route: DrillRoute, backends: Backends) -> str:
    known: Sequence[str] = sorted({one.address for one in _integrations(route, backends) if one.address})
    return ", ".join(known) or "an address that its configuration keeps secret"


def _integrations(route: DrillRoute, backends: Backends) -> list[Integration]:
    routing = Routing(alertmanager.live_configuration(backends.alertmanager()), backends.amtool())
    return [integration for receiver in route.expected for integration in routing.integrations(receiver)]


def _name(alert: RoutedAlert) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()) if key != "alertname")
    return f"{alert.labels.get('alertname', 'an alert')} ({labels})"
