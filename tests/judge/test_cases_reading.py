"""Files of cases: every shape that people write is read alike, and what is bad is named."""

from __future__ import annotations

import gzip
from datetime import datetime
from itertools import permutations
from pathlib import Path

import pytest

from release_watch.errors import InvalidInputError
from release_watch.judge.cases import Case, Reading, read, read_cases
from release_watch.judge.spec import Direction, Kind

HEADER = "case,metric,role,time,value"
ROWS = ["a,m,before,60,1", "a,m,before,120,2", "a,m,after,180,3"]


def read_text(folder: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Reading:
    file = folder / "cases.csv"
    file.write_bytes((end.join(lines) + end).encode(encoding))
    return read(file)


def shape(case: Case) -> list[tuple[str, list[float], list[float]]]:
    return [(one.name, one.before.tolist(), one.after.tolist()) for one in case.metrics]


def only(reading: Reading) -> Case:
    (case,) = reading.cases
    assert reading.problems == ()
    return case


@pytest.mark.parametrize(
    ("lines", "end", "encoding"),
    [
        pytest.param([HEADER, *ROWS], "\n", "utf-8", id="plain"),
        pytest.param([HEADER, *ROWS], "\n", "utf-8-sig", id="byte order mark"),
        pytest.param([HEADER, *ROWS], "\r\n", "utf-8", id="CRLF"),
        pytest.param([HEADER, *ROWS], "\r", "utf-8", id="CR"),
        pytest.param([HEADER, "", *ROWS, "", ""], "\n", "utf-8", id="empty lines"),
        pytest.param([HEADER, "", *ROWS, ",,,,"], "\r\n", "utf-8", id="rows of nothing"),
        pytest.param([" Case,METRIC ,Role,Time,Value", *ROWS], "\n", "utf-8", id="names in another case"),
        pytest.param(
            [f'"{HEADER}"'.replace(",", '","'), *(f'"{row}"'.replace(",", '","') for row in ROWS)],
            "\n", "utf-8", id="quoted",
        ),
        pytest.param([HEADER, *(row.replace(",", ", ") for row in ROWS)], "\n", "utf-8", id="blanks"),
        pytest.param([HEADER, *(row.replace("before", "BEFORE") for row in ROWS)], "\n", "utf-8", id="roles"),
        pytest.param([HEADER, *reversed(ROWS)], "\n", "utf-8", id="unsorted"),
        pytest.param([HEADER, *ROWS, *ROWS], "\n", "utf-8", id="every row twice"),
        pytest.param([HEADER + ",pod,", *(f"{row},p," for row in ROWS)], "\n", "utf-8", id="more columns"),
    ],
)  # fmt: skip
def test_every_way_to_write_a_table_gives_the_same_case(
    tmp_path: Path, lines: list[str], end: str, encoding: str
) -> None:
    case = only(read_text(tmp_path, *lines, end=end, encoding=encoding))

    assert (case.name, shape(case)) == ("a", [("m", [1.0, 2.0], [3.0])])
    assert case.change_time == datetime.fromisoformat("1970-01-01T00:03:00Z")


def test_columns_come_in_any_order_and_those_not_used_are_told(tmp_path: Path) -> None:
    reading = read_text(tmp_path, "value,pod,time,role,metric,case,zone", "1,p,60,after,m,a,z")

    assert shape(only(reading)) == [("m", [], [1.0])]
    assert reading.notes == ("cases.csv: columns that are not used: pod, zone",)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv.gz"
    file.write_bytes(gzip.compress("\n".join([HEADER, *ROWS]).encode()))

    assert shape(only(read(file))) == [("m", [1.0, 2.0], [3.0])]


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T10:00:00Z", "2026-03-02 10:00:00+00:00", "2026-03-02T11:00:00+01:00",
        "2026-03-02T05:30:00-0430", "2026-03-02T10:00", "2026-03-02 10:00:00.000000", "1772445600",
        "1772445600.0", "1.7724456e9", "1772445600000", "1772445600000000", "1772445600000000000",
        "2026-03-02 10:00:00 UTC", "2026-03-02T10:00:00.000000000Z", "20260302T100000Z",
    ],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(tmp_path: Path, written: str) -> None:
    case = only(read_text(tmp_path, HEADER, f"a,m,after,{written},1"))

    assert case.change_time == datetime.fromisoformat("2026-03-02T10:00:00Z")


