"""What sources other than the judge tell a review: what is worse, and what could not be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from release_watch.artifacts.models import Severity
from release_watch.errors import ReleaseWatchError
from release_watch.verdict import Objective, Verdict


class Sighting(NamedTuple):
    """Something of ``service`` that is worse now; ``metric`` is the same at every review that sees it."""

    service: str
    metric: str
    severity: Severity
    first_seen: datetime
    reason: str
    objective: Objective


class Heard(NamedTuple):
    """What a source told: an objective per question, what is worse, and what it could not tell.

    ``unheard`` holds (service, beginning of the metric's name), an empty service for all: findings of these
    stay as they are.
    """

    objectives: tuple[Objective, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    unheard: frozenset[tuple[str, str]] = frozenset()


def heard(parts: Iterable[Heard]) -> Heard:
    """Return what several sources told, together."""
    told = tuple(parts)
    return Heard(
        tuple(one for part in told for one in part.objectives),
        tuple(one for part in told for one in part.sightings),
        frozenset(one for part in told for one in part.unheard),
    )


def asked(name: str, kind: str, ask: Callable[[], Heard], service: str = "") -> Heard:
    """Return what ``ask`` gives; a source that is away makes its own objective INCONCLUSIVE, no other's."""
    try:
        return ask()
    except ReleaseWatchError as error:
        objective = Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=str(error))
        return Heard((objective,), unheard=frozenset({(service, kind)}))
