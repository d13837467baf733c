"""Pictures of metrics that failed: drawn for any series, the same every time, under safe names."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.command.judging import Judging, standing_at
from release_watch.judge.command.plots import Plots, file_name
from release_watch.judge.picture_band import usual
from tests.judge import series

POLICY = JudgePolicy()
CHANGE = pd.Timestamp("2026-03-04T09:00:00Z")
LOOKS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30))


def case_of(before: np.ndarray, after: np.ndarray, name: str = "shop", *, step: float = 60) -> Case:
    start = CHANGE - pd.Timedelta(seconds=step * len(before))
    metric = CaseMetric(
        "latency",
        series.at(before, start=start, step_seconds=step),
        series.at(after, start=CHANGE, step_seconds=step),
    )
    return Case(name, CHANGE.to_pydatetime(), (metric,))


def picture(case: Case, folder: Path) -> bytes:
    plots = Plots(folder)
    plots.draw(case, standing_at(case, LOOKS, POLICY), POLICY)
    assert plots.problems == []
    (file,) = folder.iterdir()
    return file.read_bytes()


def size(png: bytes) -> tuple[int, ...]:
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))
    assert pixels[..., :3].std() > 0.05  # something is on it
    return pixels.shape[:2]


random = np.random.default_rng(1)
STEADY, WORSE = random.normal(10, 1, 60), random.normal(30, 1, 30)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(random.normal(10, 1, 2880), WORSE, id="two days"),
        pytest.param(STEADY, WORSE[:3], id="three samples"),
        pytest.param(np.full(60, 1e200), np.full(30, 1e305), id="huge and constant"),
    ],
)
def test_any_series_is_drawn(tmp_path: Path, before: np.ndarray, after: np.ndarray) -> None:
    height, width = size(picture(case_of(before, after), tmp_path))

    assert width == 1320
    assert 500 < height < 900


def test_a_picture_is_the_same_every_time(tmp_path: Path) -> None:
    case = case_of(STEADY, WORSE)

    assert picture(case, tmp_path / "a") == picture(case, tmp_path / "b")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["../../etc/passwd", "日本語 $x^2$\n" + "x" * 500], ids=["path", "long"])
def test_any_name_is_drawn_as_it_is_and_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    picture(case_of(STEADY, WORSE, name), tmp_path / "plots")

    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


def test_names_of_files_differ_for_any_two_metrics() -> None:
    names = [file_name(*pair) for pair in (("a", "b"), ("ab", ""), ("", "ab"), ("A", "b"), ("a b", "c"))]

    assert len({name.lower() for name in names}) == len(names)
    assert len(file_name("x" * 500, "y" * 500)) < 150


def test_what_did_not_fail_is_not_drawn(tmp_path: Path) -> None:
    judged = Judging(LOOKS, POLICY, tmp_path)(case_of(STEADY, random.normal(10, 1, 30)))

    assert judged.drawn == 0
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_drawn_costs_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> bytes:
        raise ValueError("image size is too large")

    monkeypatch.setattr("release_watch.judge.picture.draw", failing)
    judged = Judging(LOOKS, POLICY, tmp_path)(case_of(STEADY, WORSE))

    assert [row.verdict for row in judged.rows] == ["NO_GO"] * 3
    assert judged.problems == ("case 'shop': latency not drawn: image size is too large",)


def test_the_band_of_days_follows_the_time_of_day_at_the_level_before_the_change() -> None:
    minutes = np.arange(3 * 1440)
    day = 100 + 50 * np.sin(2 * np.pi * minutes / 1440)
    day[-240:] += 20
    case = case_of(day, np.full(120, 50.0))
    judgement = standing_at(case, LOOKS, POLICY)[-1].judgements[0]
    shown = (CHANGE.to_pydatetime(), (CHANGE + pd.Timedelta(hours=2)).to_pydatetime())

    band = usual(case, case.metrics[0], judgement, shown, POLICY)

    assert band is not None
    expected = 120 + 50 * np.sin(2 * np.pi * np.linspace(0, 120, len(band.times)) / 1440)
    np.testing.assert_allclose(band.middle, expected, atol=4)
    assert (band.low <= band.middle).all()
    assert (band.middle <= band.high).all()


def test_too_little_before_the_change_has_no_band() -> None:
    case = case_of(STEADY, WORSE)
    judgement = standing_at(case, LOOKS, POLICY)[-1].judgements[0]
    few = case_of(STEADY[:3], WORSE)

    shown = (CHANGE.to_pydatetime(), (CHANGE + pd.Timedelta(hours=1)).to_pydatetime())
    assert usual(few, few.metrics[0], judgement, shown, POLICY) is None
