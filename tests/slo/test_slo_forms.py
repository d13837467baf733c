"""Expressions instead of counters, and slices of time instead of events, tried by promtool."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from release_watch.catalog.slos import WINDOW, Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, Wanted, fires, try_rules

ALL = f'{REQUESTS}{{job="shop/checkout"}}'
FAILED = f'{REQUESTS}{{job="shop/checkout",http_response_status_code=~"5.."}}'
GOOD = f'{REQUESTS}{{job="shop/checkout",http_response_status_code!~"5.."}}'
PAGE = "SloBurnRatePage"
MINUTE = timedelta(minutes=1)


def requests(good: str, failed: str = "") -> dict[str, str]:
    labels = 'job="shop/checkout",http_response_status_code'
    series = {f'{REQUESTS}{{{labels}="200"}}': good}
    return series | ({f'{REQUESTS}{{{labels}="500"}}': failed} if failed else {})


def near(series: str, moment: str, value: float, grain: str = "0.0001") -> Wanted:
    return Wanted(f"round(max({series}), {grain})", moment, value)


@pytest.mark.parametrize(
    "form",
    [
        {"total": f"rate({ALL}[{WINDOW}])", "bad": f"rate({FAILED}[{WINDOW}])"},
        {
            "total": f"sum(rate({ALL}[{WINDOW}]))",
            "bad": None,
            "good": f"sum(rate({GOOD}[{WINDOW}]))",
        },
        {
            "total": f"increase({ALL}[{WINDOW}])",
            "bad": f"increase({FAILED}[{WINDOW}])",
            "per_second": False,
        },
        {
            # 0/0 while there is no traffic: what is NaN is left out
            "total": f"rate({ALL}[{WINDOW}])",
            "bad": f"rate({FAILED}[{WINDOW}]) * (rate({ALL}[{WINDOW}]) / rate({ALL}[{WINDOW}]))",
        },
    ],
    ids=["rates", "good events, summed", "counts", "NaN without traffic"],
)
def test_expressions_are_counted_like_counters(
    form: dict[str, Any], slo: Slo, promtool: Path, tmp_path: Path
) -> None:
    groups = SloRules(slo.model_copy(update=form), "production", AlertText("", "", "")).groups()
    burning = History(
        requests("0+75x140", "0+25x140"),
        [
            near("slo:error_ratio:rate5m", "30m", 0.25),
            near("slo:events_total:rate1h * 3600", "65m", 12000, "100"),
            near("slo:error_ratio:rate6h", "65m", 0.25),
            *fires(PAGE, {"30m": True}),
        ],
    )
    without_errors = History(requests("0+75x60"), [near("slo:error_ratio:rate1h", "30m", 0)])
    nan = 'sum({__name__=~"slo:.+"})'
    quiet = History(
        requests("0+75x20 1500x20 1500+75x20", "0x60"),
        [
            Wanted(f"count({nan} != {nan})", "20m", None),
            near("slo:error_ratio:rate1h", "20m", 0),
            Wanted("slo:error_ratio:rate5m", "18m", None),
        ],
    )
    gone = History(requests("0+75x20 stale"), fires("SloTelemetryAbsent", {"9m": False, "19m": True}))
    try_rules(promtool, tmp_path, groups, [burning, without_errors, quiet, gone])


def test_slices_are_good_or_bad_whatever_their_traffic(slo: Slo, promtool: Path, tmp_path: Path) -> None:
    sliced = slo.model_copy(
        update={"budgeting": "Timeslices", "slice": 2 * MINUTE, "slice_target": Decimal("0.99")}
    )
    groups = SloRules(sliced, "production", AlertText("", "", "")).groups()
    outage = History(
        requests("0+100x240 24000x40", "0x240 100+100x39"),
        [
            Wanted("max(slo:slice_bad:bool)", "118m", 0),
            near("slo:events_total:rate1h * 3600", "118m", 30, "1"),
            *fires(PAGE, {"118m": False, "125m": True}),
        ],
    )
    trickle = " ".join(str(step // 24) for step in range(240))
    # a request every twelve minutes: most slices have none, and one failure is no outage
    seldom = History(
        requests(trickle, "0x200 1x40"),
        [
            Wanted("slo:error_ratio:rate5m", "95m", None),
            near("slo:events_total:rate1h * 3600", "95m", 5, "1"),
            *fires(PAGE, {"101m": False, "102m": False}),
        ],
    )
    try_rules(promtool, tmp_path, groups, [outage, seldom])


def test_ratio_slices_weigh_the_same_at_any_traffic(slo: Slo, promtool: Path, tmp_path: Path) -> None:
    # half an hour of little traffic with 10 % errors, half an hour of a hundred times as much without any
    sliced = slo.model_copy(update={"budgeting": "RatioTimeslices", "slice": MINUTE})
    series = requests("0+9x60 1540+1000x60", "0+1x60 60x60")
    wanted = [near("slo:error_ratio:rate1h", "60m30s", 0.05, "0.01"), *fires(PAGE, {"25m": True})]
    groups = SloRules(sliced, "production", AlertText("", "", "")).groups()
    try_rules(promtool, tmp_path, groups, [History(series, wanted)])


def test_slices_without_length_or_target_are_refused(slo: Slo) -> None:
    for missing in ({"slice": None, "slice_target": Decimal("0.9")}, {"slice": MINUTE, "slice_target": None}):
        broken = slo.model_copy(update={"budgeting": "Timeslices", **missing})
        with pytest.raises(InvalidInputError, match="Timeslices needs the length"):
            SloRules(broken, "production", AlertText("", "", ""))
