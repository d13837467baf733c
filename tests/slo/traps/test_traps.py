"""The traps into which generators of SLO alerts fall: each test shows a naive rule wrong, and ours right."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.readback import compare
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.targets.target import RuleServer
from tests.slo.activation.stand_ins import PrometheusStandIn, Queries
from tests.slo.traps.conftest import (
    FAILED,
    OK,
    Try,
    Wanted,
    firing,
    naive_page,
    naive_ratio,
    naive_ticket,
    numbered,
)

PAGE, TICKET, ABSENT, TRICKLE = (
    "SloBurnRatePage",
    "SloBurnRateTicket",
    "SloTelemetryAbsent",
    "SloLowTrafficErrors",
)
NAIVE_PAGE = Rule(alert="NaivePage", expr=naive_page())
NAIVE_TICKET = Rule(alert="NaiveTicket", expr=naive_ticket())


def test_1_a_quiet_hour_leaves_no_nan_behind(attempt: Try) -> None:
    # half an hour without any traffic, then 20 % errors
    series = {OK: "0+10x20 200x60 208+8x39", FAILED: "0x80 2+2x39"}
    naive = [
        Rule(record="naive:ratio5m", expr=naive_ratio("5m")),
        Rule(alert="NaivePage", expr="avg_over_time(naive:ratio5m[1h]) > 0.0144 and naive:ratio5m > 0.0144"),
    ]
    recorded = 'sum_over_time(sum({__name__=~"slo:.+"})[50m:30s])'
    wanted = [
        Wanted("count(avg_over_time(naive:ratio5m[1h]) != avg_over_time(naive:ratio5m[1h]))", "50m", 1),
        firing("NaivePage", "50m", fires=False),
        Wanted(f"count({recorded} != {recorded})", "50m", None),
        firing(PAGE, "50m", fires=True),
    ]
    attempt(naive, series, wanted)


def test_2_a_service_without_errors_has_a_ratio_and_its_first_errors_count(attempt: Try) -> None:
    # 500 errors appear at once after half an hour, between two scrapes, and no more come
    series = {OK: "0+100x140", FAILED: "_x60 500x80"}
    naive = [Rule(record="naive:ratio5m", expr=naive_ratio("5m")), NAIVE_PAGE]
    wanted = [
        Wanted("naive:ratio5m", "25m", None),
        Wanted(numbered("slo:error_ratio:rate5m"), "25m", 0),
        Wanted("sum(naive:ratio5m)", "34m", 0),
        firing("NaivePage", "34m", fires=False),
        Wanted(numbered("slo:events_bad:rate5m * 300", "1"), "34m", 500),
        firing(PAGE, "34m", fires=True),
        Wanted(numbered("slo:events_bad:rate1h * 3600", "10"), "60m", 500),
    ]
    attempt(naive, series, wanted)


def test_3_a_vanished_target_does_not_resolve_the_page(attempt: Try) -> None:
    # ten minutes of 15 % errors, then the target is gone
    series = {OK: "0+1000x180 180850+850x19 stale", FAILED: "0x180 150+150x19 stale"}
    wanted = [
        firing("NaivePage", "99m", fires=True),
        firing("NaivePage", "135m", fires=False),
        firing(PAGE, "99m", fires=True),
        firing(PAGE, "135m", fires=True),
        firing(PAGE, "150m", fires=True),
        firing(ABSENT, "101m30s", fires=False),
        firing(ABSENT, "103m", fires=True),
    ]
    attempt([NAIVE_PAGE], series, wanted)


def test_4_ten_minutes_of_history_are_not_three_days(attempt: Try) -> None:
    # 0.2 % errors since the service was deployed
    series = {OK: "0+9980x40", FAILED: "0+20x40"}
    wanted = [
        firing("NaiveTicket", "10m", fires=True),
        firing(TICKET, "10m", fires=False),
        firing(TICKET, "20m", fires=False),
        firing(PAGE, "20m", fires=False),
    ]
    attempt([NAIVE_TICKET], series, wanted)


def test_4_and_yet_an_outage_right_after_the_start_pages(attempt: Try) -> None:
    attempt([], {FAILED: "0+1000x10"}, [firing(PAGE, "2m", fires=True)])


def test_5_one_failure_at_ten_requests_an_hour_wakes_nobody(attempt: Try) -> None:
    # a request every six minutes; the one after five hours fails
    steps = timedelta(minutes=2)
    series = {OK: ramp(0, 150) + " 50x2 " + ramp(50, 10), FAILED: "0x150 1x13"}
    wanted = [
        firing("NaivePage", "302m", fires=True),
        firing(PAGE, "302m", fires=False),
        firing(TICKET, "302m", fires=False),
        firing(TRICKLE, "302m", fires=False),
    ]
    attempt([NAIVE_PAGE], series, wanted, step=steps)


def ramp(start: int, steps: int) -> str:
    """Return a counter that grows by one every third step."""
    return " ".join(str(start + step // 3) for step in range(steps + 1))


def test_5_and_yet_an_outage_at_low_traffic_is_found(attempt: Try) -> None:
    # ten requests an hour, and after five hours every one fails: the fifth failure pages
    steps = timedelta(minutes=2)
    series = {OK: ramp(0, 150) + " 50x40", FAILED: "0x150 " + ramp(0, 39)}
    wanted = [firing(PAGE, "320m", fires=False), firing(PAGE, "336m", fires=True)]
    attempt([], series, wanted, step=steps)


def test_5_an_outage_at_a_request_every_other_hour_raises_a_ticket(attempt: Try) -> None:
    steps = timedelta(minutes=4)
    seldom = " ".join(str(step // 30) for step in range(150))
    series = {OK: f"{seldom} 4x250", FAILED: f"0x149 {seldom} 4x100"}
    wanted = [
        firing(PAGE, "900m", fires=False),
        firing(TICKET, "900m", fires=False),
        firing(TRICKLE, "720m", fires=False),
        firing(TRICKLE, "1000m", fires=True),
    ]
    attempt([], series, wanted, step=steps)


def test_6_the_mean_of_ratios_is_not_the_ratio(attempt: Try) -> None:
    # half an hour of little traffic with 10 % errors, half an hour of a hundred times as much without any
    series = {OK: "0+9x60 1540+1000x60", FAILED: "0+1x60 60x60"}
    naive = [
        Rule(record="naive:ratio5m", expr=naive_ratio("5m")),
        Rule(record="naive:ratio1h", expr="avg_over_time(naive:ratio5m[1h])"),
    ]
    wanted = [
        Wanted("naive:ratio1h > bool 0.04", "60m30s", 1),
        Wanted(numbered("slo:error_ratio:rate1h"), "60m30s", 0.001),
    ]
    attempt(naive, series, wanted)


def test_7_labels_that_change_with_the_value_begin_anew_each_time(attempt: Try) -> None:
    # 15 % errors and slightly more each time
    series = {OK: "0+1000x180 180850+850x60", FAILED: "0x180 " + growing(61)}
    churning = Rule(
        alert="NaivePage", expr=naive_page(), hold="2m", labels={"ratio": "{{ $value }}", "commit": "abc"}
    )
    identity = "environment, service, slo"
    both = f'ALERTS{{alertname="{PAGE}"}} and on ({identity}) ALERTS{{alertname="{TICKET}"}}'
    wanted = [
        firing("NaivePage", "120m", fires=False),
        firing(PAGE, "120m", fires=True),
        firing(TICKET, "120m", fires=True),
        Wanted(f"count({both})", "120m", 1),
        Wanted(f'max(count_over_time(ALERTS{{alertname="{PAGE}",alertstate="firing"}}[5m]))', "120m", 11),
    ]
    attempt([churning], series, wanted)


def growing(steps: int) -> str:
    """Return a counter that grows by 150, and by one more each step."""
    return " ".join(str(150 * step + step * step // 2) for step in range(1, steps + 1))


def test_8_a_scrape_a_minute_is_enough_for_every_window(attempt: Try) -> None:
    series = {OK: "0+1700x70", FAILED: "0+300x70"}
    naive = [Rule(record="naive:ratio1m", expr=naive_ratio("1m"))]
    wanted = [Wanted("count(naive:ratio1m)", "60m", None), firing(PAGE, "60m", fires=True)]
    # the left edge of a window belongs to it, so that a scrape just after a minute's leaves one sample
    attempt(naive, series, wanted, step=timedelta(seconds=61))


def test_8_groups_so_rare_that_their_series_go_stale_are_refused(slo: Slo) -> None:
    with pytest.raises(InvalidInputError, match="take 4m at most"):
        SloRules(slo, "production", AlertText("", "", ""), ticket_interval=timedelta(minutes=5))


def test_9_a_reload_that_succeeds_is_no_loaded_rule(slo: Slo, promtool: Path, tmp_path: Path) -> None:
    # rule_files names a folder that is not the one which the rules were written to
    (tmp_path / "prometheus.yml").write_text("rule_files: [elsewhere/*.yaml]")
    groups = both(slo)
    (tmp_path / "rules.yaml").write_text(to_yaml(groups))
    prometheus = PrometheusStandIn(tmp_path / "elsewhere")

    naive = subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True)
    reloaded = prometheus.request("POST", "/-/reload")
    ours = compare(groups, RuleServer(prometheus, Queries()))

    assert (naive.returncode, reloaded.status, ours.refused) == (0, 200, ())
    assert len(ours.missing) == sum(len(group.rules) for group in groups)


def test_10_a_page_says_that_silencing_it_silences_its_ticket(slo: Slo) -> None:
    # Alertmanager cannot do otherwise: tests/integration/test_inhibition.py
    pages = [rules[0].alerts[0] for rules in (both(slo), both(slo.model_copy(update={"ticket": False})))]
    said = ["the ticket of the same SLO keeps quiet too" in page.annotations["description"] for page in pages]
    assert said == [True, False]


def both(slo: Slo) -> list[RuleGroup]:
    return SloRules(slo, "production", AlertText("", "", "")).groups()
