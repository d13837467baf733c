"""The observability scorecard as data: ``observability-scorecard.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Artifact, CoverageStatus, Severity, Signal
from release_watch.assurance.drift.model import Drift
from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality.models import Times
from release_watch.catalog.waivers import Waiver
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict

NAME = "observability-scorecard.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Number(_Part):
    """A number of the headline; ``value`` is None where it is unknown, ``behind`` its query or artifact."""

    name: str
    value: float | None
    shown: str
    better: Literal["higher", "lower"]
    behind: str


class BudgetPoint(_Part):
    """How much of an error budget was left at a moment; None where nothing was measured."""

    at: Timestamp
    budget_left: float | None


class SloLine(_Part):
    """An SLO as of the scorecard, and how its budget came there, oldest first; the last point is now."""

    service: str
    slo: str
    objective: float
    window_days: int
    good_ratio: float | None
    budget_left: float | None
    trend: tuple[BudgetPoint, ...]
    query: str
    reason: str

    @property
    def met(self) -> bool | None:
        """Whether the objective is met; None where it was not measured."""
        return None if self.good_ratio is None else self.good_ratio >= self.objective


class CoverageLine(_Part):
    """How well a service is covered, by signal."""

    service: str
    tier: str
    score: float
    signals: dict[Signal, CoverageStatus]


class DrillLine(_Part):
    """A drill: how fast it was delivered and answered, in seconds; None where it was not."""

    service: str
    severity: str
    receiver: str | None
    delivered_seconds: float | None
    acknowledged_seconds: float | None
    answer_needed: bool
    target_seconds: float
    verdict: Verdict


class DriftCount(_Part):
    """How much is live otherwise than it was activated, and where that was looked at."""

    by_kind: dict[str, int]
    behind: str
    reasons: tuple[str, ...] = ()
    """Why some of it could not be looked at."""

    @classmethod
    def of(cls, drifts: Iterable[Drift], behind: str) -> Self:
        """Count ``drifts`` that ``behind`` tells of."""
        found = tuple(drifts)
        reasons = tuple(dict.fromkeys(one.what for one in found if one.kind == "unknown"))
        return cls(by_kind=dict(Counter(one.kind for one in found)), behind=behind, reasons=reasons)

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.by_kind.values())


class PagingLine(_Part):
    """How often people were paged in the window of the alert report."""

    pages: int
    night_pages: int
    per_shift: float
    silences_known: bool = True


class Risk(_Part):
    """An open finding."""

    finding_id: str
    severity: Severity
    service: str
    metric: str
    reason: str
    owner: str | None


class BacklogLine(_Part):
    """An open item of the improvement backlog."""

    item_id: str
    priority: str
    title: str
    owner: str


class Scorecard(Artifact):
    """What a lead reads in two minutes. What is not known is None, never left out."""

    version: str
    services: tuple[str, ...]
    numbers: tuple[Number, ...]
    slos: tuple[SloLine, ...]
    coverage: tuple[CoverageLine, ...]
    precision: Proportion | None
    recall: Proportion | None
    paging: PagingLine | None = None
    times: Times | None = None
    not_acted_on: int | None = None
    reviewed: str
    drills: tuple[DrillLine, ...]
    drift: DriftCount | None
    risks: tuple[Risk, ...]
    waivers: tuple[Waiver, ...]
    backlog: tuple[BacklogLine, ...]

    def number(self, name: str) -> Number | None:
        """Return a number of the headline by its name."""
        return next((number for number in self.numbers if number.name == name), None)
