"""Alert quality of services, from what knows: Prometheus, the ticket tracker or a file, Alertmanager."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from release_watch.assurance.quality import history
from release_watch.assurance.quality.incidents_csv import read_incidents
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.measures import Asked, measure
from release_watch.assurance.quality.models import AlertReport
from release_watch.assurance.quality.silences import Silence, silences_in, silences_told
from release_watch.catalog.config import Config
from release_watch.errors import NotConfiguredError, ReleaseWatchError
from release_watch.response.incidents import Incident
from release_watch.response.tickets import tickets_of
from release_watch.telemetry.metrics import Metrics
from release_watch.transport import Transport

CARRIED_OVER = timedelta(days=7)
"""Tickets are asked for so long before the window: they may still be open in it."""


class Sources(Protocol):
    """Where history is; ``release_watch.telemetry.backends.Backends`` is one."""

    def metrics(self) -> Metrics:
        """Return where metrics are queried."""
        ...

    def tickets(self) -> Transport:
        """Return the ticket system."""
        ...

    def alertmanager(self) -> Transport:
        """Return the Alertmanager that routes alerts."""
        ...


class KnownIncidents(NamedTuple):
    """Incidents and verdicts, oldest first, and where from; ``found`` None: nobody told, for ``problem``."""

    found: list[Incident] | None
    source: str
    problem: str | None

    def lasting_into(self, window: tuple[datetime, datetime]) -> list[Incident]:
        """Return those that lasted into a window (start, end)."""
        return [one for one in self.found or () if one.lasts_into(window)]


class KnownSilences(NamedTuple):
    """Silences, and where from; ``found`` None: they are not known, ``source`` says why."""

    found: list[Silence] | None
    source: str


class Past(NamedTuple):
    """All that alerts are measured by; ``notes`` say what part of the history is not known."""

    alerts: Sequence[AlertInterval]
    tickets: KnownIncidents
    silences: KnownSilences
    notes: tuple[str, ...]


def alert_quality(
    sources: Sources,
    config: Config,
    window: tuple[datetime, datetime],
    services: Sequence[str],
    *,
    environment: str | None = None,
    file: Path | None = None,
    tickets: KnownIncidents | None = None,
) -> AlertReport:
    """Return how the alerts of ``services`` and their incidents agreed in ``window`` (start, end).

    ``tickets`` are those that were asked for already, by :func:`known_incidents` or :func:`incidents_or_why`.

    Incidents are those of the ticket tracker and of the CSV ``file``, where a row takes the place of the
    ticket with its id, and so adds what the tracker does not tell. Without a tracker and a file nothing is
    reviewed; a tracker that is configured and does not answer is an error, as half of the incidents would
    make false misses and false alarms. Without Alertmanager, silences are not known.

    Raises:
        BackendError: if Prometheus or the tracker does not answer.
        InvalidInputError: if the file cannot be read.
    """
    if tickets is None:
        tickets = known_incidents(sources, config, window[0], services, file)
    past = Past(
        alerts_of(sources.metrics(), config, window, services, environment),
        tickets,
        known_silences(sources),
        blind_notes(sources.metrics(), window, environment),
    )
    return report_of(past, config, window, services, environment=environment)


def report_of(
    past: Past,
    config: Config,
    window: tuple[datetime, datetime],
    services: Sequence[str],
    *,
    environment: str | None = None,
) -> AlertReport:
    """Return how alerts and incidents agreed that were read before; ``past`` holds none of other services."""
    queries = {
        "firing": history.firing_query(services, environment),
        "active_since": history.active_query(services, environment),
        "server_alive": history.alive_query(environment),
        "silences": past.silences.source,
    }
    return measure(
        past.alerts,
        past.tickets.found,
        window=window,
        policy=config.policies.alert_quality,
        catalog=config.catalog,
        oncall=config.oncall,
        silences=past.silences.found,
        asked=Asked(queries, past.tickets.source, past.tickets.problem, past.notes),
    )


def alerts_of(
    metrics: Metrics,
    config: Config,
    window: tuple[datetime, datetime],
    services: Sequence[str],
    environment: str | None = None,
) -> list[AlertInterval]:
    """Return when alerts of ``services`` fired in ``window`` (start, end), read as the policy says.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    policy = config.policies.alert_quality
    return history.alert_history(
        metrics,
        window,
        services,
        environment=environment,
        resolution=policy.resolution,
        joined_gap=policy.joined_gap,
    )


def blind_notes(
    metrics: Metrics, window: tuple[datetime, datetime], environment: str | None = None
) -> tuple[str, ...]:
    """Return in words for how much of a window it is not known what fired; nothing if all is known.

    Raises:
        BackendError: if Prometheus does not answer.
    """
    blind, hours = history.blind_hours(metrics, window, environment)
    if not blind:
        return ()
    words = (
        f"in {blind} of {hours} hours the dead man's switch did not fire: what else did is not known; look "
        "at the server's retention, and when the rules were activated"
    )
    return (words,)


def known_incidents(
    sources: Sources, config: Config, start: datetime, services: Sequence[str], file: Path | None = None
) -> KnownIncidents:
    """Return the incidents of ``services`` in a window from ``start``; see :func:`alert_quality`.

    Raises:
        BackendError: if the tracker does not answer.
        InvalidInputError: if the file cannot be read.
    """
    known = [service.name for service in config.catalog.services]
    wanted = {*services, None}
    found: dict[str, Incident] = {}
    names, problem = [], None
    try:
        transport = sources.tickets()
    except NotConfiguredError as error:
        problem = str(error)
    else:
        tracker = tickets_of(transport, config.policies.response.tickets)
        # Of all services: whose ticket one is does not depend on who asks.
        everyone = [*known, *(name for name in services if name not in known)]
        told = tracker.incidents(start - CARRIED_OVER, everyone)
        found |= {one.id: one for one in told if one.service in wanted}
        names.append(f"{config.policies.response.tickets.tracker} at {transport.base_url}")
    if file is not None:
        found |= {one.id: one for one in read_incidents(file, known) if one.service in wanted}
        names.append(f"{file.name} (SHA-256 {_sha256(file)})")
    if not names:
        return KnownIncidents(None, "none", problem)
    return KnownIncidents(
        sorted(found.values(), key=lambda one: (one.opened_at, one.id)), " and ".join(names), None
    )


def incidents_or_why(
    sources: Sources, config: Config, start: datetime, services: Sequence[str]
) -> KnownIncidents:
    """Return what :func:`known_incidents` does; a tracker that does not answer leaves alerts unreviewed."""
    try:
        return known_incidents(sources, config, start, services)
    except ReleaseWatchError as error:
        return KnownIncidents(None, "none", str(error))


def known_silences(sources: Sources, told: Callable[[], Any] | None = None) -> KnownSilences:
    """Return the silences that Alertmanager still knows; where it does not answer they are not known.

    ``told`` gives its answer where that is read already.
    """
    try:
        alertmanager = sources.alertmanager()
        found = silences_in(told() if told else silences_told(alertmanager))
        return KnownSilences(found, f"{alertmanager.base_url}/api/v2/silences")
    except ReleaseWatchError as error:
        return KnownSilences(None, f"not known: {error}")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
