"""Series turned so that higher is always worse, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from release_watch.errors import InvalidInputError
from release_watch.judge.spec import Direction, Kind, MetricSpec

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

ZERO_INFLATED = 0.3
"""From this share of zeros on the median says nothing, and values are counted as events instead."""

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Samples:
    """Baseline and current values of one metric, turned so that higher is worse.

    ``value = (worse - offset) * sign`` turns a number back. ``full`` is the top of a ratio's scale (1, or 100
    for percent).
    """

    baseline: Floats
    current: Floats
    index: pd.DatetimeIndex
    baseline_seconds: float
    sign: int
    offset: float
    full: float

    def back(self, worse: float) -> float:
        """Return a turned value in the metric's own sense."""
        return (worse - self.offset) * self.sign

    def time(self, position: int) -> datetime:
        """Return when a current sample was taken."""
        moment: datetime = self.index[position].to_pydatetime()
        return moment

    @property
    def whole_day(self) -> bool:
        """Whether the baseline covers every time of day."""
        return self.baseline_seconds >= 0.98 * DAY_SECONDS

    @property
    def zero_inflated(self) -> bool:
        """Whether the values are rare events: many zeros, nothing below."""
        low = min(self.baseline.min(), self.current.min())
        return bool(low >= 0 and (self.baseline == 0).mean() >= ZERO_INFLATED)


def finite(series: pd.Series) -> pd.Series:
    """Return the series in the order of time, without missing and infinite values, as floats.

    Raises:
        InvalidInputError: if its index is not one of UTC times.
    """
    import numpy as np
    import pandas as pd

    if series.empty:
        return pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
    if not isinstance(series.index, pd.DatetimeIndex) or str(series.index.tz) != "UTC":
        raise InvalidInputError(
            [f"series {series.name!r}: its index is {series.index.dtype}; give a DatetimeIndex in UTC"]
        )
    values = series.astype(float)
    return values[np.isfinite(values.to_numpy())].sort_index(kind="stable")


def turned(baseline: pd.Series, current: pd.Series, spec: MetricSpec) -> list[Samples]:
    """Return one pair of turned series for each direction in which the metric can be worse.

    A ratio that is worse when low (availability, success) becomes its complement, so that zero is perfect.
    """
    import pandas as pd

    b, c = baseline.to_numpy(dtype=float), current.to_numpy(dtype=float)
    top = 100.0 if spec.kind is Kind.RATIO and max(b.max(), c.max()) > 1.5 else 1.0
    seconds = (baseline.index[-1] - baseline.index[0]).total_seconds() * len(b) / max(len(b) - 1, 1)
    index = pd.DatetimeIndex(current.index)
    downwards_from = top if spec.kind is Kind.RATIO else 0.0
    ways = {
        Direction.UP: [(1, 0.0)],
        Direction.DOWN: [(-1, downwards_from)],
        Direction.BOTH: [(1, 0.0), (-1, downwards_from)],
    }[spec.direction]
    return [
        Samples(sign * b + offset, sign * c + offset, index, seconds, sign, offset, top)
        for sign, offset in ways
    ]
