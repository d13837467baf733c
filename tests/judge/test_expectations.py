"""What is expected of a metric, and what its own windows say about limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from release_watch.judge import Direction, Kind, MetricSpec, budget, judge_metric, nulls, together
from release_watch.judge.control import adjusted
from release_watch.judge.season import gridded, scale_of, windows
from tests.judge import series

CHANGE = series.START + pd.Timedelta(days=2)
TRAFFIC = MetricSpec(service="shop", metric="rps", direction=Direction.DOWN)


def daily(n: int, *, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, n)
    return 100 + 50 * np.sin(2 * np.pi * np.arange(n) / 1440) + noise


def test_the_same_time_of_day_is_expected_where_days_resemble_each_other() -> None:
    line = series.at(daily(3000))
    grid = gridded(line.iloc[:2880], CHANGE.to_pydatetime())
    assert grid is not None

    found = windows(grid, line.iloc[2880:])

    assert found is not None
    assert found.share == 1.0
    assert np.abs(found.actual).max() < 6


def test_nothing_of_another_day_is_expected_where_there_is_no_daily_shape() -> None:
    line = series.at(series.steady(np.random.default_rng(2), 3000))
    grid = gridded(line.iloc[:2880], CHANGE.to_pydatetime())
    assert grid is not None

    found = windows(grid, line.iloc[2880:])

    assert found is not None
    assert found.share == 0.0


def test_a_level_that_shifted_before_the_change_is_the_level_that_is_expected() -> None:
    values = daily(3000)
    values[2400:] += 40
    line = series.at(values)

    assert not judge_metric(line.iloc[:2880], line.iloc[2880:], spec=TRAFFIC).failed
    assert not judge_metric(
        line.iloc[:2880], line.iloc[2880:], spec=TRAFFIC.model_copy(update={"direction": Direction.UP})
    ).failed


def test_a_hole_in_the_baseline_is_filled_but_not_one_that_is_mostly_holes() -> None:
    line = series.at(daily(2880))

    assert gridded(line.drop(line.index[100:130]), CHANGE.to_pydatetime()) is not None
    assert gridded(line.drop(line.index[300:2700]), CHANGE.to_pydatetime()) is None


def test_a_window_long_after_the_baseline_is_judged_at_its_own_time_of_day() -> None:
    line = series.at(daily(3180))

    for direction in (Direction.UP, Direction.DOWN):
        spec = TRAFFIC.model_copy(update={"direction": direction})
        assert not judge_metric(line.iloc[:2880], line.iloc[3120:], spec=spec).failed
        assert judge_metric(
            line.iloc[:2880], line.iloc[3120:] * (1.6 if direction is Direction.UP else 0.4), spec=spec
        ).failed


@pytest.mark.parametrize(
    ("noise", "scale"),
    [
        pytest.param(
            lambda level, random: level * random.lognormal(0, 0.1, len(level)), "log", id="in-proportion"
        ),
        pytest.param(lambda level, random: random.poisson(level).astype(float), "root", id="counts"),
        pytest.param(lambda level, random: level + random.normal(0, 1, len(level)), "plain", id="even"),
    ],
)
def test_the_scale_makes_the_noise_alike_at_every_level(noise: object, scale: str) -> None:
    level = 60 + 50 * np.sin(2 * np.pi * np.arange(2880) / 1440)

    assert scale_of(noise(level, np.random.default_rng(4))) == scale  # type: ignore[operator]


def test_one_episode_in_the_baseline_does_not_raise_the_limit_by_its_size() -> None:
    usual = np.random.default_rng(5).normal(0, 1, (4, 400))
    once = usual.copy()
    once[:, :8] = 1000.0

    assert (nulls.limits(once, 0.01, 50)[1] < 1.25 * nulls.limits(usual, 0.01, 50)[1]).all()


def test_a_smaller_budget_and_fewer_windows_set_wider_limits() -> None:
    pseudo = np.random.default_rng(6).normal(0, 1, (4, 400))
    limit = nulls.limits(pseudo, 0.01, 100)[1]

    assert (nulls.limits(pseudo, 0.001, 100)[1] > limit).all()
    assert (nulls.limits(pseudo, 0.01, 10)[1] > limit).all()
    assert budget.rate(6) < budget.rate(1)


def test_metrics_that_always_move_together_are_no_news_when_they_do() -> None:
    random = np.random.default_rng(7)
    common = np.abs(random.normal(0, 1, 160))
    alone = [np.abs(random.normal(0, 0.2, 160)) for _ in range(8)]
    scores = [1.8] * 8

    moving = together.score(scores, [nulls.Null(common, 40) for _ in range(8)], 0.01)
    never = together.score(scores, [nulls.Null(one, 40) for one in alone], 0.01)

    assert moving < 1 < never


def test_one_metric_that_is_very_bad_is_enough_among_many() -> None:
    quiet = nulls.Null(np.abs(np.random.default_rng(8).normal(0, 0.2, 160)), 40)

    assert together.score([9.0] + [0.2] * 18, [quiet] * 19, 0.01) >= 1
    assert together.score([1.2] + [0.2] * 18, [quiet] * 19, 0.01) < 1


def test_of_many_metrics_without_pseudo_changes_one_alone_must_be_far_beyond() -> None:
    assert together.unproven([1.5] + [0.2] * 18) < 1 <= together.unproven([2.1] + [0.2] * 18)
    assert together.unproven([1.4, 1.4] + [0.2] * 17) >= 1


@pytest.mark.parametrize(
    ("theirs", "left"),
    [(0.0, 3.0), (2.0, 1.0), (3.0, 0.0), (9.0, 0.0), (-5.0, 3.0)],
    ids=["did-nothing", "did-some", "did-the-same", "did-more", "did-the-opposite"],
)
def test_what_the_control_group_did_too_is_taken_off_and_nothing_is_made_of_it(
    theirs: float, left: float
) -> None:
    before, after = (
        series.at([10.0] * 15),
        series.at([13.0] * 15, start=series.START + pd.Timedelta(minutes=15)),
    )
    control = series.at([7.0] * 15 + [7.0 + theirs] * 15)

    found = adjusted(before, after, control, after.index[0].to_pydatetime())

    assert found.median() - 10 == pytest.approx(left)


def test_a_judgement_takes_a_control_group_too() -> None:
    random = np.random.default_rng(9)
    spec = MetricSpec(service="shop", metric="latency", kind=Kind.LATENCY)
    line, control = (series.step_shifted(series.steady(random, 60), 30, factor=3) for _ in range(2))
    before, after = series.split(line, 30)

    assert judge_metric(before, after, spec=spec).failed
    assert not judge_metric(before, after, spec=spec, control=series.at(control)).failed
