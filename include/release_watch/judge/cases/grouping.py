"""Rows grouped into cases: one series for each metric and role."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from release_watch.judge.cases.model import Case, CaseMetric
from release_watch.judge.spec import Direction, Kind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from release_watch.judge.cases.columns import Codes, Flags, Floats, Times, Words

BEFORE, AFTER, CONTROL = range(3)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """The parsed columns of a file."""

    case: Words
    metric: Words
    role: Words
    time: Times
    value: Floats
    bad_value: Flags
    direction: Words
    golden: Words
    kind: Words
    change: Times

    @cached_property
    def pair(self) -> Codes:
        """A number for each metric of each case, rising with the case; -1 where the row names none."""
        import numpy as np

        named = (self.case.codes >= 0) & (self.metric.codes >= 0)
        return np.where(named, self.case.codes * (len(self.metric.labels) + 1) + self.metric.codes, -1)

    @cached_property
    def blank(self) -> Flags:
        """Which rows are empty lines."""
        import numpy as np

        named = (self.case.codes >= 0) | (self.metric.codes >= 0) | (self.role.codes >= 0)
        filled = named | self.role.bad | ~self.time.missing | ~np.isnan(self.value) | self.bad_value
        return np.asarray(~filled)


@dataclass(frozen=True)
class Grouped:
    """All samples of a file sorted by metric, role and time, and where each series starts."""

    samples: pd.Series
    starts: dict[tuple[int, int], tuple[int, int]]

    def series(self, pair: int, role: int, name: str) -> pd.Series:
        """Return the samples of one metric in one role; empty where there are none."""
        start, end = self.starts.get((pair, role), (0, 0))
        return self.samples.iloc[start:end].rename(name)


def cases_of(rows: Rows, without: Collection[str]) -> Iterator[Case]:
    """Yield the cases in the order of their first row, their metrics in that of their names."""
    import numpy as np

    left_out = np.array([*(label in without for label in rows.case.labels), True])
    good = ~left_out[rows.case.codes] & ~rows.blank
    grouped = combined(rows, good & ~np.isnan(rows.value))
    changes = _changes(rows, good)
    pairs, first = np.unique(rows.pair[good], return_index=True)
    row_of = dict(zip(pairs.tolist(), np.flatnonzero(good)[first].tolist(), strict=True))
    begun = _first_times(rows, good)
    attributes = [_said(words.codes, rows, good) for words in (rows.direction, rows.golden, rows.kind)]
    by_case: dict[int, list[CaseMetric]] = {}
    for pair, row in sorted(row_of.items(), key=lambda item: item[1]):
        begins = EPOCH + timedelta(microseconds=begun[pair])
        metric = replace(_metric(rows, grouped, pair, row, attributes), first=begins)
        by_case.setdefault(int(rows.case.codes[row]), []).append(metric)
    for code, metrics in sorted(by_case.items()):
        change = EPOCH + timedelta(microseconds=changes[code])
        metrics.sort(key=lambda metric: metric.name)  # the order of rows is to change nothing
        yield Case(name=rows.case.labels[code], change_time=change, metrics=tuple(metrics))


def combined(rows: Rows, chosen: Flags) -> Grouped:
    """Return the samples of the chosen rows; several at one time (one per instance) become their mean.

    The mean keeps what a median of instances hides: one bad instance of five. It does not depend on how
    many instances there are, as a sum would.
    """
    import numpy as np
    import pandas as pd

    key = rows.pair[chosen] * 3 + rows.role.codes[chosen]
    moment, value = rows.time.micros[chosen], rows.value[chosen]
    order = np.lexsort((moment, key))
    new = _firsts(key[order], moment[order])
    if not new.all():  # sums must not depend on the order of the rows
        order = np.lexsort((value, moment, key))
    key, moment, value = key[order], moment[order], value[order]
    if not new.all():
        at = np.flatnonzero(new)
        value = mean_of_each(value, at)
        key, moment = key[at], moment[at]
    index = pd.DatetimeIndex(moment.view("datetime64[us]")).tz_localize("UTC")
    keys, starts = np.unique(key, return_index=True)
    ends = [*starts[1:].tolist(), len(key)][: len(starts)]
    spans = {
        divmod(int(one), 3): (int(start), int(end))
        for one, start, end in zip(keys, starts, ends, strict=True)
    }
    return Grouped(pd.Series(value, index=index, dtype=float), spans)


def _firsts(key: Codes, moment: Codes) -> Flags:
    import numpy as np

    new = np.ones(len(key), dtype=bool)
    new[1:] = (key[1:] != key[:-1]) | (moment[1:] != moment[:-1])
    return new


def mean_of_each(values: Floats, starts: np.ndarray) -> Floats:
    """Return the mean of each group of values; never beyond its values, and finite even if a sum is not."""
    import numpy as np

    if not len(values):
        return values
    counts = np.diff([*starts.tolist(), len(values)])
    with np.errstate(over="ignore"):
        means = np.add.reduceat(values, starts) / counts
    shares = np.add.reduceat(values / np.repeat(counts, counts), starts)
    means = np.where(np.isfinite(means), means, shares)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return np.asarray(np.clip(means, low, high), dtype=float)


def _changes(rows: Rows, good: Flags) -> dict[int, int]:
    """Return when each case changed, in microseconds.

    What the file says, the earliest if it says several; else the first ``after`` row; else, where there is
    none yet, the last row there is.
    """
    import numpy as np

    largest = np.iinfo(np.int64).max
    codes, moments = rows.case.codes, rows.time.micros
    found = np.full(len(rows.case.labels), -largest)
    np.maximum.at(found, codes[good], moments[good])
    after, said = good & (rows.role.codes == AFTER), good & ~rows.change.missing
    for chosen, times in ((after, moments), (said, rows.change.micros)):
        found[codes[chosen]] = largest
        np.minimum.at(found, codes[chosen], times[chosen])
    return dict(enumerate(found.tolist()))


def _first_times(rows: Rows, good: Flags) -> dict[int, int]:
    """Return when the first row of each metric is, in microseconds."""
    import numpy as np

    pairs, place = np.unique(rows.pair[good], return_inverse=True)
    first = np.full(len(pairs), np.iinfo(np.int64).max)
    np.minimum.at(first, place, rows.time.micros[good])
    return dict(zip(pairs.tolist(), first.tolist(), strict=True))


def _said(codes: Codes, rows: Rows, good: Flags) -> dict[int, int]:
    """Return what the rows of each metric say; they agree, or the case was set aside."""
    import numpy as np

    said = np.flatnonzero(good & (codes >= 0))
    pairs, first = np.unique(rows.pair[said], return_index=True)
    return dict(zip(pairs.tolist(), codes[said[first]].tolist(), strict=True))


def _metric(
    rows: Rows, grouped: Grouped, pair: int, row: int, attributes: list[dict[int, int]]
) -> CaseMetric:
    name = rows.metric.labels[int(rows.metric.codes[row])]
    direction, golden, kind = attributes
    control = grouped.series(pair, CONTROL, name)
    return CaseMetric(
        name=name,
        before=grouped.series(pair, BEFORE, name),
        after=grouped.series(pair, AFTER, name),
        control=control if len(control) else None,
        direction=tuple(Direction)[direction[pair]] if pair in direction else Direction.BOTH,
        golden=golden.get(pair) == 1,
        kind=tuple(Kind)[kind[pair]] if pair in kind else Kind.GAUGE,
        golden_given=pair in golden,
    )
