"""The coverage of the releases under watch, audited together as far as their age allows it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from release_watch.artifacts.models import InstrumentationAudit, ServiceAudit
from release_watch.assurance.once import Once
from release_watch.assurance.registry import ActiveRelease
from release_watch.catalog.config import Config
from release_watch.coverage.audit import audit, verdict_over
from release_watch.coverage.holes import FARTHEST_BACK
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry.backends import Backends

MOST_ALONE = 10
"""So many young releases are audited by themselves, the newest; the others by their age."""
OF_ONE_AGE = timedelta(minutes=15)


class NightCoverage:
    """The audit of each release, made when it is first asked for.

    The services of releases that were deployed long enough ago are audited together, a younger release by
    itself; where many are young, all but the newest few with those of their age.
    """

    def __init__(
        self, active: Sequence[ActiveRelease], backends: Backends, config: Config, at: datetime
    ) -> None:
        self._active, self._backends, self._config, self._at = tuple(active), backends, config, at
        young = sorted(filter(self._is_young, self._active), key=_deployed_at, reverse=True)
        self._alone = frozenset(entry.release.release_id for entry in young[:MOST_ALONE])
        self._audited_together: dict[str, Once[dict[str, ServiceAudit]]] = {}
        self._all = Once(self._audit_all)

    def settled(self, entry: ActiveRelease) -> bool:
        """Return whether a release is audited with others, so that its version is asked for by itself."""
        return entry.release.release_id not in self._alone

    def of(self, entry: ActiveRelease) -> list[ServiceAudit]:
        """Return the audit of the services that a release still owns.

        Raises:
            InvalidInputError: if the release was deployed after the night began.
        """
        group = self._audited_with(entry)
        once = self._audited_together.setdefault(group, Once(lambda: self._audit(group)))
        found = once()
        return [found[name] for name in entry.services]

    def audit(self, services: Sequence[str] | None = None) -> InstrumentationAudit | None:
        """Return the coverage of ``services``, by default of all; None if none could be audited."""
        found = self._all()
        wanted = [found[name] for name in (found if services is None else services) if name in found]
        if not wanted:
            return None
        return InstrumentationAudit(
            release_id="nightly",
            environment=self._active[0].release.environment,
            generated_at=self._at,
            verdict=verdict_over(wanted),
            services=tuple(wanted),
        )

    def _audit_all(self) -> dict[str, ServiceAudit]:
        """Return the audit of each service; without those that could not be made, which their check tells."""
        found: dict[str, ServiceAudit] = {}
        for entry in self._active:
            with suppress(ReleaseWatchError):
                found |= {one.service: one for one in self.of(entry)}
        return found

    def _is_young(self, entry: ActiveRelease) -> bool:
        longest = FARTHEST_BACK + self._config.policies.coverage.live_within
        return self._at - entry.release.deployed_at <= longest

    def _audited_with(self, entry: ActiveRelease) -> str:
        """Return the group of releases that a release is audited with: alone, by its age, or as settled."""
        if not self._is_young(entry):
            return "settled"
        if entry.release.release_id in self._alone:
            return f"release {entry.release.release_id}"
        return f"age {(self._at - entry.release.deployed_at) // OF_ONE_AGE}"

    def _audit(self, group: str) -> dict[str, ServiceAudit]:
        entries = [entry for entry in self._active if self._audited_with(entry) == group]
        release = max(entries, key=_deployed_at).release
        if release.release_id not in self._alone:
            # Without services of its own the release asks nobody for its version; see NightReading.versions.
            release = release.model_copy(update={"services": ()})
        found = audit(
            release,
            self._config.catalog.select([name for entry in entries for name in entry.services]),
            self._backends,
            endpoints={name: paths for entry in entries for name, paths in entry.endpoints.items()},
            policy=self._config.policies.coverage,
            at=self._at,
        )
        return {one.service: one for one in found.services}


def _deployed_at(entry: ActiveRelease) -> datetime:
    return entry.release.deployed_at
