"""The active releases: what the nightly run answers for, and which release owns which service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from release_watch.artifacts.models import SCHEMA_VERSION
from release_watch.artifacts.store import ArtifactStore, PathLike
from release_watch.clock import Timestamp, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.release import Release

FOLDER = "registry"
REGISTRATION = "registration.json"
RETIREMENT = "retirement.json"


class ActiveDashboard(BaseModel):
    """A dashboard that was activated; ``sha256`` of its JSON as it is kept among the release's artifacts."""

    model_config = ConfigDict(frozen=True)

    uid: str
    title: str
    sha256: str | None = None


class ActiveRelease(BaseModel):
    """A release under watch, with everything that was activated for it.

    ``services`` are those that no newer release has taken over; ``rules`` maps the name of each activated
    rule file to its text, so that drift is measured against what was activated and nothing else.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    release: Release
    services: tuple[str, ...]
    registered_at: Timestamp
    artifacts_uri: str
    rules: dict[str, str] = Field(default_factory=dict)
    dashboards: tuple[ActiveDashboard, ...] = ()
    endpoints: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @field_serializer("release")
    def _release(self, release: Release) -> dict[str, Any]:
        return release.model_dump(mode="json")


class _Retirement(BaseModel):
    reason: str


class Damaged(NamedTuple):
    """A registration that cannot be read, and why."""

    environment: str
    release_id: str
    problem: str


class UnderWatch(NamedTuple):
    """The releases under watch, and the registrations that cannot be read."""

    active: tuple[ActiveRelease, ...]
    damaged: tuple[Damaged, ...]


class ActiveReleases:
    """The registry, one folder per release below ``<root>/registry``.

    A run writes only its own release's files, so parallel runs cannot disturb each other; what
    supersedes what is worked out when the registry is read.
    """

    def __init__(self, root: PathLike) -> None:
        self._root = root / FOLDER

    def register(
        self,
        release: Release,
        *,
        artifacts_uri: str,
        rules: Mapping[str, str],
        dashboards: Sequence[ActiveDashboard] = (),
        endpoints: Mapping[str, Sequence[str]] | None = None,
        at: datetime,
    ) -> ActiveRelease:
        """Register ``release`` and return it; registering again replaces what was activated, not the time.

        It also mends a registration that was damaged, of which the time is lost.
        """
        try:
            earlier = self._read(release.environment, release.release_id)
        except InvalidInputError:
            earlier = None
        registered = ActiveRelease(
            release=release,
            services=release.services,
            registered_at=earlier.registered_at if earlier else at,
            artifacts_uri=artifacts_uri,
            rules=dict(rules),
            dashboards=tuple(dashboards),
            endpoints={service: tuple(paths) for service, paths in (endpoints or {}).items()},
        )
        self._store(release.environment, release.release_id).write_json(REGISTRATION, registered)
        return registered

    def replace_rules(self, environment: str, release_id: str, name: str, text: str) -> None:
        """Register other rules under the name of an activated rule file, as for a tuned alert.

        Drift is measured against them from then on.

        Raises:
            InvalidInputError: if the release is not registered, or has no rule file of that name.
        """
        entry = self._read(environment, release_id)
        if entry is None or name not in entry.rules:
            found = f"release_id: {release_id!r} is not registered in {environment} with the rules {name}"
            raise InvalidInputError([found])
        changed = entry.model_copy(update={"rules": {**entry.rules, name: text}})
        self._store(environment, release_id).write_json(REGISTRATION, changed)

    def retire(self, environment: str, release_id: str, *, reason: str, at: datetime) -> None:
        """Take a release out of the watch for good, for example because it was rolled back.

        What it had superseded is watched again. A release that is retired already keeps its first reason.
        """
        store = self._store(environment, release_id)
        if not store.exists(RETIREMENT):
            store.write_json(RETIREMENT, {"reason": reason, "retired_at": rfc3339(at)})

    def retirement(self, environment: str, release_id: str) -> str | None:
        """Return why a release was retired, or None if it was not.

        Raises:
            InvalidInputError: if what was written of it was damaged.
        """
        store = self._store(environment, release_id)
        if not store.exists(RETIREMENT):
            return None
        return store.read_model(RETIREMENT, _Retirement).reason

    def all(self, environment: str | None = None) -> tuple[ActiveRelease, ...]:
        """Return the releases under watch, newest deployment first, each with the services it still owns.

        A service belongs to the newest release that has it; a release without any is superseded.

        Raises:
            InvalidInputError: if a registration was damaged.
        """
        return _owners(self._registered(environment))

    def readable(self, environment: str | None = None) -> UnderWatch:
        """Return what :meth:`all` does as far as it can be read, and which registrations cannot be.

        What a damaged one owns is not known, so an older release may show with a service of it.
        """
        found, damaged = [], []
        for where, release_id in self._places(environment):
            try:
                found.append(self._watched(where, release_id))
            except InvalidInputError as error:
                damaged.append(Damaged(where, release_id, str(error)))
        return UnderWatch(_owners([entry for entry in found if entry]), tuple(damaged))

    def holds(self, release: Release) -> bool:
        """Return whether ``release`` is registered and not retired."""
        where = release.environment, release.release_id
        return self._store(*where).exists(REGISTRATION) and self.retirement(*where) is None

    def superseded_by(self, release: Release) -> tuple[ActiveRelease, ...]:
        """Return the releases under watch from which ``release`` takes over a service, or all of them."""
        return tuple(
            entry
            for entry in self.all(release.environment)
            if entry.release.release_id != release.release_id
            and _age(entry) <= (release.deployed_at, release.release_id)
            and set(entry.services) & set(release.services)
        )

    def predecessor(self, release: Release) -> ActiveRelease | None:
        """Return the newest release before ``release`` that had one of its services; no retired one."""
        age = (release.deployed_at, release.release_id)
        earlier = (
            entry
            for entry in self._registered(release.environment)
            if _age(entry) < age and set(entry.release.services) & set(release.services)
        )
        return max(earlier, key=_age, default=None)

    def newest(self, environment: str) -> ActiveRelease | None:
        """Return the newest release under watch in ``environment``, or None."""
        return next(iter(self.all(environment)), None)

    def _registered(self, environment: str | None) -> list[ActiveRelease]:
        found = [self._watched(*place) for place in self._places(environment)]
        return [entry for entry in found if entry]

    def _places(self, environment: str | None) -> Iterator[tuple[str, str]]:
        """Yield environment and release id of every registration."""
        if not self._root.exists():
            return
        for path in self._root.rglob(REGISTRATION):
            where, release_id = str(path).rstrip("/").split("/")[-3:-1]
            if environment in (None, where):
                yield where, release_id

    def _watched(self, environment: str, release_id: str) -> ActiveRelease | None:
        """Return what was registered, None if it was retired."""
        if self.retirement(environment, release_id) is not None:
            return None
        return self._read(environment, release_id)

    def _read(self, environment: str, release_id: str) -> ActiveRelease | None:
        store = self._store(environment, release_id)
        if not store.exists(REGISTRATION):
            return None
        return store.read_model(REGISTRATION, ActiveRelease)

    def _store(self, environment: str, release_id: str) -> ArtifactStore:
        return ArtifactStore(self._root, environment, release_id)


def _age(entry: ActiveRelease) -> tuple[datetime, str]:
    return entry.release.deployed_at, entry.release.release_id


def _owners(registered: Iterable[ActiveRelease]) -> tuple[ActiveRelease, ...]:
    """Return the releases that still own a service, newest deployment first, with those they own."""
    owned: set[tuple[str, str]] = set()
    active = []
    for entry in sorted(registered, key=_age, reverse=True):
        where = entry.release.environment
        services = tuple(s for s in entry.release.services if (where, s) not in owned)
        owned.update((where, service) for service in services)
        if services:
            active.append(entry.model_copy(update={"services": services}))
    return tuple(active)
