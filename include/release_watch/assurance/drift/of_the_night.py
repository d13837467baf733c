"""The drift of a night: what is live is read once for all releases of an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from release_watch.artifacts.models import DrillResult
from release_watch.assurance.drift.activated import expected_of, target_where_known
from release_watch.assurance.drift.finding import drift_of
from release_watch.assurance.drift.kept_boards import Kept as KeptBoard
from release_watch.assurance.drift.live import Live, read_live
from release_watch.assurance.drift.model import Drift
from release_watch.assurance.drift.since import carried
from release_watch.assurance.once import Once
from release_watch.assurance.registry import ActiveRelease
from release_watch.catalog.config import Config
from release_watch.errors import ReleaseWatchError
from release_watch.slo.targets.target import RuleTarget
from release_watch.telemetry.backends import Backends

DASHBOARDS_A_NIGHT = 50
"""So many are fetched to be compared whole, in turn; whether each is there, one request tells for all."""


def no_drills(entry: ActiveRelease) -> Sequence[DrillResult]:  # noqa: ARG001 - the shape of a source
    """Return nothing: no record of drills is at hand."""
    return ()


def no_models(entry: ActiveRelease) -> Mapping[str, KeptBoard]:  # noqa: ARG001 - the shape of a source
    """Return nothing: the JSON of no dashboard is at hand."""
    return {}


class Kept(NamedTuple):
    """What was kept of a release besides its registration.

    ``drills`` are those of its run, ``models`` the JSON of its dashboards by uid, or why there is none,
    ``last`` since when each drift of the last night has been seen, by release.
    """

    drills: Callable[[ActiveRelease], Sequence[DrillResult]] = no_drills
    models: Callable[[ActiveRelease], Mapping[str, KeptBoard]] = no_models
    last: Mapping[str, Mapping[str, datetime]] = {}


class DriftReading:
    """Compares release after release with what is live, which is read when the first is asked for.

    ``there`` gives the dashboards that Grafana has, ``silences_told`` Alertmanager's answer about silences.
    """

    def __init__(
        self,
        active: Sequence[ActiveRelease],
        backends: Backends,
        config: Config,
        at: datetime,
        kept: Kept,
        there: Callable[[], frozenset[str]],
        silences_told: Callable[[], Any] | None = None,
    ) -> None:
        self._active, self._backends, self._config, self._at, self._kept = active, backends, config, at, kept
        self._there, self._silences_told = there, silences_told
        self.found: dict[str, tuple[Drift, ...]] = {}
        """The drift of each release that was asked for and could be told, by its id."""
        self.uncompared: dict[str, int] = {}
        """How many dashboards of each such release are not compared tonight."""
        self._live: Once[Live] = Once(self._read)
        self._target: Once[RuleTarget | None] = Once(lambda: target_where_known(backends))
        self._tonight = Once(self._fetched)

    def of(self, entry: ActiveRelease) -> tuple[Drift, ...]:
        """Return the drift of a release, with the first night that saw each.

        Raises:
            ReleaseWatchError: if what it activated cannot be read.
        """
        tonight = self._tonight()
        wanted = any(board.uid in tonight for board in entry.dashboards)
        expected = expected_of(
            entry,
            self._config,
            target=self._target(),
            drills=self._kept.drills(entry),
            models=self._kept.models(entry) if wanted else {},
        )
        compared = tuple(board for board in expected.dashboards if board.uid in tonight)
        self.uncompared[entry.release.release_id] = len(expected.dashboards) - len(compared)
        found = drift_of(expected._replace(dashboards=compared), self._live())
        since = self._kept.last.get(entry.release.release_id, {})
        self.found[entry.release.release_id] = carried(found, since, self._at)
        return self.found[entry.release.release_id]

    def _read(self) -> Live:
        return read_live(
            self._backends, self._at, dashboards=self._tonight(), silences_told=self._silences_told
        )

    def _fetched(self) -> frozenset[str]:
        """Return the dashboards that are compared whole tonight, out of those that are there."""
        uids = sorted({board.uid for entry in self._active for board in entry.dashboards})
        try:
            there = self._there() if uids else frozenset()
        except ReleaseWatchError:  # the check that asks whether they are there says so
            return frozenset()
        nights = max(1, -(-len(uids) // DASHBOARDS_A_NIGHT))
        first = self._at.toordinal() % nights * DASHBOARDS_A_NIGHT
        return frozenset(uids[first : first + DASHBOARDS_A_NIGHT]) & there
