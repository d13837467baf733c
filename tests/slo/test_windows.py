"""Burn-rate factors, what is refused, and the closed forms."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from release_watch.errors import InvalidInputError
from release_watch.slo.windows import burn_windows, plain, time_to_detect, time_to_reset

THREE_NINES = Decimal("0.999")


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, ["14.4", "6", "3", "1"]),
        (28, ["13.44", "5.6", "2.8", "0.9333333333"]),
        (7, ["13.44", "3.5", "1.4", "0.98"]),
        (90, ["43.2", "18", "9", "3"]),
    ],
    ids=["30d", "28d", "7d", "90d"],
)
def test_factor_is_budget_times_period_over_long_window(days: int, factors: list[str]) -> None:
    assert [plain(arm.factor) for arm in burn_windows("x", THREE_NINES, days)] == factors


def test_thresholds_carry_no_float_noise() -> None:
    arms = burn_windows("x", Decimal("0.9995"), 30)
    assert [plain(arm.threshold) for arm in arms] == ["0.0072", "0.003", "0.0015", "0.0005"]


@pytest.mark.parametrize("objective", ["1", "0", "1.2"])
def test_an_objective_without_a_budget_is_refused(objective: str) -> None:
    with pytest.raises(InvalidInputError, match="no error budget"):
        burn_windows("x", Decimal(objective), 30)


def test_an_unknown_period_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidInputError, match="7, 28, 30, 90"):
        burn_windows("x", THREE_NINES, 14)


def test_an_arm_that_can_never_fire_is_refused_with_the_objective_that_would_do() -> None:
    with pytest.raises(InvalidInputError, match=r"14\.4 .* never fire.*above 0\.9305555556"):
        burn_windows("x", Decimal("0.93"), 30)


@pytest.mark.parametrize(
    ("arm", "error_ratio", "detect", "reset"),
    [
        (0, "0.15", timedelta(minutes=5.76), timedelta(minutes=4.52)),
        (1, "0.01", timedelta(minutes=216), timedelta(minutes=12)),
        (3, "0.002", timedelta(minutes=2160), timedelta(minutes=180)),
    ],
    ids=["15 percent", "1 percent", "0.2 percent"],
)
def test_closed_forms_at_three_nines(arm: int, error_ratio: str, detect: timedelta, reset: timedelta) -> None:
    window = burn_windows("x", THREE_NINES, 30)[arm]
    assert time_to_detect(window, THREE_NINES, Decimal(error_ratio)) == detect
    assert time_to_reset(window, Decimal(error_ratio)) == reset


def test_a_slow_burn_never_fires() -> None:
    page = burn_windows("x", THREE_NINES, 30)[0]
    assert time_to_detect(page, THREE_NINES, Decimal("0.0144")) is None
