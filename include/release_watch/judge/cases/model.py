"""A case: the metrics of one change, before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from release_watch.judge.spec import Direction, Kind

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, eq=False)
class CaseMetric:
    """The samples of one metric of a case.

    Every series is of finite floats in the order of time, indexed by UTC times of which none is twice.
    ``control`` is None where the file holds no control group for it. ``golden_given`` says whether the file
    says if it is golden; where it does not, ``golden`` is False. ``first`` is the time of its first row, also
    of one without a value; None where that is not known.
    """

    name: str
    before: pd.Series
    after: pd.Series
    control: pd.Series | None = None
    direction: Direction = Direction.BOTH
    golden: bool = False
    kind: Kind = Kind.GAUGE
    golden_given: bool = False
    first: datetime | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """One change and its metrics, in the order of their names.

    The series hold everything the file holds: who judges a look reads them up to ``change_time`` and the
    look only.
    """

    name: str
    change_time: datetime
    metrics: tuple[CaseMetric, ...]
