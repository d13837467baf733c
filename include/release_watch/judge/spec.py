"""What the judge has to know of a metric: what it measures, which way is worse, how it is counted."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """How the values of a metric behave."""

    LATENCY = "latency"
    RATIO = "ratio"
    COUNT = "count"
    GAUGE = "gauge"
    RESOURCE = "resource"


class Direction(StrEnum):
    """The way in which a metric is worse."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class Family(StrEnum):
    """What a metric tells about; two metrics of one family corroborate nothing, they say the same."""

    ERRORS = "errors"
    LATENCY = "latency"
    TRAFFIC = "traffic"
    RESOURCES = "resources"
    OTHER = "other"


class MetricSpec(BaseModel):
    """One metric of one service.

    ``golden`` metrics (errors, latency) are enough alone for a critical finding. ``overlap`` is how many
    neighbouring samples share data: the query's range divided by the step; 1 where none do.
    ``minimum_effect`` (a share of the baseline) replaces the policy's, ``minimum_shift`` is in the metric's
    unit. ``short_baseline_effect`` replaces both while the baseline is shorter than a day: a metric that
    follows the load swings by that much between night and noon.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    metric: str
    unit: str = ""
    query: str = ""
    direction: Direction = Direction.UP
    golden: bool = False
    kind: Kind = Kind.GAUGE
    family: Family = Family.OTHER
    overlap: int = Field(default=1, ge=1)
    minimum_effect: float | None = Field(default=None, ge=0)
    minimum_shift: float = Field(default=0.0, ge=0)
    short_baseline_effect: float | None = Field(default=None, ge=0)

    @property
    def key(self) -> tuple[str, str]:
        """The service and the metric's name."""
        return (self.service, self.metric)

    @property
    def title(self) -> str:
        """The name for people."""
        return f"{self.service} {self.metric}"