def test_times_are_microseconds_and_those_without_a_zone_are_utc_and_told(tmp_path: Path) -> None:
    reading = read_text(tmp_path, HEADER, "a,m,after,2026-03-02T10:00:00.123456,1", "a,m,before,1.5,1")

    assert only(reading).change_time == datetime.fromisoformat("2026-03-02T10:00:00.123456Z")
    assert reading.notes == ("cases.csv: times without a time zone are taken as UTC",)


def test_times_that_count_from_the_change_are_before_1970(tmp_path: Path) -> None:
    case = only(read_text(tmp_path, HEADER, "a,m,before,-120,1", "a,m,before,-60,2", "a,m,after,0,3"))

    assert shape(case) == [("m", [1.0, 2.0], [3.0])]
    assert case.change_time.timestamp() == 0


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "null", "None", "N/A", "inf", "-Infinity", '""', " "])
def test_a_cell_without_a_number_is_a_gap(tmp_path: Path, cell: str) -> None:
    assert shape(only(read_text(tmp_path, HEADER, *ROWS, f"a,m,after,240,{cell}"))) == [
        ("m", [1.0, 2.0], [3.0])
    ]


def test_instances_at_one_time_become_their_mean(tmp_path: Path) -> None:
    case = only(read_text(tmp_path, HEADER, "a,m,after,60,1", "a,m,after,60,5", "a,m,after,60,", *ROWS))

    assert shape(case) == [("m", [1.0, 2.0], [3.0, 3.0])]


def test_the_mean_of_instances_does_not_depend_on_their_order(tmp_path: Path) -> None:
    rows = [f"a,m,after,60,{value}" for value in ("0.1", "0.2", "0.3", "1e16", "-1e16")]
    readings = [read_text(tmp_path, HEADER, *order) for order in permutations(rows)]

    assert len({only(reading).metrics[0].after.iloc[0] for reading in readings}) == 1


def test_the_mean_of_numbers_whose_sum_is_too_large_is_finite(tmp_path: Path) -> None:
    case = only(read_text(tmp_path, HEADER, "a,m,after,60,1.5e308", "a,m,after,60,1.7e308"))

    assert case.metrics[0].after.tolist() == [pytest.approx(1.6e308)]


def test_optional_columns_say_what_a_metric_is(tmp_path: Path) -> None:
    reading = read_text(
        tmp_path,
        f"{HEADER},direction,golden,kind,change_time",
        "a,up,before,60,1,UP,TRUE,Latency,1970-01-01T00:02:00Z",
        "a,up,after,180,1,,1,,120",
        "a,none,before,60,1,,,,",
        "a,none,control,60,1,nan,,None,NaT",
        "a,down,after,180,1,down,0,ratio,",
    )

    case = only(reading)
    said = {one.name: (one.direction, one.golden, one.golden_given, one.kind) for one in case.metrics}
    assert said == {
        "up": (Direction.UP, True, True, Kind.LATENCY),
        "none": (Direction.BOTH, False, False, Kind.GAUGE),
        "down": (Direction.DOWN, False, True, Kind.RATIO),
    }
    assert case.change_time.timestamp() == 120
    assert [one.control is not None for one in case.metrics] == [False, True, False]


