"""The first checks of each alert: queries that can be pasted, about the metrics that the service has."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from release_watch import slo as slo_package
from release_watch.catalog.models import (
    BusinessMetric,
    LogsSignal,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
    TracesSignal,
)
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.handoff import alert_advice, alert_checks
from release_watch.handoff.alert_advice import advice
from release_watch.handoff.alert_checks import Check
from release_watch.handoff.alert_seen import Seen
from release_watch.slo.lint import lint
from release_watch.slo.promtool import check_rules
from release_watch.slo.red import ASSUMED
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.rules import rule_groups
from release_watch.telemetry.promql import parsed, selectors_of
from sandbox.layout import default_tools
from sandbox.packages import fetch_programs
from tests.handoff.releases import RELEASE
from tests.slo.test_symptoms import EVERYTHING

SERVICE = Service(
    name="checkout",
    tier=Tier.CRITICAL,
    owner="team",
    signals=Signals(
        metrics=MetricsSignal(selector='job="shop/checkout"'),
        logs=LogsSignal(selector='{service_name="checkout"}'),
        traces=TracesSignal(service_name="checkout"),
        synthetics=SyntheticsSignal(selector='service="checkout"'),
    ),
    business_metrics=(BusinessMetric(name="orders", query="sum(orders)", unit="1", direction="both"),),
)
SLO = Slo(
    name="fast",
    service="checkout",
    description="",
    objective=Decimal("0.999"),
    window_days=30,
    kind="latency",
    good='x_bucket{job="a",le="1"}',
    bad=None,
    total='x_count{job="a"}',
    threshold_seconds=Decimal(1),
)
WORKER = SERVICE.model_copy(
    update={
        "signals": Signals(metrics=MetricsSignal(selector='job="w"', counter="jobs_total", errors='ok="no"')),
        "business_metrics": (),
    }
)
BARE = SERVICE.model_copy(
    update={"signals": Signals(synthetics=SyntheticsSignal(selector='a="b"')), "business_metrics": ()}
)
KINDS = {
    "everything": (SERVICE, EVERYTHING),
    "requests": (SERVICE, ASSUMED),
    "gRPC, pushed": (
        SERVICE,
        {"target_info", "rpc_server_duration_milliseconds_count", "rpc_server_duration_milliseconds_bucket"},
    ),
    "worker": (WORKER, {"up", "jobs_total"}),
    "probe alone": (BARE, set()),
}
OF_ORDERS: dict[str, tuple[dict[str, Any], str]] = {
    "bad": ({"good": None, "bad": 'orders{ok="no"}', "total": "orders"}, 'rate(orders{ok="no"}[5m]) > 0'),
    "good": (
        {"good": 'orders{ok="yes"}', "bad": None, "total": "orders"},
        '(sum(rate(orders[5m]))) - (sum(rate(orders{ok="yes"}[5m]))) > 0',
    ),
    "expression": (
        {
            "good": None,
            "bad": f'sum(increase(orders{{ok="no"}}[{WINDOW}]))',
            "total": f"sum(increase(orders[{WINDOW}]))",
            "per_second": False,
        },
        'sum(increase(orders{ok="no"}[5m])) > 0',
    ),
}


def rules(service: Service, names: set[str] | frozenset[str], slos: Sequence[Slo] = (SLO,)) -> list[Rule]:
    groups = rule_groups(
        slos, [service], RELEASE, runbook_url="", dashboard_url="", metric_names={service.name: names}
    )
    return [rule for group in groups for rule in group.rules if rule.service]


def checks(
    service: Service, names: set[str] | frozenset[str], slos: Sequence[Slo] = (SLO,)
) -> dict[str, tuple[Check, ...]]:
    own = rules(service, names, slos)
    seen = Seen(service, "production", own, slos)
    return {rule.name: advice(rule.name, seen).checks for rule in own if rule.alert}


def alert_names() -> set[str]:
    """Return the names of alerts in the source of the generator, whatever service they are for."""
    folder = Path(slo_package.__file__).parent
    texts = {
        node.value
        for path in folder.glob("*.py")
        for statement in ast.parse(path.read_text()).body
        if not (isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__")
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", text)} - NO_ALERTS


NO_ALERTS = {"RatioTimeslices"}


def test_every_alert_that_rules_can_have_is_explained_and_looked_at_in_its_own_way() -> None:
    names = alert_names()
    generated = {rule.name for rule in rules(SERVICE, EVERYTHING) if rule.alert}
    assert generated
    assert generated <= names
    assert names == alert_advice.KNOWN == alert_checks.KNOWN


@pytest.mark.parametrize(("service", "names"), KINDS.values(), ids=KINDS)
def test_what_the_checks_ask_of_recorded_series_is_recorded(service: Service, names: set[str]) -> None:
    recorded = {rule.record for rule in rules(service, names) if rule.record}
    asked = {
        selector.metric or name
        for found in checks(service, names).values()
        for check in found
        if check.language == "promql"
        for selector in selectors_of(check.query)
        for name in [matcher.value for matcher in selector.matchers if matcher.label == "__name__"] or [""]
    }
    asked = {name for names in asked for name in names.split("|") if name.startswith(("slo:", "service:"))}
    assert asked
    assert asked <= recorded


@pytest.mark.parametrize(("service", "names"), KINDS.values(), ids=KINDS)
def test_every_query_is_one_that_prometheus_takes(service: Service, names: set[str]) -> None:
    queries = {
        check.query
        for found in checks(service, names).values()
        for check in found
        if check.language == "promql"
    }
    tried = RuleGroup(
        name="tried",
        rules=tuple(Rule(record=f"tried:{n}:sum", expr=query) for n, query in enumerate(sorted(queries))),
    )
    assert all(parsed(query) for query in queries)
    check_rules(to_yaml([tried]), fetch_programs(default_tools(), print)["promtool"])
    assert not [one for one in lint([tried]) if one.what in ("unread", "matching", "no le")]


@pytest.mark.parametrize(("service", "names"), list(KINDS.values())[:3], ids=list(KINDS)[:3])
def test_every_alert_has_three_checks_and_no_two_are_the_same(service: Service, names: set[str]) -> None:
    for alert, found in checks(service, names).items():
        assert len({check.query for check in found}) == 3, alert


def test_queries_use_the_names_that_the_service_has() -> None:
    grpc = checks(*KINDS["gRPC, pushed"])
    assert "rpc_server_duration_milliseconds_bucket" in grpc["HighResponseTime"][0].query
    assert "rpc_service, rpc_method" in grpc["HighErrorRate"][0].query
    assert not [check for found in grpc.values() for check in found if check.query.startswith("up{")]
    worker = checks(*KINDS["worker"])
    assert 'jobs_total{job="w",ok="no"}' in worker["HighErrorRate"][0].query


def test_a_latency_objective_asks_what_is_slow_and_not_what_fails() -> None:
    questions = [check.question for check in checks(*KINDS["requests"])["SloBurnRatePage"]]
    assert "Which endpoint is slow?" in questions
    assert "Which endpoint fails?" not in questions


@pytest.mark.parametrize(("change", "query"), OF_ORDERS.values(), ids=OF_ORDERS)
def test_an_objective_on_other_events_than_requests_is_looked_at_by_its_own(
    change: dict[str, Any], query: str
) -> None:
    slo = SLO.model_copy(update={"kind": "ratio", "threshold_seconds": None, "name": "orders", **change})
    found = checks(SERVICE, EVERYTHING, [slo])["SloBurnRatePage"]
    assert found[1].question.startswith("What does orders count as bad (events")
    assert found[1].query == f"topk(5, {query})"
    assert parsed(found[1].query)


def test_traces_are_looked_for_from_the_time_that_is_promised() -> None:
    slo = SLO.model_copy(update={"threshold_seconds": Decimal("0.25")})
    found = checks(SERVICE, EVERYTHING, [slo])["HighResponseTime"]
    assert [check.query for check in found if check.language == "traceql"] == [
        '{ resource.service.name = "checkout" && duration > 250ms }'
    ]


RESOURCES = (
    "CpuSaturated",
    "CpuThrottled",
    "MemoryNearLimit",
    "MemoryFillsUp",
    "FileDescriptorsExhausted",
    "ThreadsExhausted",
    "DiskFull",
    "DiskFillsUp",
    "DatabaseConnectionsExhausted",
)


@pytest.mark.parametrize("alert", RESOURCES)
def test_what_runs_out_is_shown_as_the_share_that_is_used_of_each(alert: str) -> None:
    first = checks(*KINDS["everything"])[alert]
    shown = [check.query for check in first if check.query.startswith("topk(5, ")]
    assert " / (" in shown[0]
    assert "predict_linear" not in shown[0]


def test_a_resource_is_shown_by_instance_and_not_as_the_alert_asks() -> None:
    found = checks(*KINDS["everything"])
    assert found["MemoryNearLimit"][0].query.startswith("topk(5, sum by (namespace, pod, container) (")
    assert found["MemoryGrowth"][0].query == 'topk(5, process_resident_memory_bytes{job="shop/checkout"})'


def test_an_alert_of_somebody_else_is_looked_at_by_its_own_expression() -> None:
    theirs = Rule(alert="Theirs", expr="queue > 5", labels={"service": "checkout"})
    found = advice("Theirs", Seen(SERVICE, "production", [theirs]))
    assert found.checks[0] == Check("What does the alert see?", "promql", "queue > 5")
    assert found.meaning.startswith("An alert that somebody added")
