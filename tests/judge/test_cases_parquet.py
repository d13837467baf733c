"""Parquet files of cases: whatever types their columns have, they are the same cases as in CSV."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from release_watch.errors import InvalidInputError
from release_watch.judge.cases import read

TIMES = pd.date_range("2026-03-02T10:00:00", periods=6, freq="min")
FRAME = pd.DataFrame(
    {
        "case": "a",
        "metric": "m",
        "role": ["before"] * 4 + ["after"] * 2,
        "time": TIMES.tz_localize("UTC"),
        "value": np.arange(6.0),
    }
)


def written(frame: pd.DataFrame, folder: Path) -> Path:
    file = folder / "cases.parquet"
    frame.to_parquet(file)
    return file


def categorical(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(("case", "metric", "role", "time"), "category"))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(FRAME, id="UTC"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("ns")), id="ns without zone"),
        pytest.param(FRAME.assign(time=TIMES.tz_localize("UTC").tz_convert("Asia/Tokyo")), id="Tokyo"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("s").astype("int64")), id="epoch s"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("ms").astype("int64")), id="epoch ms"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("ns").astype("int64")), id="epoch ns"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("s").astype("int64").astype(float)), id="epoch float"),
        pytest.param(FRAME.assign(time=TIMES.as_unit("s").astype("int64").astype(str)), id="epoch text"),
        pytest.param(FRAME.assign(time=[moment.isoformat() for moment in TIMES]), id="ISO text"),
        pytest.param(categorical(FRAME), id="categories"),
        pytest.param(categorical(FRAME.assign(time=TIMES.as_unit("s").astype("int64"))), id="int categories"),
        pytest.param(FRAME.set_index(["case", "metric"]), id="index"),
        pytest.param(FRAME.iloc[::-1], id="backwards"),
        pytest.param(FRAME.assign(value=np.arange(6)), id="whole numbers"),
        pytest.param(FRAME.assign(value=np.arange(6, dtype="float32")), id="float32"),
        pytest.param(FRAME.assign(value=pd.Series(map(Decimal, range(6)), dtype=object)), id="decimals"),
        pytest.param(FRAME.assign(value=[str(number) for number in range(6)]), id="numbers as text"),
        pytest.param(FRAME.assign(case=b"a"), id="bytes"),
        pytest.param(FRAME.assign(pod="p", node=1), id="more columns"),
        pytest.param(FRAME.assign(change_time=None, direction=None, golden=None, kind=None), id="all null"),
        pytest.param(FRAME.assign(change_time=np.nan, golden=[np.nan, 0, 0, 0, 0, 0]), id="NaN"),
        pytest.param(FRAME.assign(change_time=TIMES[4].tz_localize("UTC"), golden=False), id="change time"),
    ],
)
def test_every_type_of_column_gives_the_same_case(tmp_path: Path, frame: pd.DataFrame) -> None:
    reading = read(written(frame, tmp_path))

    assert reading.problems == ()
    (case,) = reading.cases
    (metric,) = case.metrics
    assert (case.name, case.change_time, metric.name) == ("a", TIMES[4].tz_localize("UTC"), "m")
    assert list(metric.before.items()) == list(
        zip(TIMES[:4].tz_localize("UTC"), [0.0, 1.0, 2.0, 3.0], strict=True)
    )
    assert metric.after.tolist() == [4.0, 5.0]
    assert not metric.golden


def test_bad_rows_are_named_by_their_number(tmp_path: Path) -> None:
    roles = pd.Series(["before", "before", None, "before", "after", "after"])

    assert read(written(FRAME.assign(role=roles), tmp_path)).problems == (
        "cases.parquet: row 3: role: is none of before, after, control",
    )


def test_a_column_of_a_type_that_holds_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="type that is not understood"):
        read(written(FRAME.assign(value=TIMES), tmp_path))


def test_names_that_are_numbers_are_written_as_such(tmp_path: Path) -> None:
    assert read(written(FRAME.assign(case=[7] * 3 + [12] * 3), tmp_path)).names == ("7", "12")
