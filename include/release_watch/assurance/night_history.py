"""What fired and what happened in one environment, for all releases under watch together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.assurance.correlation import Correlation, correlation_of
from release_watch.assurance.once import Once
from release_watch.assurance.quality.collecting import (
    KnownIncidents,
    KnownSilences,
    Past,
    alerts_of,
    known_incidents,
    report_of,
)
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.catalog.config import Config
from release_watch.errors import ReleaseWatchError
from release_watch.response.incidents import Incident
from release_watch.telemetry.backends import Backends


class Window(NamedTuple):
    """Alerts are held against incidents from ``since`` until ``at``; they are read from ``earliest``."""

    earliest: datetime
    since: datetime
    at: datetime


class NightHistory:
    """Alerts, incidents and silences of ``services``, read when they are first asked for."""

    def __init__(
        self,
        environment: str | None,
        services: Sequence[str],
        backends: Backends,
        config: Config,
        window: Window,
        silences: Once[KnownSilences],
    ) -> None:
        self._environment, self._services = environment, tuple(services)
        self._config, self._window, self._silences = config, window, silences
        earliest, _, at = window
        self._alerts = Once(
            lambda: alerts_of(backends.metrics(), config, (earliest, at), self._services, environment)
        )
        self._tickets = Once(lambda: known_incidents(backends, config, earliest, self._services))

    def alerts(self, services: Sequence[str]) -> list[AlertInterval]:
        """Return when alerts of ``services`` fired since the night's window began.

        Raises:
            BackendError: if Prometheus does not answer.
        """
        since = self._window.since
        return [
            one if one.start >= since else one._replace(start=since, begun_before=True)
            for one in self._alerts()
            if one.service in services and one.end >= since
        ]

    def incidents(self, services: Sequence[str]) -> list[Incident]:
        """Return the incidents of ``services`` since the night's window began.

        Raises:
            BackendError: if the tracker does not answer.
            ReleaseWatchError: if there is none.
        """
        return [one for one in self._incidents_of(services) if one.opened_at >= self._window.since]

    def followed(self, service: str) -> tuple[list[AlertInterval], list[Incident]]:
        """Return the alerts and incidents of a service for as long as the oldest approved change is judged.

        Raises:
            BackendError: if Prometheus or the tracker does not answer.
        """
        return [one for one in self._alerts() if one.service == service], self._incidents_of([service])

    def correlation(self, services: Sequence[str]) -> Correlation:
        """Return how alerts of ``services`` matched incidents; unreviewed where there is no tracker.

        Raises:
            BackendError: if Prometheus does not answer.
        """
        try:
            known = self._tickets()._replace(found=self._incidents_of(services))
        except ReleaseWatchError as error:
            known = KnownIncidents(None, "none", str(error))
        # Blind hours are not asked for: no verdict of the night is made of them.
        past = Past(self.alerts(services), known, self._silences(), ())
        window = (self._window.since, self._window.at)
        return correlation_of(report_of(past, self._config, window, services, environment=self._environment))

    def correlation_or_none(self, services: Sequence[str] | None = None) -> Correlation | None:
        """Return the correlation of ``services``, by default of all; None if nothing could be read."""
        wanted = self._services if services is None else [one for one in services if one in self._services]
        if not wanted:
            return None
        try:
            return self.correlation(wanted)
        except ReleaseWatchError:
            return None

    def _incidents_of(self, services: Sequence[str]) -> list[Incident]:
        """Return all known incidents of ``services``, also those that were open before."""
        known = self._tickets()
        if known.found is None:
            raise ReleaseWatchError(known.problem or "no source of incidents is configured")
        return [one for one in known.found if one.service in (None, *services)]
