"""A share of a count, with the interval in which the true share lies."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict

_Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % between plus and minus."""


class Proportion(BaseModel):
    """``hits`` of ``total`` with the 95 % Wilson score interval (E. B. Wilson, JASA 22, 1927)."""

    model_config = ConfigDict(frozen=True)

    hits: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, total: int) -> Self | None:
        """Return the share, or None if there is nothing to take a share of."""
        if total == 0:
            return None
        share, square = hits / total, _Z95**2
        centre = (share + square / (2 * total)) / (1 + square / total)
        half = _Z95 / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
        return cls(hits=hits, total=total, low=max(0.0, centre - half), high=min(1.0, centre + half))

    @property
    def share(self) -> float:
        """The share, 0 to 1."""
        return self.hits / self.total

    def __str__(self) -> str:
        return (
            f"{self.share:.0%} ({self.hits} of {self.total}; 95 % interval {self.low:.0%} to {self.high:.0%})"
        )


def in_words(proportion: Proportion | None) -> str:
    """Return a share as people read it; none is unknown, never 0 and never 100 %."""
    return "unknown" if proportion is None else str(proportion)
