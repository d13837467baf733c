"""What the night reads: each server once for all releases of an environment, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from release_watch.artifacts.models import InstrumentationAudit, ServiceAudit
from release_watch.assurance.alerts import AlertInterval, alert_intervals
from release_watch.assurance.attainment import Attainment, attainment
from release_watch.assurance.correlation import Correlation, correlate
from release_watch.assurance.dashboards_there import dashboards_there
from release_watch.assurance.drift import Drift
from release_watch.assurance.drift.finding import unlooked
from release_watch.assurance.drift.live import Away
from release_watch.assurance.drift.of_the_night import DriftReading, Kept
from release_watch.assurance.once import Once
from release_watch.assurance.registry import ActiveRelease
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
from release_watch.response.tickets import tickets_of
from release_watch.slo.rules import WATCHDOG
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics, Sample

WATCHDOG_QUERY = f'ALERTS{{alertname="{WATCHDOG}",alertstate="firing"}}'
LOOK_BACK = timedelta(days=1)


class NightReading:
    """Everything that the checks of one environment look at; read when it is first asked for.

    The services of releases that were deployed long enough ago are audited together, a younger release by
    itself. ``since`` is how far back alerts are held against incidents.
    """

    def __init__(
        self,
        active: Sequence[ActiveRelease],
        backends: Backends,
        config: Config,
        at: datetime,
        since: datetime | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.backends, self.config, self.at = backends, config, at
        self.since = since or at - LOOK_BACK
        known = {service.name: service for service in config.catalog.services}
        self._active = [entry for entry in active if set(entry.services) <= set(known)]
        self._services = [known[name] for entry in self._active for name in entry.services]
        self.dashboards = Once(lambda: dashboards_there(backends.grafana()))
        self._drift = DriftReading(active, backends, config, at, kept or Kept(), self.dashboards)
        self.watchdog = Once(lambda: bool(backends.metrics().instant(WATCHDOG_QUERY, at)))
        self._budgets = Once(self._read_budgets)
        self._alerts = Once(self._read_alerts)
        self._incidents = Once(self._read_incidents)
        self._settled = Once(self._audit_settled)
        self._young: dict[str, Once[dict[str, ServiceAudit]]] = {}
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

    def drifted(self, entry: ActiveRelease) -> tuple[Drift, ...]:
        """Return what :meth:`drifts` found; where it found no answer, a drift of kind ``unknown``."""
        failed = unlooked("what was activated", Away("the check failed; see what it says"))
        return self._drift.found.get(entry.release.release_id, (failed,))

    def settled(self, entry: ActiveRelease) -> bool:
        """Return whether a release is so old that its services are audited with those of others."""
        longest = FARTHEST_BACK + self.config.policies.coverage.live_within
        return self.at - entry.release.deployed_at > longest

    def coverage(self, entry: ActiveRelease) -> list[ServiceAudit]:
        """Return the audit of the services that a release still owns.

        Raises:
            InvalidInputError: if the release was deployed after the night began.
        """
        if self.settled(entry):
            return [self._settled()[name] for name in entry.services]
        services = self.config.catalog.select(entry.services)
        once = self._young.setdefault(
            entry.release.release_id,
            Once(lambda: self._audited(entry.release, services, entry.endpoints)),
        )
        return list(once().values())

    def budgets(self, services: Sequence[str]) -> list[Attainment]:
        """Return the SLOs of ``services``."""
        return [one for one in self._budgets() if one.service in services]

    def alerts(self, services: Sequence[str]) -> list[AlertInterval]:
        """Return when alerts of ``services`` fired since ``since``.

        Raises:
            BackendError: if Prometheus does not answer.
        """
        return [one for one in self._alerts() if one.service in services]

    def incidents(self, services: Sequence[str]) -> list[Incident]:
        """Return the incidents of ``services`` since ``since``.

        Raises:
            BackendError: if the tracker does not answer.
        """
        return [one for one in self._incidents() if one.service in services]

    def correlation(self, services: Sequence[str]) -> Correlation:
        """Return how alerts of ``services`` matched incidents; unreviewed where there is no tracker.

        Raises:
            BackendError: if Prometheus does not answer.
        """
        window = (self.since, self.at)
        try:
            incidents = self.incidents(services)
        except ReleaseWatchError as error:
            return correlate(self.alerts(services), None, window=window, problem=str(error))
        return correlate(self.alerts(services), incidents, window=window)

    def whole_correlation(self, services: Sequence[str] | None = None) -> Correlation | None:
        """Return the correlation of ``services``, by default of all; None if Prometheus does not answer."""
        try:
            return self.correlation(services or [service.name for service in self._services])
        except ReleaseWatchError:
            return None

    def audit(self, services: Sequence[str] | None = None) -> InstrumentationAudit | None:
        """Return the coverage of ``services``, by default of all; None if it could not be audited."""
        try:
            found = [one for entry in self._active for one in self.coverage(entry)]
        except ReleaseWatchError:
            return None
        wanted = [one for one in found if services is None or one.service in services]
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

    def _audit_settled(self) -> dict[str, ServiceAudit]:
        settled = [entry for entry in self._active if self.settled(entry)]
        newest = max(settled, key=lambda entry: entry.release.deployed_at).release
        services = [name for entry in settled for name in entry.services]
        endpoints = {name: paths for entry in settled for name, paths in entry.endpoints.items()}
        # Without services of its own the release asks nobody for its version; see ``versions``.
        everyone = newest.model_copy(update={"services": ()})
        return self._audited(everyone, self.config.catalog.select(services), endpoints)

    def _audited(
        self, release: Release, services: Sequence[Service], endpoints: Mapping[str, Sequence[str]]
    ) -> dict[str, ServiceAudit]:
        policy = self.config.policies.coverage
        found = audit(release, services, self.backends, endpoints=endpoints, policy=policy, at=self.at)
        return {one.service: one for one in found.services}

    def _read_budgets(self) -> tuple[Attainment, ...]:
        environment = self._active[0].release.environment
        return attainment(self.config.slos, self._services, self.backends, self.at, environment=environment)

    def _read_alerts(self) -> list[AlertInterval]:
        return alert_intervals(
            self.backends.metrics(),
            (self.since, self.at),
            [service.name for service in self._services],
            environment=self._active[0].release.environment,
        )

    def _read_incidents(self) -> list[Incident]:
        tickets = tickets_of(self.backends.tickets(), self.config.policies.response.tickets)
        return tickets.incidents(self.since, [service.name for service in self._services])


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
