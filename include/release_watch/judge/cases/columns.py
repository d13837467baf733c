"""The columns of a case file, parsed: whole columns at once, and which rows are bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

    Codes = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool]
    Floats = npt.NDArray[np.float64]

NOTHING = frozenset({"", "nan", "nat", "null", "none", "na", "n/a", "<na>", "-"})
"""Cells that say that there is nothing: a gap, not an error."""

MILLISECONDS, MICROSECONDS, NANOSECONDS = 1e11, 1e14, 1e17
"""From these magnitudes on an epoch is in smaller units; 1e11 s is the year 5138, 1e11 ms is March 1973."""

FURTHEST_SECONDS = 9.2e9
"""From 1970, in either direction: what does not fit 64-bit nanoseconds is no time."""

_ZONE = r"(?:[zZ]|UTC|GMT|:[0-9.,]+[+-][0-9]{2}(?::?[0-9]{2})?)$"
_SAID_UTC = r"\s*(?:UTC|GMT)$"


@dataclass(frozen=True)
class Words:
    """Texts as codes into ``labels``, in the order of their first row; -1 where a cell is empty or bad."""

    codes: Codes
    labels: tuple[str, ...]
    bad: Flags


@dataclass(frozen=True)
class Times:
    """Microseconds since 1970 UTC; ``bad`` where a cell is no time, ``missing`` where it is empty.

    ``zoneless`` says whether a time had no time zone (and was taken as UTC).
    """

    micros: Codes
    bad: Flags
    missing: Flags
    zoneless: bool


def words(column: pa.Array, allowed: Mapping[str, int] | None = None) -> Words:
    """Return a column of texts; with ``allowed``, codes are its values, any case, and others are bad."""
    import numpy as np
    import pyarrow as pa

    encoded = column.cast(pa.string()).dictionary_encode()
    written = [str(label).strip() for label in encoded.dictionary.to_pylist()]
    known: Mapping[str, int] = allowed or {}
    if allowed is None:
        known = {label: code for code, label in enumerate(dict.fromkeys(label for label in written if label))}
        codes_of = [known.get(label, -1) for label in written]
    else:
        written = ["" if label.lower() in NOTHING else label.lower() for label in written]
        codes_of = [known.get(label, -1) for label in written]
    places = encoded.indices.fill_null(len(written)).to_numpy(zero_copy_only=False)
    codes = np.array([*codes_of, -1], dtype=np.int64)[places]
    wrong = np.array([*(code < 0 and label != "" for code, label in zip(codes_of, written, strict=True)), 0])
    return Words(codes, tuple(known), wrong.astype(bool)[places])


def numbers(column: pa.Array) -> tuple[Floats, Flags]:
    """Return a column of numbers, NaN where there is none or an infinite one, and which cells are bad."""
    import numpy as np
    import pyarrow as pa

    if not _textual(column):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.where(np.isfinite(values), values, np.nan), np.zeros(len(values), dtype=bool)
    values, unread = _as_numbers(column)
    cells = column.filter(pa.array(unread)).dictionary_encode()
    wrong = [str(cell).strip().lower() not in NOTHING for cell in cells.dictionary.to_pylist()]
    bad = np.zeros(len(values), dtype=bool)
    bad[unread] = np.array(wrong, dtype=bool)[cells.indices.to_numpy()]
    return np.where(np.isfinite(values), values, np.nan), bad


def times(column: pa.Array) -> Times:
    """Return a column of times: ISO 8601, epochs (seconds, or finer by magnitude), or timestamps."""
    import numpy as np
    import pyarrow as pa

    missing = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        zoneless = pa.types.is_date(column.type) or column.type.tz is None
        micros = _moments(column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False))
        return Times(micros, np.zeros(len(missing), dtype=bool), missing, zoneless and not missing.all())
    if not _textual(column):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        micros, bad = _epochs(values)
        missing = missing | np.isnan(values)
        return Times(micros, bad & ~missing, missing, False)
    encoded = column.cast(pa.string()).dictionary_encode()
    micros, bad, zoneless = _written_times(encoded.dictionary)
    empty = bad.copy()  # only what is no time can be a word for nothing
    empty[bad] = [str(encoded.dictionary[int(row)]).strip().lower() in NOTHING for row in np.flatnonzero(bad)]
    places = encoded.indices.fill_null(len(micros)).to_numpy(zero_copy_only=False)
    return Times(
        np.append(micros, 0)[places],
        np.append(bad & ~empty, False)[places],
        np.append(empty, True)[places],
        zoneless,
    )


def _written_times(distinct: pa.Array) -> tuple[Codes, Flags, bool]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyarrow import compute

    values, unread = _as_numbers(distinct)
    micros, bad = _epochs(values)
    texts = pd.Series(compute.utf8_trim_whitespace(distinct.filter(pa.array(unread))).to_pandas(), dtype=str)
    moments = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    if len(odd := texts[moments.isna()]):
        moments[odd.index] = pd.to_datetime(
            odd.str.replace(_SAID_UTC, "Z", regex=True), format="ISO8601", utc=True, errors="coerce"
        )
    read = moments.astype("datetime64[us, UTC]").astype("int64").to_numpy()
    lost = moments.isna().to_numpy() | (np.abs(read) >= FURTHEST_SECONDS * 1e6)
    micros[unread] = np.where(lost, 0, read)
    bad[unread] = lost
    return micros, bad, bool((~lost & ~texts.str.contains(_ZONE, regex=True).to_numpy(dtype=bool)).any())


def _epochs(values: Floats) -> tuple[Codes, Flags]:
    """Return epochs as microseconds; bad are those that do not fit 64-bit nanoseconds."""
    import numpy as np

    size = np.abs(values)
    per_second = np.select(
        [size >= NANOSECONDS, size >= MICROSECONDS, size >= MILLISECONDS], [1e9, 1e6, 1e3], 1.0
    )
    with np.errstate(invalid="ignore"):
        seconds = values / per_second
        good = np.abs(seconds) < FURTHEST_SECONDS
    return np.round(np.where(good, seconds, 0.0) * 1e6).astype(np.int64), ~good


def _moments(column: pa.Array) -> Codes:
    import numpy as np
    import pyarrow as pa

    whole = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(whole, dtype=np.int64)


def _as_numbers(column: pa.Array) -> tuple[Floats, Flags]:
    """Return texts as numbers, and which are none (NaN)."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # slower, and takes +Inf, and cells that are no numbers
        texts: Any = column.cast(pa.string()).to_pandas()
        values = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    values = np.asarray(values, dtype=float).copy()
    return values, np.isnan(values) & ~column.is_null().to_numpy(zero_copy_only=False)


def _textual(column: pa.Array) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
