"""Judgements: what the judge concluded about a metric and about a release, with the numbers behind it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from release_watch.clock import Timestamp
from release_watch.judge.spec import MetricSpec
from release_watch.verdict import Objective, Verdict


class State(StrEnum):
    """Whether a metric is worse: not at all, for a while that is over, or still."""

    NORMAL = "normal"
    TRANSIENT = "transient"
    SUSTAINED = "sustained"
    UNKNOWN = "unknown"


class MetricJudgement(BaseModel):
    """What was concluded about one metric.

    ``score`` is 0 for no sign of a change, 1 at the limit, higher for worse, and comparable over metrics.
    ``value``, ``baseline`` and ``threshold`` are in the metric's unit. ``effect`` and its interval are shares
    of the baseline's level, or differences where the metric is a ratio or the level is 0.
    """

    model_config = ConfigDict(frozen=True)

    spec: MetricSpec
    verdict: Verdict
    state: State
    score: float = Field(ge=0)
    reason: str
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    effect: float | None = None
    effect_interval: tuple[float, float] | None = None
    started_at: Timestamp | None = None
    samples: int = 0
    baseline_samples: int = 0
    statistics: dict[str, float] = Field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the metric is worse and stays so."""
        return self.state is State.SUSTAINED

    def objective(self) -> Objective:
        """Return the judgement as an objective of a review."""
        spec = self.spec
        return Objective(
            name=spec.title,
            verdict=self.verdict,
            reason=self.reason,
            value=quantity(self.value, spec.unit),
            threshold=quantity(self.threshold, spec.unit),
            baseline=quantity(self.baseline, spec.unit),
            query=spec.query or None,
            samples=self.samples,
        )


class ReleaseJudgement(BaseModel):
    """What was concluded about a release.

    ``critical`` holds what is enough to act on alone; ``explained`` names, for a service that is worse, the
    dependency that is worse too.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    score: float
    reason: str
    judgements: tuple[MetricJudgement, ...]
    critical: tuple[MetricJudgement, ...] = ()
    explained: dict[str, str] = Field(default_factory=dict)

    def objectives(self) -> tuple[Objective, ...]:
        """Return one objective per metric; a failure that is not critical only warns."""
        return tuple(
            judgement.objective()
            if judgement.verdict is not Verdict.NO_GO or judgement in self.critical
            else judgement.objective().model_copy(update={"verdict": Verdict.WARN})
            for judgement in self.judgements
        )


def quantity(value: float | None, unit: str) -> str | None:
    """Return a number with its unit, to four digits, ratios in percent; or None."""
    if value is None:
        return None
    value += 0.0  # a negative zero is shown as 0
    return f"{100 * value:.4g} %" if unit == "ratio" else f"{value:.4g} {unit}".rstrip()
