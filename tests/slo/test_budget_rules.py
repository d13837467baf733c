"""The closed forms of slo alerting and the traps, each tried by promtool on made-up series."""

from __future__ import annotations

from decimal import Decimal

import pytest

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import RuleGroup
from tests.slo.conftest import REQUESTS, RuleTrial

PAGE = "SloBurnRatePage"
TICKET = "SloBurnRateTicket"
ABSENT = "SloTelemetryAbsent"
RATIO = 'max(slo:error_ratio:rate5m{slo="checkout-availability"})'


def page_group(slo: Slo) -> list[RuleGroup]:
    return SloRules(slo, "production", AlertText("http://runbook", "http://dashboard", "r-1")).groups()[:1]


def both_groups(slo: Slo) -> list[RuleGroup]:
    return SloRules(slo, "production", AlertText("http://runbook", "http://dashboard", "r-1")).groups()


def requests(status: str, values: str, instance: str = "a") -> dict[str, str]:
    labels = f'job="shop/checkout",instance="{instance}",http_response_status_code="{status}"'
    return {f"{REQUESTS}{{{labels}}}": values}


def test_15_percent_errors_for_10_minutes_page_after_5_76_and_reset_4_5_minutes_after(
    slo: Slo, trial: RuleTrial
) -> None:
    # 90 min healthy, 10 min with 15 % errors, then healthy again
    series = requests("200", "0+1000x180 180850+850x19 198000+1000x20") | requests(
        "500", "0x180 150+150x19 3000x21"
    )
    moments = {"95m30s": False, "96m": True, "104m": True, "105m": False}
    trial.alerts(page_group(slo), series, PAGE, moments)


def test_a_healthy_service_is_quiet(slo: Slo, trial: RuleTrial) -> None:
    series = requests("200", "0+10000x140") | requests("500", "0+4x140")
    trial.alerts(both_groups(slo), series, ".+", {"70m": False})


def test_without_any_error_series_the_ratio_is_zero(slo: Slo, trial: RuleTrial) -> None:
    trial.values(page_group(slo), requests("200", "0+100x40"), [(RATIO, "20m", 0)])


def test_without_traffic_there_is_no_ratio_and_no_nan(slo: Slo, trial: RuleTrial) -> None:
    series = requests("200", "100x40") | requests("500", "3x40")
    trial.values(page_group(slo), series, [(RATIO, "20m", None)])


def test_errors_that_a_new_series_is_born_with_are_counted(slo: Slo, trial: RuleTrial) -> None:
    # a series of errors appears with 20 and never moves again, so its rate is 0
    series = requests("200", "0+10x60") | requests("500", "_x40 20x20")
    bad = 'max(slo:events_bad:rate5m{slo="checkout-availability"}) * 300'
    trial.values(page_group(slo), series, [(bad, "22m", 20), (bad, "27m", 0)])


def test_the_past_of_a_service_that_prometheus_only_just_met_is_not_counted(
    slo: Slo, trial: RuleTrial
) -> None:
    series = requests("200", "1000000+10x20") | requests("500", "50000x20")
    trial.values(page_group(slo), series, [(RATIO, "4m", 0), (RATIO, "6m", 0)])


def test_a_vanished_target_does_not_end_the_page(slo: Slo, trial: RuleTrial) -> None:
    # after 90 min 15 % errors; after 10 min of them the target vanishes for good
    series = requests("200", "0+1000x180 180850+850x19 stale") | requests("500", "0x180 150+150x19 stale")
    trial.alerts(page_group(slo), series, PAGE, {"99m": True, "106m": True, "112m": True})


def test_vanished_telemetry_pages_by_itself_after_two_minutes(slo: Slo, trial: RuleTrial) -> None:
    trial.alerts(page_group(slo), requests("200", "0+1000x20 stale"), ABSENT, {"11m30s": False, "13m": True})


def test_ten_minutes_of_history_with_a_few_errors_raise_no_ticket(slo: Slo, trial: RuleTrial) -> None:
    series = requests("200", "0+998x20") | requests("500", "0+2x20")
    unweighted = "count(slo:error_ratio:rate3d > 0.001 and slo:error_ratio:rate6h > 0.001)"
    trial.values(both_groups(slo), series, [(unweighted, "10m", 1)])
    trial.alerts(both_groups(slo), series, TICKET, {"10m": False})


def test_a_real_outage_right_after_the_start_pages_within_minutes(slo: Slo, trial: RuleTrial) -> None:
    trial.alerts(page_group(slo), requests("500", "0+1000x20"), PAGE, {"3m": True})


def test_rules_over_good_events_see_the_same_ratio_as_rules_over_bad_ones(slo: Slo, trial: RuleTrial) -> None:
    by_good = slo.model_copy(
        update={"bad": None, "good": f'{REQUESTS}{{job="shop/checkout",http_response_status_code!~"5.."}}'}
    )
    series = requests("200", "0+75x40") | requests("500", "0+25x40")
    for variant in (slo, by_good):
        trial.values(page_group(variant), series, [(f"round({RATIO}, 0.0001)", "20m", 0.25)])


def test_the_budget_burned_weighs_only_the_history_there_is(slo: Slo, trial: RuleTrial) -> None:
    # 2 % errors for 72 min of 30 days: 20 times the even pace for 1/600 of the period is 3.3 % of the budget
    series = requests("200", "0+98x150") | requests("500", "0+2x150")
    burned = 'round(max(slo:error_budget_burned:ratio{slo="checkout-availability"}), 0.001)'
    trial.values(both_groups(slo), series, [(burned, "72m", 0.033)])


@pytest.mark.parametrize("group", [0, 1], ids=["page", "ticket"])
def test_identity_labels_are_stable_and_complete(slo: Slo, group: int) -> None:
    for alert in both_groups(slo)[group].alerts:
        assert set(alert.labels) == {"slo", "service", "environment", "severity", "burn_tier"}
        assert not any("$" in value or "{{" in value for value in alert.labels.values())


def test_thresholds_are_exact_decimals(slo: Slo) -> None:
    rules = SloRules(
        slo.model_copy(update={"objective": Decimal("0.9995")}), "production", AlertText("", "", "r-1")
    ).groups()
    page = rules[0].alerts[0].expr
    assert "> 0.0072 " in page
    assert "> 0.003 " in page
