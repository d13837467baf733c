"""The made-up series of SLOs: for a course of events, the values of each series that the rules read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple, Protocol

from release_watch.catalog.slos import Slo
from release_watch.slo.unit_tests.cells import Cell, Examples, candidates, cells_of, fits
from release_watch.slo.unit_tests.mixing import Row, solve
from release_watch.slo.unit_tests.terms import (
    GaugeBound,
    GaugeRatio,
    Ratio,
    Sum,
    UntestableError,
    shape_of,
)
from release_watch.telemetry.promql import SeriesSelector

EVENTS = 1_000_000
"""Events in a step of ordinary traffic: a millionth of errors is a whole number."""

SICK, HEALTHY = "sick", "healthy"
"""Values of the labels that an SLO groups by."""

Course = Sequence[tuple[int, Mapping[str, int]]]
"""All events of each step, and of them the bad ones of each SLO."""

Values = dict[str, list[float]]
"""Series by name and labels, with a value for each step."""


class Source(Protocol):
    """Series that one SLO reads, or several that read the same ones."""

    grain: int
    """The smallest share of bad events is 1 of so many."""

    counted: bool
    """Whether the rules see single events; else they sample."""

    @property
    def names(self) -> tuple[str, ...]:
        """The SLOs."""
        ...

    @property
    def groups(self) -> Mapping[str, str]:
        """The labels that the SLO groups by, with their values where events are bad."""
        ...

    @property
    def healthy_groups(self) -> Mapping[str, str]:
        """The same labels with other values, where no event is ever bad; none if there is no such group."""
        ...

    def values(self, course: Course) -> Values:
        """Return the values of every series."""
        ...

    def disturbs(self, other: Source) -> bool:
        """Return whether a series of this source is read by an SLO of the other."""
        ...

    @property
    def reads(self) -> tuple[SeriesSelector, ...]:
        """What its SLOs read."""
        ...


class _Read(NamedTuple):
    """What an SLO reads, and where its selectors stand among those of the source."""

    slo: Slo
    shape: Ratio
    first: int


class Counted:
    """Counters, or gauges that are added up: as many good and bad events as one likes.

    SLOs that read the same series can share a source, each with bad events of its own.

    Raises:
        UntestableError: if no series can be found that give each SLO its numbers.
    """

    grain = EVENTS

    def __init__(self, slos: Sequence[tuple[Slo, Ratio]], given: Examples) -> None:
        self.shapes = tuple(slos)
        self._given = given
        self._reads: list[SeriesSelector] = []
        read = []
        for slo, shape in self.shapes:
            read.append(_Read(slo, shape, len(self._reads)))
            self._reads += [*shape.part.selectors, *shape.total.selectors]
        groups = [dict.fromkeys(slo.group_by) for slo, _ in self.shapes]
        fixed = {label: self._group_value(label, SICK) for group in groups for label in group}
        self._cells = cells_of(self._reads, given, fixed)
        self._rates = self._mixed(read)
        self._groups = fixed
        self.counted = not any(shape.sampled for _, shape in self.shapes) and not self._gauges

    @property
    def names(self) -> tuple[str, ...]:
        """The SLOs."""
        return tuple(slo.name for slo, _ in self.shapes)

    @property
    def groups(self) -> Mapping[str, str]:
        """The labels that the SLO groups by, with their values where events are bad."""
        return self._groups

    @property
    def healthy_groups(self) -> Mapping[str, str]:
        """The same labels with other values, where no event is ever bad."""
        return {
            label: _value_for(label, self._reads, {}, HEALTHY, unlike=sick)
            for label, sick in self._groups.items()
        }

    @property
    def reads(self) -> tuple[SeriesSelector, ...]:
        """What its SLOs read."""
        return tuple(self._reads)

    def values(self, course: Course) -> Values:
        """Return the values of every series; those of a healthy group beside the sick one's."""
        found = {
            str(cell): self._values(course, rate)
            for cell, rate in zip(self._cells, self._rates, strict=True)
            if any(rate)
        }
        if self.groups:
            calm = [(total, dict.fromkeys(bad, 0)) for total, bad in course]
            for cell, rate in zip(self._cells, self._rates, strict=True):
                if any(rate):
                    found[str(self._healthy(cell))] = self._values(calm, rate)
        return found

    def disturbs(self, other: Source) -> bool:
        """Return whether a series of this source is read by an SLO of the other."""
        return any(fits(read, cell.metric, dict(cell.labels)) for read in other.reads for cell in self._cells)

    @property
    def _gauges(self) -> bool:
        return any(shape.total.kind == "gauge" for _, shape in self.shapes)

    def _values(self, course: Course, rate: Row) -> list[float]:
        times, *shares = (int(share) for share in rate)  # they are whole
        per_name = [pair for pair in zip(shares, self.names, strict=True) if pair[0]]
        steps = [times * total + sum(share * bad[name] for share, name in per_name) for total, bad in course]
        return [float(value) for value in (steps if self._gauges else accumulate(steps))]

    def _mixed(self, read: Sequence[_Read]) -> list[Row]:
        parameters = 1 + len(read)
        wanted: list[tuple[Row, Row]] = []
        for number, (_, shape, first) in enumerate(read):
            everything = tuple(Fraction(int(i == 0)) for i in range(parameters))
            bad = tuple(Fraction(int(i == number + 1)) for i in range(parameters))
            good = tuple(a - b for a, b in zip(everything, bad, strict=True))
            after_part = first + len(shape.part.terms)
            wanted.append((self._row(shape.part, first), good if shape.good else bad))
            wanted.append((self._row(shape.total, after_part), everything))
        rates = solve(wanted, parameters)
        if rates is None:
            raise UntestableError(
                "no series were found that give good, bad and all events; give values of labels by --example"
            )
        return rates

    def _row(self, events: Sum, first: int) -> Row:
        return tuple(
            sum(
                (term.factor for i, term in enumerate(events.terms) if first + i in cell.fits),
                Fraction(0),
            )
            for cell in self._cells
        )

    def _group_value(self, label: str, otherwise: str) -> str:
        return _value_for(label, self._reads, self._given, otherwise)

    def _healthy(self, cell: Cell) -> Cell:
        for label, value in self.healthy_groups.items():
            cell = cell.with_label(label, value)
        return cell


