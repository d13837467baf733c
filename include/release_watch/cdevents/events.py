"""A CDEvent about a service, and what it means here: a release to watch, or one that was taken back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, unquote

from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.identifiers import invalid_identifier, is_identifier
from release_watch.release import Release

CUSTOM = (
    "release_id",
    "deployment_id",
    "version",
    "services",
    "evidence_uri",
    "baseline_window",
    "review_interval",
    "rollback_policy",
    "mode",
)
"""What ``customData`` may hold: the parameters of a run that a CDEvent has no field for."""

NAMES = ("release_id", "deployment_id", "version")
PLACES = {"environment": "subject.content.environment.id", "deployed_at": "context.timestamp"}
CLOCK_SKEW = timedelta(minutes=5)


class Kind(StrEnum):
    """What happened to the service."""

    DEPLOYED = "deployed"
    UPGRADED = "upgraded"
    ROLLED_BACK = "rolledback"


@dataclass(frozen=True)
class Rollback:
    """A release was taken back: the one that ``names`` tells, else the one that ran before ``running``."""

    environment: str
    service: str
    running: str | None
    names: Mapping[str, str]
    at: datetime

    def ends(self, release: Release) -> bool:
        """Return whether it is ``release`` that was taken back.

        The artifact of such an event is the one that runs from now on, so it cannot name the release that
        was taken back; and what was deployed after the rollback is another matter.
        """
        if release.environment != self.environment or release.deployed_at > self.at:
            return False
        if any(getattr(release, name) != value for name, value in self.names.items()):
            return False
        if {"release_id", "deployment_id"} & set(self.names):
            return True
        return self.service in release.services and (
            "version" in self.names or release.version != self.running
        )


@dataclass(frozen=True)
class ServiceEvent:
    """A CDEvent about a service; ``custom`` is its ``customData``."""

    id: str
    source: str
    type: str
    kind: Kind
    at: datetime
    service: str
    environment: str
    artifact: str
    custom: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells this event from every other: the digest of source and id, safe as a file name."""
        return hashlib.sha256(json.dumps([self.source, self.id]).encode()).hexdigest()

    def release(self) -> Release:
        """Return the release that was deployed.

        Raises:
            InvalidInputError: with every problem, each naming the field of the event, the value and the
                remedy.
        """
        params = self._params()
        problems = self._unknown()
        services = params["services"]
        if isinstance(services, list) and self.service not in services:
            problems.append(f"subject.id: {self.service[:80]!r}: add it to customData.services too")
        try:
            release = Release.from_params(params)
        except InvalidInputError as error:
            problems += [self._placed(problem) for problem in error.problems]
        if problems:
            raise InvalidInputError(problems)
        return release

    def rollback(self) -> Rollback:
        """Return what tells the release that was taken back.

        Raises:
            InvalidInputError: if what names it can be the name of none, or the time lies in the future.
        """
        names = {name: self.custom[name] for name in NAMES if name in self.custom}
        named = {f"customData.{name}": value for name, value in names.items()}
        given = {"subject.id": self.service, PLACES["environment"]: self.environment, **named}
        problems = self._unknown()
        problems += [
            invalid_identifier(place, value) for place, value in given.items() if not is_identifier(value)
        ]
        if self.at > now() + CLOCK_SKEW:
            late = "lies in the future; check the clock of the sender"
            problems.append(f"{PLACES['deployed_at']}: {rfc3339(self.at)!r}: {late}")
        if problems:
            raise InvalidInputError(problems)
        return Rollback(self.environment, self.service, version_of(self.artifact), names, self.at)

    def on_record(self) -> dict[str, str]:
        """Return what a record says about this event."""
        return {
            "source": self.source,
            "id": self.id,
            "type": self.type,
            "timestamp": rfc3339(self.at),
            "service": self.service,
            "environment": self.environment,
            "artifact": self.artifact,
        }

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"services": [self.service]}
        version = self.custom.get("version", version_of(self.artifact))
        if version is not None:
            params["version"] = version
        if is_identifier(f"{self.service}-{version}") and version is not None:
            params["release_id"] = f"{self.service}-{version}"
        params["deployment_id"] = self.id if is_identifier(self.id) else f"event-{self.key[:16]}"
        known = {name: value for name, value in self.custom.items() if name in CUSTOM}
        return {**params, **known, "environment": self.environment, "deployed_at": self.at}

    def _unknown(self) -> list[str]:
        known = ", ".join(CUSTOM)
        unknown = [name for name in self.custom if name not in CUSTOM]
        return [f"customData.{name[:80]}: unknown; known are {known}" for name in unknown]

    def _placed(self, problem: str) -> str:
        """Return a problem of the release in terms of the event that it came from."""
        name = re.split(r"\W", problem, maxsplit=1)[0]
        place = PLACES.get(name, f"customData.{name}")
        if name == "services" and name not in self.custom:
            place = "subject.id"
        elif name == "version" and name not in self.custom and version_of(self.artifact):
            place = "subject.content.artifactId"
        return place + problem.removeprefix(name).replace("in the run's conf", "there")


def version_of(artifact: str) -> str | None:
    """Return the version that a package URL names: its tag, else its version, unless that is a digest."""
    if not artifact.startswith("pkg:"):
        return None
    path, _, qualifiers = artifact.partition("#")[0].partition("?")
    tags = parse_qs(qualifiers).get("tag")
    if tags:
        return tags[0]
    _, found, version = path.rpartition("@")
    version = unquote(version)
    return version if found and version and ":" not in version else None
