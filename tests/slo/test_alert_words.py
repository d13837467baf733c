"""What alerts say when they fire, word for word, as Prometheus fills it in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import Rule, RuleGroup
from tests.slo.conftest import REQUESTS
from tests.slo.trials import Firing, History, try_rules

ROUTE = "/orders/{id}"
INTERVAL = timedelta(seconds=30)


@pytest.fixture
def groups(slo: Slo) -> list[RuleGroup]:
    grouped = slo.model_copy(update={"group_by": ("http_route",), "description": "Orders are {{taken}}."})
    return SloRules(grouped, "production", AlertText("", "", "r-1"), INTERVAL, INTERVAL).groups()


def requests(status: str, values: str) -> dict[str, str]:
    labels = f'job="shop/checkout",http_route="{ROUTE}",http_response_status_code="{status}"'
    return {f"{REQUESTS}{{{labels}}}": values}


def firing(groups: list[RuleGroup], alert: str, moment: str, description: str) -> Firing:
    """Return that an alert fires with this description, and its other annotations as they are."""
    (rule,) = (rule for group in groups for rule in group.alerts if rule.name == alert)
    return Firing(alert, moment, [{"labels": own_labels(rule), "annotations": said(rule, description)}])


def own_labels(rule: Rule) -> dict[str, str]:
    return {**rule.labels, "http_route": ROUTE}


def said(rule: Rule, description: str) -> dict[str, str]:
    return {**rule.annotations, "description": description}


PROMISE = f"Orders are {{ {{taken}}}} (http_route={ROUTE}): the objective is 99.9 % of events in 30 days."
FAST = "The windows 1h and 5m fire: above 1.44 %, the pace that uses 2 % of the budget in 1h."
SLOW = "The windows 6h and 30m fire: above 0.6 %, the pace that uses 5 % of the budget in 6h."
QUIET = "While this page is silenced or acknowledged, the ticket of the same SLO keeps quiet too."


def test_an_alert_says_which_window_fired_how_much_fails_and_how_long_the_budget_lasts(
    groups: list[RuleGroup], promtool: Path, tmp_path: Path
) -> None:
    # 90 min healthy, half an hour with 15 % errors, then the target is gone
    series = requests("200", "0+1000x180 180850+850x59 stale") | requests("500", "0x180 150+150x59 stale")
    moments = [
        firing(
            groups,
            "SloBurnRatePage",
            "97m",
            f"{PROMISE} {FAST} Error ratio now: 5m 15%, 30m 3.5%, 1h 1.75%, 6h 1.082%. "
            "Of the error budget of 30 days 2.257% is gone; at the pace of the last 1h the rest lasts "
            f"1d 16h 12m 51s, until 1970-01-02 17:49:51 +0000 UTC. {QUIET}",
        ),
        firing(
            groups,
            "SloBurnRatePage",
            "119m",
            f"{PROMISE} {FAST} {SLOW} Error ratio now: 5m 15%, 30m 14.5%, 1h 7.25%, 6h 3.655%. Of the error "
            "budget of 30 days 9.896% is gone; at the pace of the last 1h the rest lasts 8h 56m 53s, until "
            f"1970-01-01 10:55:54 +0000 UTC. {QUIET}",
        ),
        firing(
            groups,
            "SloBurnRateTicket",
            "119m",
            f"{PROMISE} The windows 1d and 2h fire: above 0.3 %, "
            "the pace that uses 10 % of the budget in 1d. "
            "The windows 3d and 6h fire: above 0.1 %, the pace that uses 10 % of the budget in 3d. "
            "Error ratio now: 2h 3.655%, 6h 3.655%, 1d 3.655%, 3d 3.655%. "
            "Of the error budget of 30 days 10.07% is gone; "
            "at the pace of the last 1d the rest lasts 17h 42m 47s, until 1970-01-01 19:41:48 +0000 UTC.",
        ),
        firing(
            groups,
            "SloBurnRatePage",
            "126m",
            f"{PROMISE} {FAST} {SLOW} Error ratio now: 5m no data, 30m 15%, 1h 8.333%, 6h 3.76%. "
            "Of the error budget of 30 days 10.92% is gone; "
            "at the pace of the last 1h the rest lasts 7h 41m 47s, until "
            f"1970-01-01 09:47:47 +0000 UTC. {QUIET}",
        ),
    ]
    try_rules(promtool, tmp_path, groups, [History(series, [])], firing=moments)


def test_the_alert_on_few_failures_says_how_few(
    groups: list[RuleGroup], promtool: Path, tmp_path: Path
) -> None:
    few = firing(
        groups,
        "SloLowTrafficErrors",
        "60m",
        f"{PROMISE} In 3 days 4 of 4 events failed: too few for the burn-rate alerts, and yet an outage, or "
        "the end of the budget. Of the error budget of 30 days 138.9% is gone: nothing is left.",
    )
    series = requests("500", "0 0 1x20 2x20 3x20 4x60")
    try_rules(promtool, tmp_path, groups, [History(series, [])], firing=[few])
