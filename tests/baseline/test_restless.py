from __future__ import annotations

import numpy as np
import pytest

from release_watch.baseline.restless import restlessness
from release_watch.judge import Kind, MetricSpec
from tests.judge import series

GAUGE = MetricSpec(service="checkout", metric="m", unit="s")
RATE = MetricSpec(service="checkout", metric="m", unit="s", overlap=4)
RATIO = MetricSpec(service="checkout", metric="m", unit="ratio", kind=Kind.RATIO)
N = 2880


def jumping(rng: np.random.Generator) -> np.ndarray:
    """A level of its own every half hour, over three orders of magnitude."""
    return np.repeat(10 ** rng.uniform(-2, 1, N // 30), 30)


def shifted(rng: np.random.Generator) -> np.ndarray:
    return series.step_shifted(series.steady(rng, N), N // 2, factor=5)


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        (lambda rng: series.steady(rng, N), GAUGE),
        (lambda rng: series.seasonal(rng, N, period=1440), GAUGE),
        (lambda rng: series.seasonal(rng, N // 2, period=1440), GAUGE),
        (lambda rng: series.autocorrelated(rng, N), GAUGE),
        (lambda rng: series.zero_inflated(rng, N), GAUGE),
        (lambda rng: series.bursty(rng, N), GAUGE),
        (lambda rng: series.error_ratio(rng, N), RATIO),
        (lambda _: np.ones(N), RATIO),
        (lambda _: np.zeros(N), GAUGE),
        (shifted, GAUGE),
        (lambda rng: jumping(rng)[:90], GAUGE),
        (lambda rng: jumping(rng)[:380], RATE),
        (jumping, GAUGE.model_copy(update={"minimum_shift": 1000.0})),
    ],
    ids=[
        "steady",
        "daily",
        "half a day",
        "remembers",
        "rare events",
        "bursts",
        "error ratio",
        "always up",
        "always 0",
        "one shift",
        "too short to tell",
        "too few that do not overlap",
        "jumps that do not matter",
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_services_usually_do_is_not_restless(values: object, spec: MetricSpec, seed: int) -> None:
    made = values(np.random.default_rng(seed))  # type: ignore[operator]

    assert restlessness(series.at(made), spec) is None


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        (jumping, GAUGE),
        (jumping, RATE),
        (lambda rng: np.repeat(rng.integers(0, 2, N // 30), 30).astype(float), RATIO),
        (lambda rng: 100.0 * np.repeat(rng.integers(0, 2, N // 30), 30), RATIO),
    ],
    ids=["jumping", "jumping rate", "up and down", "up and down in percent"],
)
def test_a_level_that_jumps_all_the_time_is_restless(values: object, spec: MetricSpec) -> None:
    made = values(np.random.default_rng(1))  # type: ignore[operator]

    reason = restlessness(series.at(made), spec)

    assert reason is not None
    assert reason.startswith("too restless: its level of ")
