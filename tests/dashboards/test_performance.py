"""What the panels of requests, errors and durations draw, evaluated by promtool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from release_watch.catalog.models import Service
from release_watch.dashboards.performance import performance_row
from sandbox.layout import default_tools
from sandbox.packages import fetch_programs
from tests.dashboards.test_build import EVERYTHING
from tests.slo.conftest import RuleTrial

OF_CHECKOUT = 'job="shop/checkout",http_route="/orders",http_request_method="POST"'
STATUS = "http_response_status_code"


def requests(status: int, values: str) -> dict[str, str]:
    """Return the series of requests that were answered with a status, and of their durations."""
    family = "http_server_request_duration_seconds"
    labels = f'{OF_CHECKOUT},{STATUS}="{status}"'
    buckets = {f'{family}_bucket{{{labels},le="{le}"}}': values for le in ("0.1", "+Inf")}
    return {f"{family}_count{{{labels}}}": values, **buckets}


def database(values: str) -> dict[str, str]:
    family = 'db_client_operation_duration_seconds_{}{{job="shop/checkout"{}}}'
    buckets = {family.format("bucket", f',le="{le}"'): values for le in ("0.1", "+Inf")}
    return {family.format("count", ""): values, **buckets}


STEADY, STILL = "0+30x40", "500+0x40"
HISTORIES: dict[str, tuple[dict[str, str], dict[str, float | None]]] = {
    "no failure yet": ({**requests(200, STEADY), **database(STEADY)}, {"errors": 0, "response time": 0.095}),
    "no traffic": ({**requests(200, STILL), **database(STILL)}, {"errors": None, "response time": None}),
    "no traffic after failures": (
        {**requests(200, STILL), **requests(500, STILL), **database(STILL)},
        {"errors": None, "response time": None},
    ),
    "failures whose series is born late": (
        {**requests(200, STEADY), **requests(500, "_x20 1 1+10x18"), **database(STEADY)},
        {"errors": 0.25, "response time": 0.095},
    ),
    "a restart": (
        {**requests(200, "900+30x30 0+30x9"), **database(STEADY)},
        {"errors": 0, "response time": 0.095},
    ),
}


@pytest.fixture(scope="session")
def promtool() -> Path:
    return fetch_programs(default_tools(), print)["promtool"]


@pytest.mark.parametrize(("series", "shown"), HISTORIES.values(), ids=HISTORIES)
def test_a_panel_draws_a_number_or_nothing(
    series: Mapping[str, str],
    shown: Mapping[str, float | None],
    service: Service,
    promtool: Path,
    tmp_path: Path,
) -> None:
    panels = performance_row(service, EVERYTHING).panels
    queries = {f"{panel.title} {query.legend}": query.expr for panel in panels for query in panel.queries}
    of_title = {panel.title.removeprefix("checkout: "): panel for panel in panels}
    wanted = [
        (f"round({query}, 0.001)", "20m", shown[title])
        for title, query in (
            ("errors", of_title["errors"].queries[0].expr),
            ("response time", of_title["response time"].queries[1].expr),
        )
    ]
    no_number = [(f"count(({query}) != ({query})) or vector(0)", "20m", 0) for query in queries.values()]
    assert len(no_number) >= 9
    RuleTrial(promtool, tmp_path).values([], series, [*wanted, *no_number])


def test_each_endpoint_without_failures_has_no_errors_and_not_no_line(
    service: Service, promtool: Path, tmp_path: Path
) -> None:
    panels = performance_row(service, EVERYTHING).panels
    (panel,) = [one for one in panels if one.title == "checkout: errors by endpoint"]
    (query,) = panel.queries
    RuleTrial(promtool, tmp_path).values([], requests(200, STEADY), [(f"sum({query.expr})", "20m", 0)])
