"""A file of telemetry as a table: its columns as they are written, and which line each row is."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from release_watch.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

NEEDED = ("case", "metric", "role", "time", "value")
OPTIONAL = ("direction", "golden", "kind", "change_time")
PARQUET = b"PAR1"
PANDAS_INDEX = "__index_level_"
LONGEST_HEADER = 1 << 20
BLOCK = 1 << 23
"""Bytes that are parsed at once."""


@dataclass(frozen=True)
class Skipped:
    """A row whose cells do not fit the header."""

    line: int
    case: str | None
    problem: str


@dataclass(frozen=True)
class Table:
    """The known columns of a file; others are left out, and named in ``extra``.

    ``unit`` is what its rows are counted in: lines of a CSV file (the header is line 1; a line break inside
    quotes is not counted), rows of a Parquet file from 1.
    """

    name: str
    columns: dict[str, pa.Array]
    rows: int
    unit: str
    first: int
    skipped: tuple[Skipped, ...] = ()
    extra: tuple[str, ...] = ()

    def line(self, row: int) -> int:
        """Return the line of a row of the table."""
        number = row + self.first
        return number + bisect_right(self._kept_before, number)

    @cached_property
    def _kept_before(self) -> list[int]:
        """For each skipped row, the number its line would have among rows that were kept."""
        return [skipped.line - place for place, skipped in enumerate(self.skipped)]

    def at(self, line: int) -> str:
        """Return a line as an error names it."""
        return f"{self.name}:{line}" if self.unit == "line" else f"{self.name}: {self.unit} {line}"


def load(path: Path) -> Table:
    """Return the columns of a CSV file (also ``.csv.gz``) or of a Parquet file.

    Raises:
        InvalidInputError: if it is neither, or has not the columns that are needed.
        OSError: if it cannot be read.
    """
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            parquet = file.read(len(PARQUET)) == PARQUET
        return _parquet(path) if parquet else _csv(path)
    except (
        pa.ArrowInvalid,
        pa.ArrowNotImplementedError,
        pa.ArrowTypeError,
        UnicodeDecodeError,
        EOFError,
    ) as error:
        first = str(error).partition("\n")[0]
        raise InvalidInputError(
            [f"{path}: not a CSV file in UTF-8 with commas, nor Parquet: {first}"]
        ) from error


def _parquet(path: Path) -> Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        wanted = _known(names, path)
        table = file.read(columns=[names[place] for place in wanted.values()])
    extra = tuple(name for name in _extra(names) if not name.startswith(PANDAS_INDEX))
    return Table(path.name, _whole(table, tuple(wanted)), table.num_rows, "row", 1, extra=extra)


def _csv(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header = _header(path)
    wanted = tuple(_known(header, path))
    # Each column gets a name of its own, so that no two extra ones are alike.
    names = [
        _plain(name) if _plain(name) in wanted else f"{place} {name}" for place, name in enumerate(header)
    ]
    skipped: list[Skipped] = []

    def skip(row: Any) -> str:
        """Note a row with too few or too many cells; the others are still read."""
        skipped.append(_skipped(row, header))
        return "skip"

    with pa.input_stream(str(path), compression="detect") as stream:
        table = arrow_csv.read_csv(
            stream,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # with threads, rows have no numbers
                column_names=names,
                skip_rows=1,
                block_size=BLOCK,
            ),
            parse_options=arrow_csv.ParseOptions(
                invalid_row_handler=skip, newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types={column: pa.string() for column in wanted},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    found = tuple(sorted(skipped, key=lambda row: row.line))
    return Table(path.name, _whole(table, wanted), table.num_rows, "line", 2, found, _extra(header))


def _header(path: Path) -> list[str]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        start = bytes(stream.read(LONGEST_HEADER))
    first = start.splitlines()[0].decode("utf-8-sig") if start else ""
    return [cell.strip() for cell in next(csv.reader([first]), [])]


def _plain(name: str) -> str:
    return name.strip().lower()


def _extra(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _plain(name) not in (*NEEDED, *OPTIONAL, ""))


def _known(written: Sequence[str], path: Path) -> dict[str, int]:
    """Return the places of the columns that are read, all that are needed among them."""
    names = [_plain(name) for name in written]
    missing = [column for column in NEEDED if column not in names]
    if missing:
        found = ", ".join(written)[:200] or "none"
        raise InvalidInputError(
            [
                f"{path}: the columns {', '.join(missing)} are missing (found: {found}); "
                "the first line names the columns, with commas between them"
            ]
        )
    wanted = [column for column in (*NEEDED, *OPTIONAL) if column in names]
    if twice := [column for column in wanted if names.count(column) > 1]:
        raise InvalidInputError([f"{path}: the column {', '.join(twice)} is there twice"])
    return {column: names.index(column) for column in wanted}


def _skipped(row: Any, header: list[str]) -> Skipped:
    cells = next(csv.reader(row.text.splitlines()), []) if row.text else []
    place = [_plain(name) for name in header].index("case")
    case = cells[place].strip() if place < len(cells) else ""
    problem = f"{row.actual_columns} cells, but the header has {row.expected_columns} columns"
    return Skipped(int(row.number), case or None, problem)


def _whole(table: pa.Table, wanted: Sequence[str]) -> dict[str, pa.Array]:
    """Return each column in one piece, dictionaries of Parquet written out, and bytes as text."""
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for name, written in zip(wanted, table.columns, strict=True):
        kind = written.type.value_type if pa.types.is_dictionary(written.type) else written.type
        column = written.cast(kind if _simple(kind) else pa.string())
        whole = column.combine_chunks()
        columns[name] = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    return columns


def _simple(kind: pa.DataType) -> bool:
    from pyarrow import types

    return any(
        is_kind(kind)
        for is_kind in (
            types.is_string, types.is_integer, types.is_floating, types.is_boolean,
            types.is_decimal, types.is_timestamp, types.is_date,
        )
    )  # fmt: skip
