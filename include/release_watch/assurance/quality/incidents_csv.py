"""Incidents and verdicts from a CSV file: where no tracker is connected, or people review in a sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from release_watch.assurance.quality.review import VERDICTS
from release_watch.catalog.nearest import Known
from release_watch.errors import InvalidInputError
from release_watch.response.incidents import Incident

REQUIRED = ("id", "service", "opened_at")
TIMES = ("opened_at", "closed_at", "began_at", "ended_at", "acknowledged_at")
COLUMNS = (
    *REQUIRED,
    "closed_at",
    "began_at",
    "ended_at",
    "acknowledged_at",
    "alert",
    "verdict",
    "title",
    "url",
)
INCIDENT = "incident"
ALL_SERVICES = "*"
MAX_BYTES = 20_000_000
YEARS = range(1970, 9999)
"""Programs write the first or the last year of their calendar where they know of no time."""


def read_incidents(file: Path, services: Collection[str] | None = None) -> list[Incident]:
    """Return the incidents and verdicts of a CSV file (UTF-8, a header, commas), oldest first.

    Columns, in any order; the first three must be there and filled, the others may be missing or empty:
    ``id``, ``service``, ``opened_at``, ``closed_at``, ``began_at``, ``ended_at``, ``acknowledged_at``,
    ``alert``, ``verdict`` (incident, false-alarm, drill or maintenance), ``title``, ``url``. Times are ISO
    8601 with an offset. A row of maintenance may have the service ``*``: all. Other columns are refused.

    With ``services``, rows of services that are none of them are refused.

    Raises:
        InvalidInputError: with every problem, its line and column.
    """
    problems: list[str] = []
    found: list[Incident] = []
    lines: dict[str, int] = {}
    for line, row in _rows(file):
        wrong = list(_problems(row, services))
        name = row.get("id")
        if name and (first := lines.setdefault(name, line)) != line:
            wrong.append(("id", f"{name!r} is that of line {first}, too; ids must be different"))
        problems += [f"{file.name}:{line}: column {column}: {words}" for column, words in wrong]
        if not wrong:
            found.append(_incident(row))
    if problems:
        raise InvalidInputError(problems)
    return sorted(found, key=lambda one: (one.opened_at, one.id))


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row with the number of its first line; the header is checked first."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InvalidInputError([f"{file.name}: is larger than {MAX_BYTES:,} bytes; split it"])
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInputError([f"{file.name}: cannot be read: {error.strerror}; check the path"]) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            [f"{file.name}: is not UTF-8 at byte {error.start}; save it as UTF-8"]
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if problems := list(_header_problems(file.name, header)):
            raise InvalidInputError(problems)
        begins = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, _row(file.name, begins, header, cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInputError([f"{file.name}:{reader.line_num}: is no CSV: {error}"]) from error


def _row(name: str, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(header):
        words = f"has {len(cells)} cells and the header {len(header)}; quote cells that hold a comma"
        raise InvalidInputError([f"{name}:{line}: {words}"])
    return {column: cell.strip() for column, cell in zip(header, cells, strict=False)}


def _header_problems(name: str, header: list[str]) -> Iterator[str]:
    known = Known(COLUMNS)
    for number, column in enumerate(header, start=1):
        if column not in COLUMNS:
            yield f"{name}:1: column {number}: {column!r} is no column here{known.hint(column)}"
        elif header.index(column) != number - 1:
            yield f"{name}:1: column {number}: {column} is there twice; leave one out"
    for column in REQUIRED:
        if column not in header:
            yield f"{name}:1: column {column}: is missing; add it"


def _problems(row: Mapping[str, str], services: Collection[str] | None) -> Iterator[tuple[str, str]]:
    for column in REQUIRED:
        if not row.get(column):
            yield column, "is empty; fill it in"
    for column in TIMES:
        if row.get(column) and (words := _no_time(row[column])):
            yield column, words
    verdict = row.get("verdict") or INCIDENT
    if verdict not in (INCIDENT, *VERDICTS):
        yield "verdict", f"{verdict!r} is none{Known((INCIDENT, *VERDICTS)).hint(verdict)}"
    yield from _service_problems(row.get("service", ""), verdict, services)
    yield from _order_problems(row)


def _service_problems(
    service: str, verdict: str, services: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    if service == ALL_SERVICES:
        if verdict != "maintenance":
            yield "service", "* is for maintenance only; name the service"
    elif service and services is not None and service not in services:
        yield "service", f"{service!r} is no service here{Known(services).hint(service)}"


def _order_problems(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for earlier, later in (("opened_at", "closed_at"), ("began_at", "ended_at")):
        times = [_moment(row.get(column, "")) for column in (earlier, later)]
        if times[0] and times[1] and times[1] < times[0]:
            yield later, f"{row[later]} is before {earlier}, {row[earlier]}"


def _no_time(text: str) -> str | None:
    if found := _moment(text):
        if found.year in YEARS:
            return None
        return f"{text!r} is no moment at which anything happened; leave the cell empty if it is not known"
    return f"{text!r} is no time with an offset; write ISO 8601 such as 2026-11-22T11:05:47Z"


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _incident(row: Mapping[str, str]) -> Incident:
    times = {column: _moment(row.get(column, "")) for column in TIMES[1:]}
    opened_at = datetime.fromisoformat(row["opened_at"])
    verdict = row.get("verdict") or INCIDENT
    return Incident(
        id=row["id"],
        url=row.get("url", ""),
        title=row.get("title", ""),
        service=None if row["service"] == ALL_SERVICES else row["service"],
        opened_at=opened_at,
        closed_at=times["closed_at"],
        began_at=times["began_at"],
        ended_at=times["ended_at"],
        acknowledged_at=times["acknowledged_at"],
        labels=() if verdict == INCIDENT else (verdict,),
        alert=row.get("alert") or None,
    )
