"""``baseline-metrics.json``: the normal range of each metric."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from release_watch.artifacts.models.artifact import Artifact, Part, Window
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict


class BaselineKind(StrEnum):
    """``reference``: before the release; ``snapshot``: just after it; ``release``: the window after it."""

    SNAPSHOT = "snapshot"
    REFERENCE = "reference"
    RELEASE = "release"


class NormalRange(Part):
    """The band in which a metric is normal, in the metric's unit."""

    low: float
    high: float


class ExcludedWindow(Part):
    """A span that no baseline is made of, and why; without ``service`` it holds for all of them."""

    start: Timestamp
    end: Timestamp
    reason: str
    service: str | None = None


class MetricBaseline(Part):
    """The normal behaviour of one metric of one service; ``trend_per_hour`` is in its unit.

    ``verdict`` says whether the metric alone convinces, and ``reason`` why not. ``known_good`` is set where a
    pinned baseline stands in for the window: whose it is, and since when.
    """

    service: str
    metric: str
    unit: str
    quantiles: dict[str, float]
    normal_range: NormalRange | None
    seasonality: str | None = None
    trend_per_hour: float | None = None
    expected_pattern: str | None = None
    samples: int
    completeness: float = Field(ge=0, le=1)
    query: str
    lowest: float | None = None
    highest: float | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    known_good: str | None = None


class Sampling(Part):
    """How far apart samples were asked for, and the Parquet file written of them, with its SHA-256."""

    step_seconds: float
    sha256: str | None = None
    file: str | None = None


class BaselineMetrics(Artifact):
    """``baseline-metrics.json``."""

    kind: BaselineKind
    window: Window
    verdict: Verdict
    reason: str
    metrics: tuple[MetricBaseline, ...]
    sampling: Sampling | None = None
    excluded: tuple[ExcludedWindow, ...] = ()
    warnings: tuple[str, ...] = ()
