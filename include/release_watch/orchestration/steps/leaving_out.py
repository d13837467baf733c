"""What a baseline leaves out, asked where it is known; and what is pinned in place of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import now, rfc3339
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from datetime import datetime

    from release_watch.artifacts.models import ExcludedWindow
    from release_watch.baseline.known_good import KnownGood, Reference

    Span = tuple[datetime, datetime]

MOST_DRILLS = 1000


class LeftOut(NamedTuple):
    """Spans that no baseline is made of; ``warnings`` say whose spans are not known, and why."""

    spans: tuple[ExcludedWindow, ...]
    warnings: tuple[str, ...]


def left_out(run: ProtocolRun, window: Span) -> LeftOut:
    """Return the incidents, drills and bad releases of these services that touch ``window``.

    What cannot be asked is a warning and stops nothing: the baseline is then made of all that is there.
    """
    from release_watch.baseline.excluded import within

    asked: dict[str, Callable[[ProtocolRun, Span], Iterator[ExcludedWindow]]] = {
        "Incidents": _incidents,
        "Drills": _drills,
        "Rollbacks": _rollbacks,
    }
    spans: list[ExcludedWindow] = []
    warnings = []
    for what, ask in asked.items():
        try:
            spans += ask(run, window)
        except (ReleaseWatchError, OSError) as error:
            warnings.append(f"{what} are not left out of the baseline, since none could be listed: {error}")
    return LeftOut(within(window, _of_these(run, spans)), tuple(warnings))


def _of_these(run: ProtocolRun, spans: Iterable[ExcludedWindow]) -> Iterator[ExcludedWindow]:
    return (span for span in spans if span.service is None or span.service in run.release.services)


def _incidents(run: ProtocolRun, window: Span) -> Iterator[ExcludedWindow]:
    from release_watch.baseline.excluded import LONGEST_TOLD, of_incidents
    from release_watch.orchestration.steps.escalation import tracker

    found = tracker(run).incidents(window[0] - LONGEST_TOLD, run.release.services)
    return of_incidents(found, window[1], run.config.policies.baseline.step)


def _drills(run: ProtocolRun, window: Span) -> Iterator[ExcludedWindow]:
    from release_watch.baseline.excluded import LONGEST_TOLD, of_drills
    from release_watch.drills.history import DrillHistory

    history = DrillHistory.under(artifact_root(), run.release.environment)
    return of_drills(history.recent(since=window[0] - LONGEST_TOLD, limit=MOST_DRILLS))


def _rollbacks(run: ProtocolRun, window: Span) -> Iterator[ExcludedWindow]:
    from release_watch.baseline.excluded import LONGEST_TOLD, of_rollbacks
    from release_watch.baseline.rolled_back import rolled_back

    bad = rolled_back(artifact_root(), run.release.environment, window[0] - LONGEST_TOLD)
    return of_rollbacks(bad, window[1], run.config.policies.baseline.step)


def known_good(run: ProtocolRun) -> KnownGood:
    """Return the pinned baselines of the environment."""
    from release_watch.baseline.known_good import KnownGood

    max_age = run.config.policies.baseline.known_good_max_age
    return KnownGood(artifact_root(), run.release.environment, max_age=max_age)


def pinned_reference(run: ProtocolRun) -> tuple[Reference, tuple[str, ...]]:
    """Return what is pinned of these services, and a warning for each pin that is no longer used.

    Raises:
        InvalidInputError: if a pin cannot be read, or its samples are not those that were pinned.
    """
    pins, moment = known_good(run), now()
    warnings = tuple(
        f"The known-good baseline of {pin.service} is not used: it ended {rfc3339(pins.used_until(pin))}; "
        f"pin a newer one, or unpin it"
        for pin in pins.expired(run.release.services, moment)
    )
    return pins.reference({}, run.release.services, moment), warnings