def test_of_several_times_of_change_the_earliest_counts_and_it_is_told(tmp_path: Path) -> None:
    reading = read_text(
        tmp_path, f"{HEADER},change_time", "a,m,before,60,1,", "a,m,after,180,1,170", "a,n,after,180,1,150"
    )

    assert only(reading).change_time.timestamp() == 150
    assert reading.notes == ("cases.csv: 'a': several change_times; the earliest is taken",)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param("b,m,before,x,1", "time: 'x' is no time", id="time"),
        pytest.param("b,m,before,,1", "time: is no time", id="no time"),
        pytest.param("b,m,before,1e300,1", "time: '1e300' is no time", id="time beyond all"),
        pytest.param("b,m,before,2026-02-30T00:00:00Z,1", "time: '2026-02-30T00:00:00Z' is no", id="no day"),
        pytest.param("b,m,during,60,1", "role: 'during' is none of before, after, control", id="role"),
        pytest.param("b,m,before,60,one", "value: 'one' is no number", id="value"),
        pytest.param("b,,before,60,1", "metric: is empty", id="no metric"),
        pytest.param("b,m,before,60", "4 cells, but the header has 5 columns", id="too few cells"),
        pytest.param("b,m,before,60,1,1", "6 cells, but the header has 5 columns", id="too many cells"),
    ],
)
def test_a_bad_row_is_named_and_costs_its_case_only(tmp_path: Path, row: str, problem: str) -> None:
    reading = read_text(tmp_path, HEADER, "b,m,before,0,1", ROWS[0], "", row, *ROWS[1:], "b,m,after,90,1")

    assert [case.name for case in reading.cases] == ["a"]
    assert shape(reading.cases[0]) == [("m", [1.0, 2.0], [3.0])]
    assert reading.names == ("b", "a")
    (told,) = reading.problems
    assert told.startswith(f"cases.csv:5: {problem}")
    assert reading.spoiled == {"b": told}


@pytest.mark.parametrize(
    ("column", "cells"),
    [("direction", ("up", "down")), ("golden", ("true", "no")), ("kind", ("latency", "ratio"))],
)
def test_a_metric_that_says_two_things_of_itself_is_bad(
    tmp_path: Path, column: str, cells: tuple[str, str]
) -> None:
    rows = [f"a,m,before,{number},1,{cell}" for number, cell in enumerate((cells[0], "", cells[1]))]

    reading = read_text(tmp_path, f"{HEADER},{column}", *rows)

    assert reading.problems == (
        f"cases.csv:4: {column}: {cells[1]!r} differs from an earlier row of the metric",
    )


def test_a_row_that_names_no_case_is_a_problem_of_none(tmp_path: Path) -> None:
    reading = read_text(tmp_path, HEADER, ",m,before,60,1", *ROWS)

    assert [case.name for case in reading.cases] == list(reading.names) == ["a"]
    assert reading.problems == ("cases.csv:2: case: is empty; every row names it",)


def test_many_bad_rows_of_a_case_are_one_problem_for_each_column(tmp_path: Path) -> None:
    rows = [f"b,m,before,{'x' if number % 2 else number},y" for number in range(100)]
    reading = read_text(tmp_path, HEADER, *rows)

    assert [problem.partition(": ")[2] for problem in reading.problems] == [
        "value: 'y' is no number; leave it empty where there is none (and 99 more rows of this case)",
        "time: 'x' is no time: ISO 8601, or seconds since 1970 (and 49 more rows of this case)",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "the columns case, metric, role, time, value are missing", id="empty"),
        pytest.param(f"{HEADER}\n".encode(), "no rows below the header", id="header only"),
        pytest.param(b"case;metric;role\n", "(found: case;metric;role)", id="semicolons"),
        pytest.param(f"{HEADER},value\n1,1,1,1,1,1\n".encode(), "column value is there twice", id="twice"),
        pytest.param(f"{HEADER}\na,m,after,1,1\n".encode("utf-16"), "not a CSV file in UTF-8", id="UTF-16"),
        pytest.param(f"{HEADER}\né,m,after,1,1\n".encode("latin-1"), "not a CSV file in UTF-8", id="Latin-1"),
        pytest.param(b"PAR1 and no more", "nor Parquet", id="torn Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "cases"
    file.write_bytes(content)

    with pytest.raises(InvalidInputError) as refused:
        read_cases(file)
    assert problem in str(refused.value)


def test_a_case_without_a_change_ends_where_its_rows_end(tmp_path: Path) -> None:
    case = only(read_text(tmp_path, HEADER, "a,m,control,60,1", "a,m,control,180,1", "a,m,control,120,1"))

    assert case.change_time.timestamp() == 180
    assert shape(case) == [("m", [], [])]
