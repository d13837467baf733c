"""What the night reads: each server once for all releases of an environment, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from release_watch.artifacts.models import InstrumentationAudit, ServiceAudit
from release_watch.assurance.attainment import Attainment, attainment_over, moments_of
from release_watch.assurance.correlation import Correlation, correlation_of
from release_watch.assurance.dashboards_there import dashboards_there
from release_watch.assurance.drift import Drift
from release_watch.assurance.drift.finding import unlooked
from release_watch.assurance.drift.live import Away
from release_watch.assurance.drift.of_the_night import DriftReading, Kept
from release_watch.assurance.once import Once
from release_watch.assurance.quality.collecting import (
    KnownIncidents,
    Past,
    alerts_of,
    known_incidents,
    known_silences,
    report_of,
)
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.silences import silences_told
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning.following import followed_since
from release_watch.assurance.tuning.kept import Readable
from release_watch.catalog.config import Config
from release_watch.catalog.models import MetricsSignal, Service
from release_watch.coverage.audit import audit, verdict_over
from release_watch.coverage.batches import batches
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.holes import FARTHEST_BACK
from release_watch.coverage.inquiry import Inquiry
from release_watch.coverage.presence import versions_seen
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.release import Release
from release_watch.response.incidents import Incident
from release_watch.slo.rules import WATCHDOG
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics, Sample

WATCHDOG_QUERY = f'ALERTS{{alertname="{WATCHDOG}",alertstate="firing"}}'
LOOK_BACK = timedelta(days=1)
MOST_ALONE = 10
"""So many young releases are audited by themselves, the newest; the others by their age."""
OF_ONE_AGE = timedelta(minutes=15)


class NightReading:
    """Everything that the checks of one environment look at; read when it is first asked for.

    The services of releases that were deployed long enough ago are audited together, a younger release by
    itself; where many are young, all but the newest few with those of their age. ``since`` is how far back
    alerts are held against incidents; ``tunings`` are the approved changes in force, what followed which is
    read with them.
    """

    def __init__(
        self,
        active: Sequence[ActiveRelease],
        backends: Backends,
        config: Config,
        at: datetime,
        since: datetime | None = None,
        kept: Kept | None = None,
        tunings: Readable | None = None,
    ) -> None:
        self.backends, self.config, self.at = backends, config, at
        self.since = since or at - LOOK_BACK
        self.tunings = tunings or Readable()
        self._earliest = min([self.since, *(followed_since(one, at) for one in self.tunings.tunings)])
        known = {service.name: service for service in config.catalog.services}
        self._active = [entry for entry in active if set(entry.services) <= set(known)]
        self._services = [known[name] for entry in self._active for name in entry.services]
        self.dashboards = Once(lambda: dashboards_there(backends.grafana()))
        told = Once(lambda: silences_told(backends.alertmanager()))
        self._drift = DriftReading(active, backends, config, at, kept or Kept(), self.dashboards, told)
        self.watchdog = Once(lambda: bool(backends.metrics().instant(WATCHDOG_QUERY, at)))
        self.budget_trend = Once(self._read_budgets)
        """The SLOs of all services at the moments of :func:`moments_of`, tonight last."""
        self._alerts = Once(self._read_alerts)
        self._tickets = Once(self._read_tickets)
        self._silences = Once(lambda: known_silences(backends, told))
        young = sorted(filter(self._is_young, self._active), key=_deployed_at, reverse=True)
        self._alone = frozenset(entry.release.release_id for entry in young[:MOST_ALONE])
        self._audited_together: dict[str, Once[dict[str, ServiceAudit]]] = {}
        self._audits = Once(
            lambda: {one.service: one for entry in self._active for one in self.coverage(entry)}
        )
        self._targets: dict[str, Once[dict[str, list[Sample]]]] = {}
        self._versions: dict[str, Once[dict[str, frozenset[str]]]] = {}

    def targets(self, service: Service) -> Sequence[Sample]:
        """Return ``up`` of each target of a service that the catalogue has a selector for.

        Raises:
            BackendError: if its Prometheus does not answer.
        """
        metrics = self.backends.metrics(service)
        once = self._targets.setdefault(
            metrics.base_url, Once(lambda: targets_up(metrics, self._signals(metrics), self.at))
        )
        return once()[service.name]

    def versions(self, service: Service) -> frozenset[str] | None:
        """Return the versions that send request metrics, None if nothing does.

        Raises:
            BackendError: if its Prometheus does not answer.
        """
        metrics = self.backends.metrics(service)
        once = self._versions.setdefault(
            metrics.base_url, Once(lambda: self._read_versions(metrics, self._signals(metrics)))
        )
        return once().get(service.name)

    def drifts(self, entry: ActiveRelease) -> tuple[Drift, ...]:
        """Return what is live in another meaning than the release activated it in.

        Raises:
            ReleaseWatchError: if what it activated cannot be read.
        """
        return self._drift.of(entry)

    def dashboards_uncompared(self, entry: ActiveRelease) -> int:
        """Return how many dashboards of a release were not held against what was activated tonight."""
        return self._drift.uncompared.get(entry.release.release_id, len(entry.dashboards))

    def drifted(self, entry: ActiveRelease) -> tuple[Drift, ...]:
        """Return what :meth:`drifts` found; where it found no answer, a drift of kind ``unknown``."""
        failed = unlooked("what was activated", Away("the check failed; see what it says"))
        return self._drift.found.get(entry.release.release_id, (failed,))

    def settled(self, entry: ActiveRelease) -> bool:
        """Return whether a release is audited with others, so that its version is asked for by itself."""
        return entry.release.release_id not in self._alone

    def coverage(self, entry: ActiveRelease) -> list[ServiceAudit]:
        """Return the audit of the services that a release still owns.

        Raises:
            InvalidInputError: if the release was deployed after the night began.
        """
        group = self._audited_with(entry)
        once = self._audited_together.setdefault(group, Once(lambda: self._audit(group)))
        found = once()
        return [found[name] for name in entry.services]

    def budgets(self, services: Sequence[str]) -> list[Attainment]:
        """Return the SLOs of ``services``."""
        return [one for one in self.budget_trend()[-1] if one.service in services]

    def alerts(self, services: Sequence[str]) -> list[AlertInterval]:
        """Return when alerts of ``services`` fired since ``since``.

        Raises:
            BackendError: if Prometheus does not answer.
        """
        return [
            one if one.start >= self.since else one._replace(start=self.since, begun_before=True)
            for one in self._alerts()
            if one.service in services and one.end >= self.since
        ]

    def incidents(self, services: Sequence[str]) -> list[Incident]:
        """Return the incidents of ``services`` since ``since``.

        Raises:
            BackendError: if the tracker does not answer.
            ReleaseWatchError: if there is none.
        """
        return [one for one in self._incidents_of(services) if one.opened_at >= self.since]

    def _incidents_of(self, services: Sequence[str]) -> list[Incident]:
        """Return all known incidents of ``services``, also those that were open before."""
        known = self._tickets()
        if known.found is None:
            raise ReleaseWatchError(known.problem or "no source of incidents is configured")
        return [one for one in known.found if one.service in (None, *services)]

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
        environment = self._active[0].release.environment if self._active else None
        window = (self.since, self.at)
        return correlation_of(report_of(past, self.config, window, services, environment=environment))

    def whole_correlation(self, services: Sequence[str] | None = None) -> Correlation | None:
        """Return the correlation of ``services``, by default of all; None if Prometheus does not answer."""
        try:
            return self.correlation(services or [service.name for service in self._services])
        except ReleaseWatchError:
            return None

    def audit(self, services: Sequence[str] | None = None) -> InstrumentationAudit | None:
        """Return the coverage of ``services``, by default of all; None if it could not be audited."""
        try:
            found = self._audits()
            wanted = [found[name] for name in (found if services is None else services) if name in found]
        except ReleaseWatchError:
            return None
        return InstrumentationAudit(
            release_id="nightly",
            environment=self._active[0].release.environment,
            generated_at=self.at,
            verdict=verdict_over(wanted),
            services=tuple(wanted),
        )

    @property
    def services(self) -> tuple[Service, ...]:
        """The services of all releases that the catalogue knows."""
        return tuple(self._services)

    def _signals(self, metrics: Metrics) -> dict[str, MetricsSignal]:
        """Return the metrics of all services behind one server."""
        return {
            service.name: service.signals.metrics
            for service in self._services
            if service.signals.metrics and self._server(service) == metrics.base_url
        }

    def _server(self, service: Service) -> str | None:
        """Return where the metrics of a service are; None without a connection, which hides no other."""
        try:
            return self.backends.metrics(service).base_url
        except ReleaseWatchError:
            return None

    def _question(self, release: Release, endpoints: Mapping[str, Sequence[str]]) -> Question:
        return Question(release, self.at, self.config.policies.coverage, endpoints)

    def _read_versions(
        self, metrics: Metrics, signals: Mapping[str, MetricsSignal]
    ) -> dict[str, frozenset[str]]:
        newest = max(self._active, key=lambda entry: entry.release.deployed_at)
        old = newest.release.model_copy(update={"deployed_at": self.at - timedelta(days=1)})
        return versions_seen(signals, Inquiry(metrics, self._question(old, {})))

    def _is_young(self, entry: ActiveRelease) -> bool:
        longest = FARTHEST_BACK + self.config.policies.coverage.live_within
        return self.at - entry.release.deployed_at <= longest

    def _audited_with(self, entry: ActiveRelease) -> str:
        """Return the group of releases that a release is audited with: alone, by its age, or as settled."""
        if not self._is_young(entry):
            return "settled"
        if entry.release.release_id in self._alone:
            return f"release {entry.release.release_id}"
        return f"age {(self.at - entry.release.deployed_at) // OF_ONE_AGE}"

    def _audit(self, group: str) -> dict[str, ServiceAudit]:
        entries = [entry for entry in self._active if self._audited_with(entry) == group]
        release = max(entries, key=_deployed_at).release
        if release.release_id not in self._alone:
            # Without services of its own the release asks nobody for its version; see ``versions``.
            release = release.model_copy(update={"services": ()})
        found = audit(
            release,
            self.config.catalog.select([name for entry in entries for name in entry.services]),
            self.backends,
            endpoints={name: paths for entry in entries for name, paths in entry.endpoints.items()},
            policy=self.config.policies.coverage,
            at=self.at,
        )
        return {one.service: one for one in found.services}

    def _read_budgets(self) -> tuple[tuple[Attainment, ...], ...]:
        environment = self._active[0].release.environment
        moments = moments_of(self.at)
        return attainment_over(self.config.slos, self._services, self.backends, moments, environment)

    def _read_alerts(self) -> list[AlertInterval]:
        return alerts_of(
            self.backends.metrics(),
            self.config,
            (self._earliest, self.at),
            [service.name for service in self._services],
            self._active[0].release.environment,
        )

    def _read_tickets(self) -> KnownIncidents:
        names = [service.name for service in self._services]
        return known_incidents(self.backends, self.config, self._earliest, names)


def _deployed_at(entry: ActiveRelease) -> datetime:
    return entry.release.deployed_at


def targets_up(
    metrics: Metrics, signals: Mapping[str, MetricsSignal], at: datetime
) -> dict[str, list[Sample]]:
    """Return ``up`` of the targets of each service, many services in one query.

    Raises:
        BackendError: if Prometheus does not answer, or refuses a query.
    """
    together = list(batches({name: signal.selector for name, signal in signals.items()}))
    bulk = Bulk(metrics, at)
    bulk.ask(f"up{{{batch.matchers}}}" for batch in together)
    for query, words in bulk.refused.items():
        raise BackendError("Prometheus", f"refused {query}: {words}")
    found: dict[str, list[Sample]] = {name: [] for name in signals}
    for batch in together:
        for sample in bulk.answer(f"up{{{batch.matchers}}}"):
            for name in batch.services_of(sample.labels):
                found[name].append(sample)
    return found
