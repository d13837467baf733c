"""``observability-schedule.json``: the recurring checks."""

from __future__ import annotations

from release_watch.artifacts.models.artifact import Artifact, Part
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict


class ScheduledCheck(Part):
    """A recurring check, how often it runs and who answers for it."""

    check: str
    cadence: str
    responsible_role: str
    next_run: Timestamp
    runner: str


class ObservabilitySchedule(Artifact):
    """``observability-schedule.json``."""

    verdict: Verdict
    registered_with: str
    checks: tuple[ScheduledCheck, ...]
