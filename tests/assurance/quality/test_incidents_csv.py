"""Incidents from a CSV file: what is right is read, what is wrong is shown with line and column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release_watch.assurance.quality.incidents_csv import COLUMNS, read_incidents
from release_watch.errors import InvalidInputError
from release_watch.response.incidents import Incident

Write = Callable[..., Path]
TITLED = "id,title,service,opened_at"
OPENED = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*lines: str, header: str = "id,service,opened_at,closed_at,verdict") -> Path:
        file = tmp_path / "incidents.csv"
        file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
        return file

    return written


def problems(file: Path, services=("checkout", "payments")) -> tuple[str, ...]:
    with pytest.raises(InvalidInputError) as refused:
        read_incidents(file, services)
    return refused.value.problems


def test_every_column_is_read(write: Write) -> None:
    file = write(
        "7,checkout,2026-11-01T12:00Z,2026-11-01T13:00Z,2026-11-01T11:50Z,2026-11-01T12:50Z,2026-11-01T12:01Z,"
        'Errors,false-alarm,"orders fail, all",https://t/7',
        header=",".join(COLUMNS),
    )
    minutes = {"began_at": (11, 50), "ended_at": (12, 50), "acknowledged_at": (12, 1)}
    assert read_incidents(file) == [
        Incident(
            "7",
            "https://t/7",
            "orders fail, all",
            "checkout",
            OPENED,
            OPENED.replace(hour=13),
            **{name: OPENED.replace(hour=hour, minute=minute) for name, (hour, minute) in minutes.items()},
            labels=("false-alarm",),
            alert="Errors",
        )
    ]


def test_three_columns_are_enough_in_any_order_and_the_rest_is_open_and_unknown(write: Write) -> None:
    (found,) = read_incidents(write("2026-11-01T12:00:00+00:00,1,checkout", header="opened_at,id,service"))
    assert found == Incident("1", "", "", "checkout", OPENED, None)


def test_empty_lines_do_not_count_and_the_oldest_is_first(write: Write) -> None:
    file = write("2,checkout,2026-11-02T12:00Z,,incident", "", ",,,,", "1,payments,2026-11-01T12:00Z,,")
    assert [one.id for one in read_incidents(file)] == ["1", "2"]


def test_what_a_spreadsheet_writes_first_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    file = tmp_path / "incidents.csv"
    file.write_bytes(b"\xef\xbb\xbfid,service,opened_at\r\n1,checkout,2026-11-01T12:00Z\r\n")
    assert [one.id for one in read_incidents(file)] == ["1"]


def test_maintenance_may_be_of_all_services(write: Write) -> None:
    (found,) = read_incidents(write("1,*,2026-11-01T12:00Z,,maintenance"), ["checkout"])
    assert found.service is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,checkout,12:00,,", "incidents.csv:2: column opened_at: '12:00' is no time with an offset"),
        ("1,checkout,2026-11-01T12:00,,", "column opened_at: '2026-11-01T12:00' is no time with an offset"),
        ("1,checkout,2026-11-01T12:00Z,soon,", "column closed_at: 'soon' is no time"),
        (
            "1,checkout,2026-11-01T12:00Z,2026-11-01T11:00Z,",
            "column closed_at: 2026-11-01T11:00Z is before opened",
        ),
        (
            "1,chekout,2026-11-01T12:00Z,,",
            "column service: 'chekout' is no service here; did you mean 'checkout'",
        ),
        ("1,*,2026-11-01T12:00Z,,", "column service: * is for maintenance only"),
        ("1,checkout,2026-11-01T12:00Z,,false", "column verdict: 'false' is none"),
        (",checkout,2026-11-01T12:00Z,,", "column id: is empty"),
        ("1,checkout,2026-11-01T12:00Z,,,,", "incidents.csv:2: has 7 cells and the header 5"),
        ("1,checkout,0001-01-01T00:00:00Z,,", "column opened_at: '0001-01-01T00:00:00Z' is no moment"),
        ("1,checkout,2026-11-01T12:00Z,9999-12-31T23:59:59Z,", "leave the cell empty if it is not known"),
        ('1,"checkout', "is no CSV"),
    ],
    ids=[
        "clock only",
        "no offset",
        "no time",
        "closed before opened",
        "misspelt service",
        "star",
        "verdict",
        "no id",
        "too many cells",
        "zero time",
        "end of time",
        "open quote",
    ],
)
def test_a_mistake_is_shown_with_its_line_and_column(write: Write, line: str, said: str) -> None:
    (problem,) = problems(write(line))
    assert said in problem


def test_rows_that_end_before_their_id_are_told_one_by_one(write: Write) -> None:
    row = "checkout,2026-11-01T12:00Z"
    said = problems(write(row, row, header="service,opened_at,id"))
    assert said == tuple(f"incidents.csv:{line}: column id: is empty; fill it in" for line in (2, 3))


@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x85"], ids=["separator", "tab", "next line"])
def test_only_an_end_of_line_ends_a_row(write: Write, mark: str) -> None:
    (found,) = read_incidents(write(f"1,orders{mark}fail,checkout,2026-11-01T12:00Z", header=TITLED))
    assert found.title == f"orders{mark}fail"


def test_every_mistake_is_shown_at_once_and_lines_are_those_of_the_file(write: Write) -> None:
    found = problems(
        write(
            '1,checkout,2026-11-01T12:00Z,,"inci\ndent"',
            "1,payments,2026-11-01T12:00Z,never,",
        )
    )
    assert [problem.split(": ")[:2] for problem in found] == [
        ["incidents.csv:2", "column verdict"],
        ["incidents.csv:4", "column closed_at"],
        ["incidents.csv:4", "column id"],
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,service,opened_at,closd_at", "column 4: 'closd_at' is no column here; did you mean 'closed_at'"),
        ("id,opened_at", "column service: is missing"),
        ("id,service,opened_at,id", "column 4: id is there twice"),
    ],
    ids=["misspelt", "missing", "twice"],
)
def test_a_wrong_header_is_refused(write: Write, header: str, said: str) -> None:
    (problem,) = problems(write(header=header))
    assert problem.startswith("incidents.csv:1: ")
    assert said in problem


def test_an_empty_file_lacks_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "incidents.csv"
    file.write_text("")
    assert len(problems(file)) == 3


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "nowhere.csv")[0]
    (tmp_path / "latin.csv").write_bytes(b"id,service,opened_at\n1,caf\xe9,x\n")
    assert "not UTF-8 at byte 26" in problems(tmp_path / "latin.csv")[0]
