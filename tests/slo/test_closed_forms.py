"""Alerts fire and reset when the closed forms say, to one evaluation."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.windows import BurnWindow, burn_windows, time_to_detect, time_to_reset
from release_watch.telemetry.promql import selectors_of
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, fires, try_rules

OBJECTIVE = Decimal("0.999")
FAST, SLOW, _, SLOWEST = burn_windows("x", OBJECTIVE, 30)
PER_STEP = 1000


def outage(before: int, during: int, after: int, error_ratio: Decimal) -> dict[str, str]:
    """Return counters of a healthy time, a time in which a share of requests fails, and a healthy time."""
    failed = int(PER_STEP * error_ratio)
    good = PER_STEP - failed
    labels = 'job="shop/checkout",http_response_status_code'
    first = before * PER_STEP
    last = first + during * good
    return {
        f'{REQUESTS}{{{labels}="200"}}': f"0+{PER_STEP}x{before} {first + good}+{good}x{during - 1} "
        f"{last + PER_STEP}+{PER_STEP}x{after - 1}",
        f'{REQUESTS}{{{labels}="500"}}': f"0x{before} {failed}+{failed}x{during - 1} "
        f"{during * failed}x{after - 1}",
    }


def at(start: timedelta, length: timedelta, step: timedelta, evaluations: int) -> str:
    """Return the evaluation that follows ``start + length``, moved by so many evaluations."""
    whole = -(-(start + length) // step) + evaluations
    return f"{whole * step // timedelta(seconds=1)}s"


def needed_by(alert: str, groups: list[RuleGroup]) -> list[RuleGroup]:
    """Return the groups with the alert and what it reads: days of all the rest would take a minute."""
    rules = {rule.name: rule.model_copy(update={"annotations": {}}) for g in groups for rule in g.rules}
    needed, found = set[str](), {alert}
    while found:
        needed |= found
        read = {selector.metric for name in found for selector in selectors_of(rules[name].expr)}
        found = (read & set(rules)) - needed
    return [
        group.model_copy(update={"rules": tuple(rules[r.name] for r in group.rules if r.name in needed)})
        for group in groups
    ]


@pytest.mark.parametrize(
    ("ratio", "lasts", "detects", "resets", "severity"),
    [
        ("0.15", timedelta(minutes=10), FAST, FAST, "Page"),
        ("0.01", timedelta(minutes=400), SLOW, SLOW, "Page"),
        ("0.5", timedelta(minutes=10), FAST, SLOW, "Page"),
        ("0.002", timedelta(minutes=3000), SLOWEST, SLOWEST, "Ticket"),
    ],
    ids=["15 % for 10 min", "1 % for 400 min", "50 % for 10 min", "0.2 % for 3000 min"],
)
def test_fires_and_resets_within_one_evaluation_of_the_formula(
    ratio: str,
    lasts: timedelta,
    detects: BurnWindow,
    resets: BurnWindow,
    severity: str,
    slo: Slo,
    promtool: Path,
    tmp_path: Path,
) -> None:
    step = timedelta(seconds=30) if severity == "Page" else timedelta(minutes=4)  # days of less take long
    before = max(detects.long, resets.long) + timedelta(minutes=30)
    reset = time_to_reset(resets, Decimal(ratio))
    detected = time_to_detect(detects, OBJECTIVE, Decimal(ratio))
    assert detected is not None
    series = outage(before // step, lasts // step, reset // step + 10, Decimal(ratio))
    moments = {
        at(before, detected, step, -2): False,
        at(before, detected, step, 1): True,
        at(before + lasts, reset, step, -2): True,
        at(before + lasts, reset, step, 1): False,
    }
    alert = f"SloBurnRate{severity}"
    groups = needed_by(alert, SloRules(slo, "production", AlertText("", "", ""), step, step).groups())
    history = History(series, fires(alert, moments))
    try_rules(promtool, tmp_path, groups, [history], step=f"{step // timedelta(seconds=1)}s")
