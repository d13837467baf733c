"""What the night reads: each server once for all releases of an environment, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from release_watch.assurance.attainment import Attainment, attainment_over, moments_of
from release_watch.assurance.dashboards_there import dashboards_there
from release_watch.assurance.drift import Drift
from release_watch.assurance.drift.finding import unlooked
from release_watch.assurance.drift.live import Away
from release_watch.assurance.drift.of_the_night import DriftReading, Kept
from release_watch.assurance.night_coverage import NightCoverage
from release_watch.assurance.night_history import NightHistory, Window
from release_watch.assurance.once import Once
from release_watch.assurance.quality.collecting import known_silences
from release_watch.assurance.quality.silences import silences_told
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning.following import followed_since
from release_watch.assurance.tuning.kept import Readable
from release_watch.catalog.config import Config
from release_watch.catalog.models import MetricsSignal, Service
from release_watch.coverage.batches import batches
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.inquiry import Inquiry
from release_watch.coverage.presence import versions_seen
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.identifiers import promql_string
from release_watch.release import Release
from release_watch.slo.rules import WATCHDOG
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics, Sample

LOOK_BACK = timedelta(days=1)


def watchdog_query(environment: str | None) -> str:
    """Return the PromQL of the firing dead man's switch; that of another environment proves nothing."""
    where = f",environment={promql_string(environment)}" if environment else ""
    return f'ALERTS{{alertname="{WATCHDOG}",alertstate="firing"{where}}}'


class NightReading:
    """Everything that the checks of one environment look at; read when it is first asked for.

    ``active`` are its releases under watch. ``since`` is how far back alerts are held against incidents;
    ``tunings`` are the approved changes in force, what followed which is read with them.
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
        known = {service.name: service for service in config.catalog.services}
        self._active = [entry for entry in active if set(entry.services) <= set(known)]
        self.services = tuple(known[name] for entry in self._active for name in entry.services)
        """The services of all releases that the catalogue knows."""
        self._environment = active[0].release.environment if active else None
        self.coverage = NightCoverage(self._active, backends, config, at)
        self.dashboards = Once(lambda: dashboards_there(backends.grafana()))
        told = Once(lambda: silences_told(backends.alertmanager()))
        self._drift = DriftReading(active, backends, config, at, kept or Kept(), self.dashboards, told)
        earliest = min([self.since, *(followed_since(one, at) for one in self.tunings.tunings)])
        self.history = NightHistory(
            self._environment,
            [service.name for service in self.services],
            backends,
            config,
            Window(earliest, self.since, at),
            Once(lambda: known_silences(backends, told)),
        )
        self.watchdog_query = watchdog_query(self._environment)
        self.watchdog = Once(lambda: bool(backends.metrics().instant(self.watchdog_query, at)))
        self.budget_trend = Once(self._read_budgets)
        """The SLOs of all services at the moments of :func:`moments_of`, tonight last."""
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

    def budgets(self, services: Sequence[str]) -> list[Attainment]:
        """Return the SLOs of ``services``."""
        return [one for one in self.budget_trend()[-1] if one.service in services]

    def _signals(self, metrics: Metrics) -> dict[str, MetricsSignal]:
        """Return the metrics of all services behind one server."""
        return {
            service.name: service.signals.metrics
            for service in self.services
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

    def _read_budgets(self) -> tuple[tuple[Attainment, ...], ...]:
        moments = moments_of(self.at)
        return attainment_over(self.config.slos, self.services, self.backends, moments, self._environment)


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
