"""What each trap is tried with: an SLO of 99.9 % over 30 days, its rules, and naive rules of the same SLO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import Rule, RuleGroup
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, Wanted, try_rules

OK = f'{REQUESTS}{{job="shop/checkout",http_response_status_code="200"}}'
FAILED = f'{REQUESTS}{{job="shop/checkout",http_response_status_code="500"}}'
ALL_RATE = f'sum(rate({REQUESTS}{{job="shop/checkout"}}[WINDOW]))'
BAD_RATE = f'sum(rate({REQUESTS}{{job="shop/checkout",http_response_status_code=~"5.."}}[WINDOW]))'
NAIVE_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

Naive = Mapping[str, str]
"""Naive rules by name; a name that begins in capitals is an alert's."""

Try = Callable[..., None]


def naive_ratio(window: str) -> str:
    """Return the textbook's error ratio."""
    return f"{BAD_RATE} / {ALL_RATE}".replace("WINDOW", window)


def naive_page() -> str:
    """Return the page of the SRE Workbook over the textbook's ratios."""
    return (
        f"({naive_ratio('1h')} > 0.0144 and {naive_ratio('5m')} > 0.0144) or "
        f"({naive_ratio('6h')} > 0.006 and {naive_ratio('30m')} > 0.006)"
    )


def naive_ticket() -> str:
    """Return the ticket of the SRE Workbook over the textbook's ratios."""
    return (
        f"({naive_ratio('1d')} > 0.003 and {naive_ratio('2h')} > 0.003) or "
        f"({naive_ratio('3d')} > 0.001 and {naive_ratio('6h')} > 0.001)"
    )


def firing(alert: str, moment: str, *, fires: bool) -> Wanted:
    """Return that an alert fires, or does not, at a moment."""
    return Wanted(
        f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)', moment, int(fires)
    )


def numbered(expr: str, digits: str = "0.0001") -> str:
    """Return a query for one rounded number without labels."""
    return f"round(max({expr}), {digits})"


@pytest.fixture
def attempt(slo: Slo, promtool: Path, tmp_path: Path) -> Try:
    """Tries naive rules and ours on the same series, in one run of promtool."""

    def one(
        naive: list[Rule],
        series: Mapping[str, str],
        wanted: list[Wanted],
        *,
        step: timedelta = timedelta(seconds=30),
        of: Slo = slo,
    ) -> None:
        ours = SloRules(of, "production", AlertText("", "", ""), step, step).groups()
        groups = [RuleGroup(name="naive", rules=tuple(naive)), *ours]
        seconds = f"{step // timedelta(seconds=1)}s"
        try_rules(promtool, tmp_path, groups, [History(series, wanted)], step=seconds)

    return one
