"""Cases read from a file: bad rows named, and the cases they belong to set aside."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from release_watch.errors import InvalidInputError
from release_watch.judge.cases.columns import Times, Words, numbers, times, words
from release_watch.judge.cases.grouping import Rows, cases_of
from release_watch.judge.cases.model import Case
from release_watch.judge.cases.table import Skipped, Table, load
from release_watch.judge.spec import Direction, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from release_watch.judge.cases.columns import Codes, Flags

ROLES = ("before", "after", "control")
TRUTH = {"true": 1, "t": 1, "yes": 1, "y": 1, "1": 1, "1.0": 1} | {
    "false": 0, "f": 0, "no": 0, "n": 0, "0": 0, "0.0": 0,
}  # fmt: skip
LONGEST = 60
"""Characters of a bad cell that are shown."""


@dataclass(frozen=True)
class Reading:
    """What a file holds.

    ``names`` are all its cases in the order of their first row; ``spoiled`` says why one of them is not
    among ``cases``: its first bad row. ``problems`` names for each case and column the first bad row, in the
    order of lines. ``notes`` are what was assumed.
    """

    names: tuple[str, ...]
    cases: tuple[Case, ...]
    spoiled: dict[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    rows: int = 0


class Fault(NamedTuple):
    """A bad row."""

    line: int
    case: str | None
    text: str


def read_cases(path: Path) -> tuple[list[Case], list[str]]:
    """Return the cases of a CSV or Parquet file without bad rows, and the problems of the others.

    Raises:
        InvalidInputError: if the file is neither CSV nor Parquet, lacks a column, or has no rows.
        OSError: if it cannot be read.
    """
    reading = read(path)
    return list(reading.cases), list(reading.problems)


def read(path: Path) -> Reading:
    """Return everything a CSV or Parquet file of cases holds; raises as :func:`read_cases` does."""
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

    table = load(path)
    if table.rows == 0 and not table.skipped:
        raise InvalidInputError([f"{path}: no rows below the header"])
    try:
        rows, zoneless = _rows(table)
    except pa.ArrowException as error:
        raise InvalidInputError([f"{path}: a column is of a type that is not understood: {error}"]) from error
    faults = sorted(_faults(table, rows))
    spoiled: dict[str, str] = {}
    for fault in faults:
        if fault.case is not None:
            spoiled.setdefault(fault.case, fault.text)
    names = tuple(dict.fromkeys([*rows.case.labels, *spoiled]))
    notes = [f"{table.name}: times without a time zone are taken as UTC"] if zoneless else []
    if table.extra:
        notes.insert(0, f"{table.name}: columns that are not used: {', '.join(table.extra)}")
    notes += _moved(table, rows, spoiled)
    return Reading(
        names=names,
        cases=tuple(cases_of(rows, spoiled)),
        spoiled=spoiled,
        problems=tuple(fault.text for fault in faults),
        notes=tuple(notes),
        rows=table.rows,
    )


def _rows(table: Table) -> tuple[Rows, bool]:
    """Return the parsed columns, and whether a time had no time zone."""
    moment = times(table.columns["time"])
    change = times(table.columns.get("change_time", _nothing(table)))
    value, bad_value = numbers(table.columns["value"])
    rows = Rows(
        case=words(table.columns["case"]),
        metric=words(table.columns["metric"]),
        role=words(table.columns["role"], {role: place for place, role in enumerate(ROLES)}),
        time=moment,
        value=value,
        bad_value=bad_value,
        direction=_optional(table, "direction", {way.value: place for place, way in enumerate(Direction)}),
        golden=_optional(table, "golden", TRUTH),
        kind=_optional(table, "kind", {kind.value: place for place, kind in enumerate(Kind)}),
        change=change,
    )
    return rows, moment.zoneless or change.zoneless


def _optional(table: Table, column: str, allowed: dict[str, int]) -> Words:
    return words(table.columns.get(column, _nothing(table)), allowed)


def _nothing(table: Table) -> object:
    import pyarrow as pa

    return pa.nulls(table.rows, pa.string())


def _faults(table: Table, rows: Rows) -> Iterator[Fault]:
    torn: dict[str | None, list[Skipped]] = {}
    for skipped in table.skipped:
        torn.setdefault(skipped.case, []).append(skipped)
    for case, (first, *others) in torn.items():
        yield Fault(first.line, case, f"{table.at(first.line)}: {first.problem}{_rest(len(others))}")
    for column, bad, why in _checks(rows):
        yield from _first_of_each(table, rows, column, bad & ~rows.blank, why)


def _checks(rows: Rows) -> Iterator[tuple[str, Flags, str]]:
    """Yield for every demand the column, the rows that break it, and the demand in words."""
    for column, named in (("case", rows.case), ("metric", rows.metric)):
        yield column, named.codes < 0, "is empty; every row names it"
    yield "role", rows.role.codes < 0, f"is none of {', '.join(ROLES)}"
    for column, moment, empty in (("time", rows.time, True), ("change_time", rows.change, False)):
        yield column, _bad_time(moment, empty), "is no time: ISO 8601, or seconds since 1970"
    yield "value", rows.bad_value, "is no number; leave it empty where there is none"
    for column, chosen, allowed in (
        ("direction", rows.direction, ", ".join(Direction)),
        ("golden", rows.golden, "true, false"),
        ("kind", rows.kind, ", ".join(Kind)),
    ):
        yield column, chosen.bad, f"is none of {allowed}"
        yield column, _changing(chosen.codes, rows.pair), "differs from an earlier row of the metric"


def _bad_time(moment: Times, needed: bool) -> Flags:
    return moment.bad | moment.missing if needed else moment.bad


def _moved(table: Table, rows: Rows, spoiled: Collection[str]) -> Iterator[str]:
    """Yield which cases give more than one time of change."""
    import numpy as np

    known = np.flatnonzero(~rows.change.missing & ~rows.change.bad & (rows.case.codes >= 0))
    if not len(known):
        return
    codes, micros = rows.case.codes[known], rows.change.micros[known]
    first = np.zeros(len(rows.case.labels), dtype=np.int64)
    first[codes[::-1]] = micros[::-1]
    cases = [rows.case.labels[code] for code in np.unique(codes[micros != first[codes]]).tolist()]
    cases = [case for case in cases if case not in spoiled]
    if cases:
        more = f" and {len(cases) - 1} more cases" if len(cases) > 1 else ""
        yield f"{table.name}: {cases[0]!r}{more}: several change_times; the earliest is taken"


def _changing(codes: Codes, groups: Codes) -> Flags:
    """Return which codes (-1: not said) differ from the first that is said in their group (-1: none)."""
    import numpy as np

    said = (codes >= 0) & (groups >= 0)
    if not said.any():
        return said
    _, group = np.unique(groups, return_inverse=True)
    first = np.full(int(group.max()) + 1, -1, dtype=np.int64)
    first[group[said][::-1]] = codes[said][::-1]  # of several, the one assigned last stays: the first row
    return np.asarray(said & (codes != first[group]), dtype=bool)


def _first_of_each(table: Table, rows: Rows, column: str, bad: Flags, why: str) -> Iterator[Fault]:
    """Yield the first bad row of each case, with the number of the others."""
    import numpy as np

    found = np.flatnonzero(bad)
    cases, first, counts = np.unique(rows.case.codes[found], return_index=True, return_counts=True)
    for code, place, count in zip(cases, first, counts, strict=True):
        row = int(found[place])
        line = table.line(row)
        case = rows.case.labels[int(code)] if code >= 0 else None
        cell = table.columns[column][row].as_py()
        shown = "" if cell is None else f"{str(cell)[:LONGEST]!r} "
        yield Fault(line, case, f"{table.at(line)}: {column}: {shown}{why}{_rest(int(count) - 1)}")


def _rest(count: int) -> str:
    return f" (and {count} more rows of this case)" if count else ""
