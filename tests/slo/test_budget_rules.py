"""What the rules of one SLO record, and when they alert, tried by promtool on made-up series."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.recorded import pieces_of
from release_watch.slo.rulefile import RuleGroup
from tests.slo.conftest import REQUESTS, RuleTrial

PAGE = "SloBurnRatePage"
TICKET = "SloBurnRateTicket"
ABSENT = "SloTelemetryAbsent"
TRICKLE = "SloLowTrafficErrors"
RATIO = 'max(slo:error_ratio:rate5m{slo="checkout-availability"})'


def page_group(slo: Slo) -> list[RuleGroup]:
    return SloRules(slo, "production", AlertText("http://runbook", "http://dashboard", "r-1")).groups()[:1]


def both_groups(slo: Slo) -> list[RuleGroup]:
    return SloRules(slo, "production", AlertText("http://runbook", "http://dashboard", "r-1")).groups()


def requests(status: str, values: str, instance: str = "a") -> dict[str, str]:
    labels = f'job="shop/checkout",instance="{instance}",http_response_status_code="{status}"'
    return {f"{REQUESTS}{{{labels}}}": values}


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


def test_the_past_of_an_instance_that_comes_into_sight_late_is_not_counted(
    slo: Slo, trial: RuleTrial
) -> None:
    series = requests("200", "0+100x80") | requests("200", "_x40 9000000x40", "b")
    series |= requests("500", "_x40 100000x40", "b")
    trial.values(page_group(slo), series, [(RATIO, "22m", 0), (RATIO, "27m", 0)])


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
    burned = 'round(max(slo:budget_burned:ratio{slo="checkout-availability"}), 0.001)'
    half_a_minute = timedelta(seconds=30)
    groups = SloRules(slo, "production", AlertText("", "", ""), half_a_minute, half_a_minute).groups()
    trial.values(groups, series, [(burned, "72m", 0.033)])


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


@pytest.mark.parametrize(
    ("page", "ticket", "alerts"),
    [
        (True, False, {PAGE: "page", ABSENT: "page"}),
        (False, True, {TICKET: "ticket", TRICKLE: "ticket", ABSENT: "ticket"}),
        (False, False, {ABSENT: "ticket"}),
    ],
    ids=["page alone", "ticket alone", "neither"],
)
def test_alerts_that_are_not_wanted_are_left_out_and_the_rest_is_recorded(
    page: bool, ticket: bool, alerts: dict[str, str], slo: Slo
) -> None:
    groups = both_groups(slo.model_copy(update={"page": page, "ticket": ticket}))
    assert {alert.name: alert.labels["severity"] for group in groups for alert in group.alerts} == alerts
    assert sum(rule.record is not None for group in groups for rule in group.rules) == 32


def test_a_factor_that_is_out_of_reach_matters_only_to_the_alert_that_has_it(slo: Slo) -> None:
    loose = slo.model_copy(update={"objective": Decimal("0.9")})
    with pytest.raises(InvalidInputError, match=r"14\.4 .* never fire"):
        both_groups(loose)
    assert both_groups(loose.model_copy(update={"page": False}))


def test_labels_and_annotations_of_the_slo_are_added_to_its_alerts_but_never_to_what_tells_it(
    slo: Slo,
) -> None:
    own = slo.model_copy(
        update={
            "labels": {"team": "orders", "severity": "info", "slo": "x"},
            "annotations": {"runbook_url": "https://own", "title": "Orders fail"},
        }
    )
    for group in both_groups(own):
        for alert in group.alerts:
            assert alert.labels["team"] == "orders"
            assert alert.labels["severity"] in {"page", "ticket"}
            assert alert.labels["slo"] == slo.name
            assert alert.annotations["runbook_url"] == "https://own"
            assert alert.annotations["title"] == "Orders fail"
        assert all("team" not in rule.labels for rule in group.rules if rule.record)


@pytest.mark.parametrize("days", [7, 28, 30, 90])
def test_pieces_fill_the_period_of_an_slo_end_to_end(days: int) -> None:
    pieces = pieces_of(timedelta(days=days), (timedelta(days=3), timedelta(days=1)))
    ends = [piece.offset + piece.length for piece in pieces]
    assert [piece.offset for piece in pieces] == [timedelta(0), *ends[:-1]]
    assert ends[-1] == timedelta(days=days)


def test_a_long_window_holds_every_event_once_also_across_a_restart_of_the_service(
    slo: Slo, trial: RuleTrial
) -> None:
    # two hours of counting, a reset, and two hours more, the errors all in the first quarter
    series = requests("200", "0+90x240 0+100x240") | requests("500", "0+10x120 1200x120 0x240")
    wanted = [
        ("round(max(slo:events_total:rate6h) * 21600, 400)", "240m", 46800.0),
        ("round(max(slo:events_bad:rate6h) * 21600, 10)", "240m", 1200.0),
    ]
    trial.values(page_group(slo), series, wanted)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"budgeting": "Timeslices", "slice": timedelta(minutes=1), "slice_target": Decimal("0.9")},
        {"budgeting": "RatioTimeslices", "slice": timedelta(minutes=1)},
    ],
    ids=["events", "slices", "ratios of slices"],
)
def test_no_group_has_more_rules_than_mimir_takes_by_default(form: dict[str, Any], slo: Slo) -> None:
    assert max(len(group.rules) for group in both_groups(slo.model_copy(update=form))) <= 20
