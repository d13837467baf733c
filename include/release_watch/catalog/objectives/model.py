"""One objective over a rolling window: the form in which every reader of a document gives it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WINDOW_DAYS = (7, 28, 30, 90)
WINDOW = "{{.window}}"
"""Stands for the range in an expression, as in Sloth's specifications."""

Kind = Literal["ratio", "latency", "threshold"]
Budgeting = Literal["Occurrences", "Timeslices", "RatioTimeslices"]


class Slo(BaseModel):
    """One objective over a rolling window.

    ``good``, ``bad`` and ``total`` are all of one form: bare counter selectors, or expressions with
    ``{{.window}}`` where the range goes (:attr:`templated`); one of ``good`` and ``bad`` is given. For
    ``kind`` latency, ``good`` is the histogram bucket with the ``le`` that ``threshold_seconds`` names.
    Gauges (``kind`` threshold) and ready-made ratios are expressions that count samples.

    ``per_second``: an expression gives events per second, not events in the window; counters always do.
    ``slice`` and ``slice_target``: with Timeslices, a slice of that length is good if at least that share of
    its events is. ``group_by``: labels that have an error budget of their own for each of their values.
    ``page`` and ``ticket``: whether that alert is wanted; ``labels`` and ``annotations`` are added to both.
    ``source`` is the ``file:line`` where it is written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    service: str
    description: str
    objective: Decimal
    window_days: int
    kind: Kind
    good: str | None
    total: str
    bad: str | None
    threshold_seconds: Decimal | None = None
    per_second: bool = True
    budgeting: Budgeting = "Occurrences"
    slice: timedelta | None = None
    slice_target: Decimal | None = None
    group_by: tuple[str, ...] = ()
    page: bool = True
    ticket: bool = True
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    source: str = ""

    @property
    def templated(self) -> bool:
        """Whether the events are counted by expressions with ``{{.window}}`` instead of bare counters."""
        return WINDOW in self.total

    @property
    def error_budget(self) -> Decimal:
        """The share of events that may be bad, for example 0.001."""
        return 1 - self.objective
