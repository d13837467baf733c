"""The nightly run: is everything that was activated still there and alive, for every active release."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from release_watch.artifacts.models import SCHEMA_VERSION, AlertTestResults
from release_watch.assurance.alert_path import Drilled
from release_watch.assurance.checks import RUNNERS, Subject
from release_watch.assurance.drift import Drift
from release_watch.assurance.reading import NightReading
from release_watch.assurance.registry import ActiveRelease, Damaged
from release_watch.assurance.schedule import CHECKS, Check
from release_watch.clock import Timestamp
from release_watch.errors import ReleaseWatchError
from release_watch.verdict import Decision, Objective, Verdict

CAUSES_TOLD = 3


class ReleaseNight(BaseModel):
    """What the night found for one release. ``needs_person``: a check that is not advisory did not pass.

    ``checks`` says which objectives of the decision are of which check, ``drift`` what drifted, in full.
    """

    model_config = ConfigDict(frozen=True)

    release_id: str
    environment: str
    services: tuple[str, ...]
    decision: Decision
    needs_person: bool
    checks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    drift: tuple[Drift, ...] = ()

    @property
    def line(self) -> str:
        """The one line of this release."""
        services = ", ".join(self.services) or "services not known"
        where = f"{self.release_id} ({self.environment}; {services})"
        if not self.decision.failures:
            return f"{where}: {self.decision.summary()}"
        told = self._causes()
        more = [f"and {len(told) - CAUSES_TOLD} more, see the report"] if len(told) > CAUSES_TOLD else []
        call = "a person must act: " if self.needs_person else ""
        return f"{where}: {call}{self.decision.verdict}: {'; '.join([*told[:CAUSES_TOLD], *more])}"

    def _causes(self) -> list[str]:
        """Return what failed, each name once; a reason that shows in many checks is told with the first."""
        reasons: dict[str, str] = {}
        for objective in self.decision.failures:
            reasons.setdefault(objective.reason, objective.name)
        by_name: dict[str, list[str]] = {}
        for reason, name in reasons.items():
            by_name.setdefault(name, []).append(reason)
        return [
            f"{name}: {found[0]}" + (f" (and {len(found) - 1} like it)" if len(found) > 1 else "")
            for name, found in by_name.items()
        ]


class NightReport(BaseModel):
    """The report of one night over all active releases.

    Alerts were held against incidents since ``covers_since``: a night that was missed is in the next report.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    generated_at: Timestamp
    covers_since: Timestamp | None = None
    releases: tuple[ReleaseNight, ...]
    drills: tuple[AlertTestResults, ...] = ()

    @property
    def needs_person(self) -> bool:
        """Whether the nightly run has to fail."""
        return any(release.needs_person for release in self.releases)

    @property
    def lines(self) -> tuple[str, ...]:
        """One summary line per release, those that need a person first."""
        ordered = sorted(self.releases, key=lambda night: not night.needs_person)
        return tuple(night.line for night in ordered)


def night(active: Sequence[ActiveRelease], reading: NightReading, drilled: Drilled | None) -> NightReport:
    """Return what the checks of :data:`release_watch.assurance.schedule.CHECKS` find for each release.

    ``active`` are releases of one environment, of which ``reading`` reads what they share once. A backend
    that fails makes the checks that need it INCONCLUSIVE and hides none of the others. ``drilled`` are the
    night's drills; without them every alert path is INCONCLUSIVE.
    """
    return NightReport(
        generated_at=reading.at,
        covers_since=reading.since,
        releases=tuple(_release(entry, reading, drilled) for entry in active),
        drills=(drilled.results,) if drilled else (),
    )


def unreadable(damaged: Damaged) -> ReleaseNight:
    """Return the night of a release whose registration cannot be read: nothing of it can be proven."""
    reason = (
        f"{damaged.problem}; restore the file, or run the release's monitoring again; "
        "remove a folder that no run wrote"
    )
    return ReleaseNight(
        release_id=damaged.release_id,
        environment=damaged.environment,
        services=(),
        decision=Decision.over([Objective(name="registration", verdict=Verdict.ERROR, reason=reason)]),
        needs_person=True,
    )


def broken(entry: ActiveRelease, error: Exception) -> ReleaseNight:
    """Return the night of a release in an environment of which nothing could be checked, for ``error``."""
    what = str(error) if isinstance(error, ReleaseWatchError) else f"{type(error).__name__}: {error}"
    reason = f"nothing of {entry.release.environment} could be checked tonight: {what}; see the night's log"
    return ReleaseNight(
        release_id=entry.release.release_id,
        environment=entry.release.environment,
        services=entry.services,
        decision=Decision.over([Objective(name="night", verdict=Verdict.ERROR, reason=reason)]),
        needs_person=True,
    )


def _release(entry: ActiveRelease, reading: NightReading, drilled: Drilled | None) -> ReleaseNight:
    found: list[Objective] = []
    checks: dict[str, tuple[str, ...]] = {}
    must_act = False
    try:
        services = reading.config.catalog.select(entry.services)
        subject = Subject(entry, services, reading, drilled.objectives if drilled else None)
    except ReleaseWatchError as error:
        found, must_act = [_unknown("catalogue", error)], True
    else:
        for check in CHECKS:
            objectives = _run(check.name, subject)
            found += objectives
            checks[check.name] = tuple(objective.name for objective in objectives)
            must_act |= any(_calls_for_person(check, objective.verdict) for objective in objectives)
    return ReleaseNight(
        release_id=entry.release.release_id,
        environment=entry.release.environment,
        services=entry.services,
        decision=Decision.over(found),
        needs_person=must_act,
        checks=checks,
        drift=reading.drifted(entry),
    )


def _calls_for_person(check: Check, verdict: Verdict) -> bool:
    if check.advisory or verdict.proceeds:
        return False
    return not (check.can_wait and verdict is Verdict.INCONCLUSIVE)


def _run(check: str, subject: Subject) -> list[Objective]:
    found: list[Objective] = []
    try:
        found.extend(RUNNERS[check](subject))
    except ReleaseWatchError as error:
        found.append(_unknown(check, error))
    except Exception as error:  # one check that breaks must not hide the other checks and releases
        reason = f"the check itself failed: {type(error).__name__}: {error}"
        found.append(Objective(name=check, verdict=Verdict.ERROR, reason=reason))
    return found


def _unknown(check: str, error: ReleaseWatchError) -> Objective:
    return Objective(name=check, verdict=Verdict.INCONCLUSIVE, reason=str(error) or type(error).__name__)
