"""The recurring checks: what is checked how often, and who answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.errors import InvalidInputError

if TYPE_CHECKING:
    from release_watch.artifacts.models import ObservabilitySchedule, ScheduledCheck
    from release_watch.catalog.config import Config
    from release_watch.release import Release

RUNNER = "nightly_assurance"
NIGHTLY_AT = time(2, 15)
NIGHTLY_CRON = f"{NIGHTLY_AT.minute} {NIGHTLY_AT.hour} * * *"
"""When the nightly run starts, UTC; the DAG of that name takes its schedule from here."""
CADENCE = timedelta(days=1)


class Check(NamedTuple):
    """A recurring check; what an ``advisory`` one finds is reported and fails no night.

    One that ``can_wait`` fails the night by what it finds, and not by what it could not look at tonight.
    """

    name: str
    words: str
    role: str
    advisory: bool = False
    can_wait: bool = False


CHECKS = (
    Check("drift", "rules, routes, scraping and on-call mean what they did when they were activated", "sre"),
    Check("targets", "every scrape target of the release's services is up", "sre"),
    Check("dashboards", "the activated dashboards are there", "sre"),
    Check("coverage", "metrics, logs, traces and synthetic checks are still live", "sre"),
    Check("dead_mans_switch", "the dead man's switch is firing", "oncall"),
    Check("alert_paths", "a drill reaches receivers on one alert path of each service, in turn", "oncall"),
    Check("tunings", "approved changes of alerts do what their back-tests said", "sre", can_wait=True),
    Check("budgets", "error budgets are not used up", "sre", advisory=True),
    Check("incidents", "alerts of the last day agree with the incidents", "oncall", advisory=True),
)
"""The checks of the nightly run: it runs exactly these, and every release is registered for all of them."""


def observability_schedule(release: Release, config: Config, at: datetime) -> ObservabilitySchedule:
    """Return the recurring checks of ``release``, with their next run after ``at``.

    The verdict is NO_GO if a check's role has nobody in the on-call rotation.
    """
    from release_watch.artifacts.models import ObservabilitySchedule, ScheduledCheck
    from release_watch.clock import format_duration
    from release_watch.verdict import Verdict

    scheduled = tuple(
        ScheduledCheck(
            check=check.name,
            cadence=format_duration(CADENCE),
            responsible_role=check.role,
            next_run=next_run(at),
            runner=RUNNER,
        )
        for check in CHECKS
    )
    return ObservabilitySchedule(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        verdict=Verdict.NO_GO if unstaffed(scheduled, config, at) else Verdict.GO,
        registered_with=RUNNER,
        checks=scheduled,
    )


def unstaffed(checks: Sequence[ScheduledCheck], config: Config, at: datetime) -> tuple[str, ...]:
    """Return the roles of ``checks`` for which nobody is on duty at ``at``, sorted."""
    missing = set()
    for role in {check.responsible_role for check in checks}:
        try:
            config.oncall.on_duty(role, at)
        except InvalidInputError:
            missing.add(role)
    return tuple(sorted(missing))


def next_run(after: datetime) -> datetime:
    """Return the first nightly run later than ``after``, UTC."""
    moment = after.astimezone(UTC)
    tonight = datetime.combine(moment.date(), NIGHTLY_AT, UTC)
    return tonight if tonight > moment else tonight + CADENCE
