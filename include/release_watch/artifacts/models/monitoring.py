"""``monitoring-results.json``: what the reviews of the window read and found."""

from __future__ import annotations

from enum import StrEnum

from release_watch.artifacts.models.artifact import Artifact, Part, Window
from release_watch.artifacts.models.baseline import NormalRange
from release_watch.clock import Timestamp
from release_watch.verdict import Objective, Verdict


class Severity(StrEnum):
    """How grave a finding is."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class FindingState(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    TRANSIENT = "transient"
    RESOLVED = "resolved"


class Finding(Part):
    """Something that is worse than it was, or broken, since the release.

    ``plot`` is the URI of a picture of it, ``dashboard`` the address of the panels of its service.
    """

    finding_id: str
    service: str
    metric: str
    severity: Severity
    first_seen: Timestamp
    last_seen: Timestamp
    state: FindingState
    reason: str
    evidence: tuple[Objective, ...]
    actions: tuple[str, ...] = ()
    owner: str | None = None
    plot: str | None = None
    dashboard: str | None = None


class Review(Part):
    """One periodic look at the release.

    ``woken_by`` are the signs that had it made early, ``unwatched`` says since when and why nothing could be
    asked since the last one, and ``evidence`` where what it was judged by is stored.
    """

    number: int
    at: Timestamp
    verdict: Verdict
    objectives: tuple[Objective, ...]
    woken_by: tuple[str, ...] = ()
    unwatched: str | None = None
    evidence: str | None = None


class MetricReading(Part):
    """One metric at the last review, in its unit: what it is, what is usual, and how that was told.

    ``statistic`` is the judge's score: 1 at the limit, higher for worse. ``effect`` and its interval are
    shares of the baseline's level, or differences where the metric is a ratio or the level is 0.
    """

    service: str
    metric: str
    unit: str
    verdict: Verdict
    state: str
    reason: str
    value: float | None = None
    baseline: float | None = None
    band: NormalRange | None = None
    threshold: float | None = None
    statistic: float = 0.0
    effect: float | None = None
    effect_interval: tuple[float, float] | None = None
    samples: int = 0
    baseline_samples: int = 0
    query: str = ""
    dashboard: str | None = None


class MonitoringResults(Artifact):
    """``monitoring-results.json``; ``metrics`` are those of the last review."""

    verdict: Verdict
    window: Window
    reviews: tuple[Review, ...]
    findings: tuple[Finding, ...]
    metrics: tuple[MetricReading, ...] = ()
