"""An SLO with a budget for each endpoint: alerts, history and records are the endpoint's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.inhibition import group_labels_of, inhibition_yaml
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, Wanted, fires, try_rules

PAGE = "SloBurnRatePage"
TICKET = "SloBurnRateTicket"
ABSENT = "SloTelemetryAbsent"


def requests(route: str, status: str, values: str) -> dict[str, str]:
    labels = f'job="shop/checkout",http_route="{route}",http_response_status_code="{status}"'
    return {f"{REQUESTS}{{{labels}}}": values}


def firing_on(route: str, alert: str, moment: str, *, fires: bool) -> Wanted:
    alerts = f'ALERTS{{alertname="{alert}",alertstate="firing",http_route="{route}"}}'
    return Wanted(f"count({alerts}) or vector(0)", moment, int(fires))


@pytest.fixture
def grouped(slo: Slo) -> Slo:
    return slo.model_copy(update={"group_by": ("http_route",)})


def test_each_endpoint_has_its_own_ratio_history_and_alert(
    grouped: Slo, promtool: Path, tmp_path: Path
) -> None:
    burning = requests("/orders", "200", "0+900x240") | requests("/orders", "500", "0+100x240")
    healthy = requests("/health", "200", "0+100000x240")
    idle = requests("/refunds", "200", "7x240")
    new = requests("/new", "200", "_x220 0+998x20") | requests("/new", "500", "_x220 0+2x20")
    per_route = "count(count by (http_route) (slo:error_ratio:rate5m))"
    endpoints = History(
        burning | healthy | idle | new,
        [
            firing_on("/orders", PAGE, "100m", fires=True),
            firing_on("/health", PAGE, "100m", fires=False),
            firing_on("/refunds", ".+", "100m", fires=False),
            Wanted('max(slo:error_ratio:rate1h{http_route="/health"})', "100m", 0),
            Wanted('max(slo:error_ratio:rate1h{http_route="/refunds"})', "100m", None),
            Wanted(per_route, "100m", 2),
            Wanted(per_route, "118m", 3),
            # an endpoint has history since its first request, whatever the service has
            firing_on("/new", TICKET, "120m", fires=False),
            firing_on("/orders", TICKET, "120m", fires=True),
        ],
    )
    first_errors = History(
        requests("/orders", "200", "0+100x60") | requests("/new", "500", "_x40 20x20"),
        [
            Wanted('max(slo:events_bad:rate5m{http_route="/new"}) * 300', "22m", 20),
            Wanted('max(slo:events_bad:rate5m{http_route="/orders"})', "22m", 0),
        ],
    )
    one_gone = requests("/orders", "200", "0+100x40") | requests("/refunds", "200", "0+10x10 stale")
    all_gone = requests("/orders", "200", "0+100x10 stale") | requests("/refunds", "200", "0+10x10 stale")
    gone = [History(one_gone, fires(ABSENT, {"15m": False})), History(all_gone, fires(ABSENT, {"15m": True}))]
    groups = SloRules(grouped, "production", AlertText("", "", "")).groups()
    try_rules(promtool, tmp_path, groups, [endpoints, first_errors, *gone])


@pytest.mark.parametrize("label", ["service", "severity", "le"])
def test_a_label_that_the_rules_need_themselves_is_refused(label: str, slo: Slo) -> None:
    with pytest.raises(InvalidInputError, match=f"groups by {label}"):
        SloRules(slo.model_copy(update={"group_by": (label,)}), "production", AlertText("", "", ""))


def test_the_page_of_one_endpoint_does_not_silence_the_ticket_of_another(grouped: Slo, slo: Slo) -> None:
    assert group_labels_of([slo, grouped, grouped]) == ["http_route"]
    assert "- http_route" in inhibition_yaml(group_labels_of([slo, grouped]))
    assert "http_route" not in inhibition_yaml(group_labels_of([slo]))