class Sampled:
    """A gauge of which each sample is good or bad, or is itself a share.

    Raises:
        UntestableError: if no series fits the selector.
    """

    counted = False

    def __init__(self, slo: Slo, shape: GaugeBound | GaugeRatio, given: Examples) -> None:
        self._slo, self._shape = slo, shape
        self.grain = 1 if isinstance(shape, GaugeBound) else EVENTS
        self._groups = {label: _value_for(label, [shape.selector], given, SICK) for label in slo.group_by}
        found = cells_of([shape.selector], given, self._groups)
        if not found:
            raise UntestableError("no series was found that fits; give values of labels by --example")
        self._cell = found[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The SLO."""
        return (self._slo.name,)

    @property
    def groups(self) -> Mapping[str, str]:
        """The labels that the SLO groups by, with their values where samples are bad."""
        return self._groups

    @property
    def healthy_groups(self) -> Mapping[str, str]:
        """None: the samples of one group are enough."""
        return {}

    @property
    def reads(self) -> tuple[SeriesSelector, ...]:
        """What its SLO reads."""
        return (self._shape.selector,)

    def values(self, course: Course) -> Values:
        """Return the values of the series."""
        shares = [bad[self._slo.name] / total if total else 0.0 for total, bad in course]
        if isinstance(self._shape, GaugeBound):
            return {str(self._cell): [self._shape.bad if share else self._shape.good for share in shares]}
        return {str(self._cell): [1 - share if self._shape.good else share for share in shares]}

    def disturbs(self, other: Source) -> bool:
        """Return whether its series are read by an SLO of the other."""
        return any(fits(read, self._cell.metric, dict(self._cell.labels)) for read in other.reads)


def source_of(slo: Slo, given: Examples) -> Counted | Sampled:
    """Return made-up series for one SLO.

    Raises:
        UntestableError: saying why there are none.
    """
    shape = shape_of(slo)
    return Counted([(slo, shape)], given) if isinstance(shape, Ratio) else Sampled(slo, shape, given)


def shared(one: Source, other: Source, given: Examples) -> Counted | None:
    """Return one source for the SLOs of both, which read the same series; None where that cannot be."""
    if not isinstance(one, Counted) or not isinstance(other, Counted):
        return None
    if one.groups or other.groups or len(one.shapes) + len(other.shapes) > 3:
        return None
    try:
        return Counted([*one.shapes, *other.shapes], given)
    except UntestableError:
        return None


def _value_for(
    label: str, reads: Sequence[SeriesSelector], given: Examples, otherwise: str, unlike: str = ""
) -> str:
    """Return a value of a label that every selector takes."""
    matchers = [one for read in reads for one in read.matchers if one.label == label]
    for value in (
        *([given[label]] if label in given else []),
        otherwise,
        *candidates(label, matchers, given),
    ):
        if value and value != unlike and all(_takes(read, label, value) for read in reads):
            return value
    raise UntestableError(f"no value of the label {label} was found; give one by --example {label}=…")


def _takes(read: SeriesSelector, label: str, value: str) -> bool:
    only = read._replace(matchers=tuple(one for one in read.matchers if one.label == label))
    return fits(only, read.metric, {label: value})
