"""Why a receiver did not get what Alertmanager holds for it: refused, failing, not there, or not asked yet.

From 0.26 on Alertmanager counts failures by reason. Before, it tells by what it does: an answer 4xx is final
at once, after a 5xx or without an answer it tries again until the group's next flush.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from release_watch.drills import alertmanager
from release_watch.drills.routing import Integration, Routing

if TYPE_CHECKING:
    from release_watch.drills.alertmanager import Notifications
    from release_watch.telemetry.backends import Backends

CONNECT_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443}


class Counts(NamedTuple):
    """What Alertmanager counted for some integrations since the drill was launched.

    The counters are per integration, not per receiver: other alerts that were sent meanwhile count too.
    """

    attempts: float
    failed_requests: float
    failed: float
    refused: float
    """Given up because of a 4xx answer, as far as Alertmanager says why."""
    unavailable: float
    """Given up because of a 5xx answer, as far as Alertmanager says why."""

    @classmethod
    def of(cls, kinds: set[str], grown: Notifications) -> Counts:
        """Return the counts of the integrations ``kinds``."""
        return cls(
            attempts=sum(grown.attempts.get(kind, 0) for kind in kinds),
            failed_requests=sum(grown.failed_requests.get(kind, 0) for kind in kinds),
            failed=sum(grown.failed.get(kind, 0) for kind in kinds),
            refused=sum(grown.reasons.get(f"{kind}/clientError", 0) for kind in kinds),
            unavailable=sum(grown.reasons.get(f"{kind}/serverError", 0) for kind in kinds),
        )

    @property
    def all_final(self) -> bool:
        """Whether the attempts that failed were given up at once; a flush that is repeated fails many."""
        return self.failed > 0 and 2 * self.failed >= self.failed_requests


def not_told(receivers: Sequence[str], backends: Backends, before: Notifications | None) -> str:
    """Return why ``receivers`` have no record of an alert that Alertmanager holds for them."""
    grown = alertmanager.notifications(backends.alertmanager())
    if before is not None:
        grown = grown.since(before)
    ways = integrations(receivers, backends)
    counts = Counts.of({way.kind for way in ways}, grown)
    names = ", ".join(receivers)
    where = f"{', '.join(sorted({way.kind for way in ways}))} at {_addresses(ways)}"
    if counts.failed or counts.failed_requests:
        return _failing(names, where, ways, counts)
    if not counts.attempts:
        return (
            f"Alertmanager holds the alert for receiver {names} but has not notified anybody yet: {_TOO_SLOW}"
        )
    return (
        f"Alertmanager sent {counts.attempts:.0f} notifications by {where} without an error, but receiver "
        f"{names} has no record of the drill.{_record_of(ways)} If those were other alerts: {_TOO_SLOW}"
    )


def integrations(receivers: Sequence[str], backends: Backends) -> list[Integration]:
    """Return the ways in which ``receivers`` tell people, by the live configuration."""
    routing = Routing(alertmanager.live_configuration(backends.alertmanager()), backends.amtool())
    return [integration for receiver in receivers for integration in routing.integrations(receiver)]


def _failing(names: str, where: str, ways: Sequence[Integration], counts: Counts) -> str:
    tried = f"Alertmanager tried {where} and failed {max(counts.failed, counts.failed_requests):.0f} times"
    if counts.refused or (counts.all_final and not counts.unavailable):
        return (
            f"Receiver {names} refuses the notifications (4xx): {tried}, each time for good. 401 or 403 is a "
            "missing or wrong key (authorization in http_config of the receiver), 404 a wrong path in its "
            "URL. Correct it in Alertmanager's configuration, and drill again; Alertmanager's log has the "
            "answer."
        )
    deaf = [words for way in ways if (words := _unreachable(way.address)) is not None]
    if deaf and not counts.unavailable:
        return (
            f"Receiver {names} cannot be reached, seen from here: {'; '.join(deaf)}. {tried}. Start the "
            "receiver, or correct its URL in Alertmanager's configuration, and drill again."
        )
    if counts.unavailable or all(way.address for way in ways):
        return (
            f"Receiver {names} fails (5xx or no answer in time): {tried}, and repeats it. Something listens "
            "there; see the receiver's own log, repair it, and drill again."
        )
    return (
        f"Receiver {names} does not take notifications: {tried}, and repeats it. Check that it listens and "
        "answers, and its URL; Alertmanager's log has its answer."
    )


def _record_of(ways: Sequence[Integration]) -> str:
    if {way.kind for way in ways} != {"webhook"}:
        return " See whether it arrived there, and whether the receiver's connection asks the same account."
    return (
        " Check that it is the address of Release Watch's receipts (POST /release-watch/receipts), and that "
        "the web server and the workers have the same artifact root; for a pager of another kind, name it "
        "in drill.receivers of policies.yaml."
    )


_TOO_SLOW = (
    "group_wait or group_interval of the route is longer than the target for delivery, or a mute time of the "
    "route is on. Shorten it, put drill_id into group_by, or raise drill.deliver_within in policies.yaml."
)


def _addresses(ways: Sequence[Integration]) -> str:
    known = sorted({way.address for way in ways if way.address})
    return ", ".join(known) or "an address that its configuration keeps secret"


def _unreachable(address: str | None) -> str | None:
    """Return why nobody can be connected at an address; None if somebody listens, or it is not known."""
    if not address:
        return None
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
        if host is None or port is None:
            return None
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return f"nobody answers at {address} ({error})"
    return None
