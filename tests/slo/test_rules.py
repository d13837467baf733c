"""The rules of a whole release, as promtool and a reader see them."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from release_watch.catalog.models import BusinessMetric, Service, Signals, Tier
from release_watch.catalog.selectors import Matcher, parse_matchers
from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.release import Release
from release_watch.slo.inhibition import INHIBIT_RULES
from release_watch.slo.promtool import check_rules
from release_watch.slo.red import ASSUMED
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.rules import rule_groups, rule_set_name

DATABASE = frozenset(
    {"db_client_operation_duration_seconds_count", "db_client_connections_usage", "db_client_connections_max"}
)


def generate(
    slos: list[Slo], services: list[Service], release: Release, **options: object
) -> list[RuleGroup]:
    return rule_groups(
        slos, services, release, runbook_url="https://runbook", dashboard_url="https://dashboard", **options
    )


def alerts(groups: list[RuleGroup]) -> dict[str, Rule]:
    return {rule.name: rule for group in groups for rule in group.alerts}


def test_promtool_accepts_all_rules_of_a_release_with_everything(
    slo: Slo, service: Service, release: Release, promtool: Path
) -> None:
    latency = slo.model_copy(
        update={
            "name": "checkout-latency",
            "kind": "latency",
            "bad": None,
            "good": 'http_server_request_duration_seconds_bucket{job="shop/checkout",le="0.25"}',
            "objective": Decimal("0.99"),
            "threshold_seconds": Decimal("0.25"),
        }
    )
    orders = BusinessMetric(
        name="orders", query="sum(rate(shop_orders_total[5m]))", unit="1/s", direction="down"
    )
    refunds = orders.model_copy(update={"name": "refunds", "direction": "both"})
    rich = service.model_copy(update={"business_metrics": (orders, refunds)})
    names = {"checkout": ASSUMED | DATABASE | {"process_open_fds", "process_max_fds"}}
    groups = generate([slo, latency], [rich], release, metric_names=names)

    check_rules(to_yaml(groups), promtool)

    assert set(alerts(groups)) == {
        "SloBurnRatePage",
        "SloBurnRateTicket",
        "SloLowTrafficErrors",
        "SloTelemetryAbsent",
        "ServiceDown",
        "ServiceTelemetryAbsent",
        "ServiceProbeFailing",
        "HighErrorRate",
        "HighResponseTime",
        "LowThroughput",
        "MemoryGrowth",
        "FileDescriptorsExhausted",
        "DatabaseUnreachable",
        "DatabaseConnectionsExhausted",
        "BusinessMetricAnomaly",
        "Watchdog",
    }
    assert "> 0.25" in alerts(groups)["HighResponseTime"].expr


def test_promtool_words_reach_the_reader(promtool: Path) -> None:
    broken = to_yaml([RuleGroup(name="g", rules=(Rule(record="a:b", expr="sum(rate(x[5m])"),))])
    with pytest.raises(InvalidInputError, match="unclosed left parenthesis"):
        check_rules(broken, promtool)


def test_a_service_gets_no_alert_on_metrics_that_it_does_not_expose(
    service: Service, release: Release
) -> None:
    groups = generate([], [service], release, metric_names={"checkout": {"up"}})
    assert set(alerts(groups)) == {"ServiceDown", "ServiceTelemetryAbsent", "ServiceProbeFailing", "Watchdog"}


def test_a_service_without_signals_has_no_group(release: Release) -> None:
    bare = Service(name="checkout", tier=Tier.STANDARD, owner="x", signals=Signals())
    assert [group.name for group in generate([], [bare], release)] == ["watchdog"]


def test_only_a_critical_service_wakes_people(service: Service, release: Release) -> None:
    standard = service.model_copy(update={"tier": Tier.STANDARD})
    assert alerts(generate([], [service], release))["ServiceDown"].labels["severity"] == "page"
    assert alerts(generate([], [standard], release))["ServiceDown"].labels["severity"] == "ticket"


def test_slos_of_other_services_are_left_out(slo: Slo, service: Service, release: Release) -> None:
    other = slo.model_copy(update={"name": "payments-availability", "service": "payments"})
    assert {
        slo for g in generate([other], [service], release) for r in g.rules for slo in [r.labels.get("slo")]
    } == {None}


def test_every_unsound_slo_is_named_at_once(slo: Slo, service: Service, release: Release) -> None:
    bad = [slo.model_copy(update={"name": name, "objective": Decimal("0.5")}) for name in ("one", "two")]
    with pytest.raises(InvalidInputError) as refused:
        generate(bad, [service], release)
    assert {problem.split(":")[0] for problem in refused.value.problems} == {"SLO one", "SLO two"}


def test_labels_do_not_change_with_the_release(slo: Slo, service: Service, release: Release) -> None:
    later = release.model_copy(update={"release_id": "next", "version": "9.9.9"})
    labels = [
        [r.labels for g in generate([slo], [service], one) for r in g.rules] for one in (release, later)
    ]
    assert labels[0] == labels[1]


def test_every_alert_says_what_where_to_read_on_and_why_it_fires(
    slo: Slo, service: Service, release: Release
) -> None:
    for alert in alerts(generate([slo], [service], release)).values():
        assert set(alert.annotations) == {
            "summary",
            "description",
            "threshold",
            "runbook_url",
            "dashboard_url",
            "release",
        }
        assert alert.annotations["runbook_url"].startswith(f"https://runbook#{alert.name.lower()}")


def test_the_tickets_of_a_burning_page_are_inhibited(slo: Slo, service: Service, release: Release) -> None:
    found = alerts(generate([slo], [service], release))
    page = found["SloBurnRatePage"].labels
    (rule,) = INHIBIT_RULES
    assert matches(rule["source_matchers"], page)
    for ticket in (found["SloBurnRateTicket"].labels, found["SloLowTrafficErrors"].labels):
        assert matches(rule["target_matchers"], ticket)
        assert all(page[name] == ticket[name] for name in rule["equal"])
    for other in ("SloTelemetryAbsent", "SloBurnRatePage", "ServiceDown"):
        assert not matches(rule["target_matchers"], found[other].labels)


def test_a_drill_inhibits_nothing(slo: Slo, service: Service, release: Release) -> None:
    page = alerts(generate([slo], [service], release))["SloBurnRatePage"].labels
    assert not matches(INHIBIT_RULES[0]["source_matchers"], page | {"drill": "true"})


def matches(matchers: list[str], labels: dict[str, str]) -> bool:
    """Return whether labels match as Alertmanager takes it: a missing label is an empty one."""
    return all(
        _match(matcher, labels.get(matcher.label, "")) for matcher in parse_matchers(",".join(matchers))
    )


def _match(matcher: Matcher, value: str) -> bool:
    if matcher.operator == "=~":
        return re.fullmatch(matcher.value, value) is not None
    return (value == matcher.value) == (matcher.operator == "=")


def test_the_rule_set_is_named_after_environment_and_release(release: Release) -> None:
    assert rule_set_name(release) == "production-2026.11.22-1"
    long = release.model_copy(update={"release_id": "r" * 120})
    assert len(rule_set_name(long)) == 120
    assert rule_set_name(long) != rule_set_name(release.model_copy(update={"release_id": "r" * 119}))


def test_how_many_failures_a_burn_rate_alert_wants_can_be_set(
    slo: Slo, service: Service, release: Release
) -> None:
    page = alerts(generate([slo], [service], release, least_bad_events=20))["SloBurnRatePage"]
    assert "* 3600 > 19.5" in page.expr
    assert "at least 20 failures" in page.annotations["threshold"]
