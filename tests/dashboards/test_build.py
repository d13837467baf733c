"""What the dashboards of a release hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from release_watch.artifacts.models import (
    BaselineKind,
    BaselineMetrics,
    MetricBaseline,
    NormalRange,
    Window,
)
from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.coverage.reads import recorded_names
from release_watch.dashboards.build import dashboard_uid, dashboards
from release_watch.dashboards.models import Dashboard, Panel
from release_watch.release import Release
from release_watch.slo.red import ASSUMED
from release_watch.slo.rules import rule_groups
from release_watch.telemetry.promql import parsed, selectors_of
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = ASSUMED | {
    "target_info",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "db_client_connections_usage",
    "db_client_connections_max",
    "db_client_operation_duration_seconds_count",
    "db_client_operation_duration_seconds_bucket",
}


def baseline(low: float = 0.1, high: float = 0.4) -> BaselineMetrics:
    latency = MetricBaseline(
        service="checkout",
        metric="latency_p95_seconds",
        unit="s",
        quantiles={},
        normal_range=NormalRange(low=low, high=high),
        samples=10,
        completeness=1,
        query="q",
    )
    return BaselineMetrics(
        release_id="r-0",
        environment="production",
        generated_at=AT,
        kind=BaselineKind.REFERENCE,
        window=Window(start=AT, end=AT),
        verdict=Verdict.GO,
        reason="ok",
        metrics=(latency,),
    )


@pytest.fixture
def whole(release: Release, service: Service, slo: Slo) -> list[Dashboard]:
    latency = slo.model_copy(
        update={
            "name": "checkout-latency",
            "kind": "latency",
            "good": 'req_bucket{le="0.25"}',
            "bad": None,
            "threshold_seconds": Decimal("0.25"),
        }
    )
    return dashboards(
        release,
        [service],
        [slo, latency],
        baseline=baseline(),
        metric_names={"checkout": EVERYTHING},
        runbook_url="https://runbooks.example/m",
        alerts_url="file:///not/a/web/address",
    )


def json_panels(board: Dashboard) -> Iterator[dict[str, Any]]:
    """Yield the panels, also those of folded rows."""
    for panel in board.json_model["panels"]:
        yield panel
        yield from panel.get("panels", [])


def panel_of(boards: list[Dashboard], title: str) -> Panel:
    return next(p for board in boards for row in board.rows for p in row.panels if p.title == title)


def json_panel(boards: list[Dashboard], title: str) -> dict[str, Any]:
    return next(p for board in boards for p in json_panels(board) if p["title"] == title)


def test_there_is_one_dashboard_for_health_performance_objectives_and_business(
    built: list[Dashboard],
) -> None:
    assert [one.kind for one in built] == ["system-health", "performance", "slo", "business"]


def test_without_business_metrics_there_is_no_business_dashboard(
    release: Release, service: Service, slo: Slo
) -> None:
    plain = service.model_copy(update={"business_metrics": ()})
    assert [one.kind for one in dashboards(release, [plain], [slo])] == [
        "system-health",
        "performance",
        "slo",
    ]


def test_slos_of_other_services_are_left_out(release: Release, service: Service, slo: Slo) -> None:
    other = slo.model_copy(update={"service": "payments"})
    assert "slo" not in {one.kind for one in dashboards(release, [service], [other])}


def test_the_next_release_updates_the_same_dashboards(release: Release, service: Service, slo: Slo) -> None:
    later = release.model_copy(update={"release_id": "r-2", "version": "2.0.0"})
    uids = [[one.uid for one in dashboards(r, [service], [slo])] for r in (release, later)]
    assert uids[0] == uids[1]


def test_uids_differ_by_environment_and_fit_grafana() -> None:
    services = [f"service-{n}" for n in range(100)]
    production, staging = (dashboard_uid("system-health", one, services) for one in ("production", "staging"))
    assert production != staging
    assert len(production) <= 40
    assert dashboard_uid("system-health", "production", services[::-1]) == production


def test_every_query_of_the_json_is_listed_for_validation_and_can_be_read(whole: list[Dashboard]) -> None:
    for one in whole:
        targets = [target["expr"] for panel in json_panels(one) for target in panel.get("targets", [])]
        assert sorted(targets) == sorted(query.query for query in one.queries)
        assert targets
        for expression in [*targets, *(mark.expr for mark in one.marks)]:
            parsed(expression)


def test_the_json_is_what_grafanas_own_sdk_reads_and_writes(whole: list[Dashboard]) -> None:
    for one in whole:
        again = GrafanaDashboard.from_json(one.json_model)
        assert (again.uid, again.title) == (one.uid, one.title)
        assert len(again.panels) == len(one.json_model["panels"])
        assert json.loads(json.dumps(one.json_model)) == one.json_model


def test_panels_are_told_apart_by_ids_and_do_not_overlap(whole: list[Dashboard]) -> None:
    for one in whole:
        ids = [panel["id"] for panel in json_panels(one)]
        assert len(set(ids)) == len(ids)
        taken: set[tuple[int, int]] = set()
        for panel in one.json_model["panels"]:
            spot = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(spot["x"], spot["x"] + spot["w"])
                for y in range(spot["y"], spot["y"] + spot["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells


def test_every_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_data_source(
    whole: list[Dashboard],
) -> None:
    for one in whole:
        shown = [panel for panel in json_panels(one) if panel["type"] not in ("row", "text")]
        for panel in shown:
            assert len(panel["description"]) > 10
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize(
    "title",
    [
        "checkout: instances",
        "checkout: pages firing",
        "checkout: tickets firing",
        "checkout: versions",
        "checkout: processor cores used",
        "checkout: memory",
        "checkout: file descriptors",
        "checkout: restarts",
        "checkout: database connections",
        "checkout: requests",
        "checkout: errors",
        "checkout: response time",
        "checkout: requests by endpoint",
        "checkout: errors by endpoint",
        "checkout: p95 by endpoint",
        "checkout: database errors",
        "checkout: database response time",
        "checkout-availability: error budget left",
        "checkout-availability: time to exhaustion",
        "checkout-availability: pages firing",
        "checkout-availability: error ratio",
        "checkout-availability: burn rates",
        "checkout-availability: events",
        "checkout: orders",
    ],
)
def test_there_is_a_panel(title: str, whole: list[Dashboard]) -> None:
    assert panel_of(whole, title).queries


@pytest.mark.parametrize("gone", sorted(EVERYTHING - {"http_server_request_duration_seconds_sum"}))
def test_a_metric_that_a_service_does_not_expose_is_asked_in_no_panel(
    gone: str, release: Release, service: Service
) -> None:
    boards = dashboards(release, [service], [], metric_names={"checkout": EVERYTHING - {gone}})
    asked = [query.query for board in boards for query in board.queries]
    asked += [mark.expr for board in boards for mark in board.marks]
    assert not [query for query in asked if f"{gone}{{" in query]


def test_a_panel_with_a_line_per_endpoint_or_instance_is_bounded(whole: list[Dashboard]) -> None:
    several = [
        query
        for board in whole
        for row in board.rows
        for panel in row.panels
        for query in panel.queries
        if "{{" in query.legend and not panel.single
    ]
    assert several
    assert all(query.expr.startswith(("topk(", "bottomk(")) for query in several)


def test_limits_come_from_slos_and_say_so(whole: list[Dashboard]) -> None:
    errors = [(one.value, one.level) for one in panel_of(whole, "checkout: errors").limits]
    assert errors == [(0.001, "warning"), (0.0144, "critical")]
    (slow,) = panel_of(whole, "checkout: response time").limits
    assert (slow.value, "checkout-latency" in slow.origin) == (0.25, True)
    burn = panel_of(whole, "checkout-availability: burn rates").limits
    assert [(one.value, one.level) for one in burn] == [(3.0, "warning"), (14.4, "critical")]
    assert all(limit.origin for board in whole for _, limit in board.limits)


def test_an_slo_whose_page_is_not_wanted_has_no_limit_of_a_page(
    release: Release, service: Service, slo: Slo
) -> None:
    boards = dashboards(release, [service], [slo.model_copy(update={"page": False})])
    assert {limit.level for limit in panel_of(boards, "checkout: burn rates").limits} == {"warning"}
    asked = " ".join(query.query for board in boards for query in board.queries)
    assert "slo:error_ratio:rate1h{" not in asked


@pytest.mark.parametrize("days", [7, 28, 30, 90])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"page": False},
        {"ticket": False},
        {"group_by": ("http_route",)},
        {"budgeting": "Timeslices", "slice": timedelta(minutes=5), "slice_target": Decimal("0.9")},
    ],
    ids=["whole", "no page", "no ticket", "grouped", "time slices"],
)
def test_everything_that_slo_panels_ask_is_recorded_by_the_rules(
    days: int, change: dict[str, Any], release: Release, service: Service, slo: Slo
) -> None:
    slos = [slo.model_copy(update={"window_days": days, **change})]
    recorded = recorded_names(rule_groups(slos, [service], release, runbook_url="", dashboard_url=""))
    asked = {
        selector.metric
        for board in dashboards(release, [service], slos)
        for query in board.queries
        for selector in selectors_of(query.query)
        if selector.metric.startswith("slo:")
    }
    assert asked
    assert asked <= recorded


def test_colours_follow_the_side_that_is_worse(whole: list[Dashboard]) -> None:
    def steps(title: str) -> list[tuple[Any, str]]:
        found = json_panel(whole, title)["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [(step["value"], step["color"]) for step in found]

    assert steps("checkout: errors") == [(None, "green"), (0.001, "orange"), (0.0144, "red")]
    left = "checkout-availability: error budget left"
    assert steps(left) == [(None, "red"), (0, "orange"), (0.25, "green")]


def test_a_budget_per_group_has_a_line_per_group(release: Release, service: Service, slo: Slo) -> None:
    grouped = slo.model_copy(update={"group_by": ("http_route",)})
    boards = dashboards(release, [service], [grouped])
    queries = panel_of(boards, "checkout-availability: burn rates").queries
    assert queries[0].legend == "{{http_route}} 5m"


def test_the_baseline_is_drawn_as_a_band_that_says_where_it_comes_from(whole: list[Dashboard]) -> None:
    bands = {(q.panel, q.query, q.legend) for one in whole for q in one.queries if "baseline" in q.legend}
    assert bands == {
        ("checkout: response time", "vector(0.1)", "baseline low"),
        ("checkout: response time", "vector(0.4)", "baseline high"),
    }
    panel = json_panel(whole, "checkout: response time")
    assert "reference baseline of r-0" in panel["description"]
    (filled,) = [
        setting["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "baseline high"
        for setting in override["properties"]
        if setting["id"] == "custom.fillBelowTo"
    ]
    assert filled == "baseline low"


def test_a_baseline_without_bounds_is_no_band(release: Release, service: Service) -> None:
    endless = baseline(high=float("inf"))
    drawn = dashboards(release, [service], [], baseline=endless)
    assert not [q for one in drawn for q in one.queries if "baseline" in q.legend]


def test_deployments_versions_and_starts_are_marked(whole: list[Dashboard]) -> None:
    deployments, versions, starts = whole[0].json_model["annotations"]["list"]
    assert deployments["target"]["tags"] == ["release-watch", "deployment", "production"]
    assert "unless" in versions["expr"]
    assert starts["useValueForTime"] is True
    assert {one["datasource"]["uid"] for one in (versions, starts)} == {"${datasource}"}


def test_release_environment_and_owners_are_shown(whole: list[Dashboard]) -> None:
    for one in whole:
        text = next(p for p in json_panels(one) if p["type"] == "text")["options"]["content"]
        for words in ("production", "r-1", "1.1.0", "2026-01-01T00:00:00.000Z", "team &lt;checkout&gt;"):
            assert words in text


def test_dashboards_link_to_each_other_and_to_web_addresses_only(whole: list[Dashboard]) -> None:
    families = set()
    for one in whole:
        siblings, *others = one.json_model["links"]
        assert "placement" not in siblings
        assert siblings["type"] == "dashboards"
        families |= set(siblings["tags"])
        assert set(siblings["tags"]) < set(one.json_model["tags"])
        assert [(link["title"], link["url"]) for link in others] == [
            ("Runbook", "https://runbooks.example/m")
        ]
    assert len(families) == 1


def test_what_would_be_overwritten_cannot_be_edited(whole: list[Dashboard]) -> None:
    assert not any(one.json_model["editable"] for one in whole)


def test_many_services_are_folded_away(release: Release, service: Service) -> None:
    services = [service.model_copy(update={"name": f"s{n}"}) for n in range(30)]
    many = release.model_copy(update={"services": tuple(s.name for s in services)})
    health = dashboards(many, services, [])[0]
    rows = [panel for panel in health.json_model["panels"] if panel["type"] == "row"]
    assert [row["collapsed"] for row in rows].count(False) == 4
    assert len(health.title) < 150
    targets = [target for panel in json_panels(health) for target in panel.get("targets", [])]
    assert len(targets) == len(health.queries)


def test_a_service_with_a_server_of_its_own_has_a_data_source_of_its_own(
    release: Release, service: Service
) -> None:
    plain = service.model_dump()
    plain["signals"]["metrics"]["connection"] = "prometheus_team"
    boards = dashboards(release, [Service.model_validate(plain)], [])
    variables = [one["name"] for one in boards[0].json_model["templating"]["list"]]
    assert variables == ["datasource", "datasource_prometheus_team"]
    assert json_panel(boards, "checkout: requests")["datasource"]["uid"] == "${datasource_prometheus_team}"
    assert json_panel(boards, "checkout: pages firing")["datasource"]["uid"] == "${datasource}"
    assert boards[0].marks == ()


def test_hosts_are_shown_only_where_a_node_exporter_is_known(release: Release, service: Service) -> None:
    queries = {
        hosts: " ".join(
            q.query for one in dashboards(release, [service], [], hosts=hosts) for q in one.queries
        )
        for hosts in (True, False)
    }
    assert "node_filesystem_avail_bytes" in queries[True]
    assert "node_" not in queries[False]
