"""A case with its truth, and the time axis it is made on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.detection import faults, strange
from benchmarks.detection.noise import Floats, Random, autocorrelated, bursts, holes, level_shift
from release_watch.judge.cases import Case

BAD_SHARE = 0.5
RESTLESS, HOLEY = 0.25, 0.1
"""Shares of metrics with calm and restless times, and with long holes in the baseline."""

MORNING = pd.Timestamp("2026-03-11T00:00:00Z")


@dataclass(frozen=True)
class Labelled:
    """A case and its truth: ``fault`` is what went wrong, "" for nothing."""

    case: Case
    fault: str

    @property
    def bad(self) -> bool:
        """Whether the release is worse."""
        return self.fault != ""


@dataclass(frozen=True)
class Clock:
    """The time axis of a case: samples ``step`` seconds apart, ``before`` of them ahead of the change."""

    step: float
    before: int
    after: int
    change: pd.Timestamp

    @classmethod
    def drawn(cls, random: Random, step: float, before: int, after: int) -> Clock:
        """Draw when the release happens: any minute of the day."""
        return cls(step, before, after, MORNING + pd.Timedelta(minutes=int(random.integers(0, 1440))))

    @property
    def n(self) -> int:
        """All samples."""
        return self.before + self.after

    @property
    def first(self) -> pd.Timestamp:
        """When the first sample is taken."""
        return self.change - pd.Timedelta(seconds=self.before * self.step)

    @property
    def seconds(self) -> Floats:
        """Seconds since the midnight before the first sample."""
        offset = (self.first - self.first.normalize()).total_seconds()
        return np.asarray(offset + np.arange(self.n) * self.step, dtype=float)

    def course(self, random: Random, fault: str) -> Floats:
        """Return the course of a fault over all samples."""
        minutes = np.arange(self.after) * self.step / 60
        return np.concatenate((np.zeros(self.before), faults.course(random, fault, minutes)))

    def noise(self, random: Random, *, bursty: float, shifting: float) -> Floats:
        """Return noise of variance about 1 with what healthy metrics do beside it."""
        noise = autocorrelated(random, self.n, memory=random.uniform(0.1, 0.92), heavy=random.random() < 0.35)
        if random.random() < RESTLESS:
            noise *= strange.volatility(random, self.seconds)
        if random.random() < bursty:
            noise += bursts(random, self.n, per_sample=random.uniform(0.3, 3) / 400, longest=4)
        if random.random() < shifting:
            noise += level_shift(random, self.n, self.before)
        return noise

    def level(self, random: Random) -> Floats:
        """Return what the level of a healthy metric is multiplied by, on other days and in old incidents."""
        return strange.factor(random, self.seconds, self.before)

    def missing(self, random: Random, *, most: float) -> np.ndarray | None:
        """Return which samples are missing: of three metrics in ten some, of one in ten whole stretches."""
        some = holes(random, self.n, share=random.uniform(0, most)) if random.random() < 0.3 else None
        if random.random() >= HOLEY:
            return some
        long = strange.chunks(random, self.n, self.before, self.step)
        return long if some is None else some | long

    def blip(self, random: Random, chance: float) -> Floats:
        """Return what a healthy deployment itself does for one to three minutes, in units of the noise."""
        added = np.zeros(self.n)
        if random.random() < chance:
            length = max(1, round(random.uniform(60, 180) / self.step))
            added[self.before : self.before + length] = random.uniform(2, 10)
        return added

    def cut(self, values: Floats, missing: np.ndarray | None = None) -> tuple[pd.Series, pd.Series]:
        """Return the samples before and after the change, without the missing ones."""
        index = pd.date_range(self.first, periods=self.n, freq=pd.Timedelta(seconds=self.step))
        series = pd.Series(values, index=index)
        if missing is not None:
            series = series[~missing]
        return series[series.index < self.change], series[series.index >= self.change]
