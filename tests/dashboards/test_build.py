"""What the dashboards of a release hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime

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
from release_watch.dashboards.build import dashboard_uid, dashboards
from release_watch.dashboards.models import Dashboard
from release_watch.release import Release
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)


def baseline() -> BaselineMetrics:
    latency = MetricBaseline(
        service="checkout",
        metric="latency_p95_seconds",
        unit="s",
        quantiles={},
        normal_range=NormalRange(low=0.1, high=0.4),
        samples=10,
        completeness=1,
        query="q",
    )
    return BaselineMetrics(
        release_id="r-1",
        environment="production",
        generated_at=AT,
        kind=BaselineKind.REFERENCE,
        window=Window(start=AT, end=AT),
        verdict=Verdict.GO,
        reason="ok",
        metrics=(latency,),
    )


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


def test_every_query_of_the_json_is_listed_for_validation(built: list[Dashboard]) -> None:
    for one in built:
        targets = [
            target["expr"] for panel in one.json_model["panels"] for target in panel.get("targets", [])
        ]
        assert targets == [query.query for query in one.queries]
        assert targets


def test_the_json_is_what_grafanas_own_sdk_reads_and_writes(built: list[Dashboard]) -> None:
    for one in built:
        again = GrafanaDashboard.from_json(one.json_model)
        assert (again.uid, again.title, len(again.panels)) == (
            one.uid,
            one.title,
            len(one.json_model["panels"]),
        )
        assert json.loads(json.dumps(one.json_model)) == one.json_model


def test_panels_are_told_apart_by_ids(built: list[Dashboard]) -> None:
    for one in built:
        ids = [panel["id"] for panel in one.json_model["panels"]]
        assert len(set(ids)) == len(ids)


def test_the_baseline_is_drawn_as_a_band(release: Release, service: Service, slo: Slo) -> None:
    drawn = dashboards(release, [service], [slo], baseline=baseline())
    bands = {(q.panel, q.query, q.legend) for one in drawn for q in one.queries if "baseline" in q.legend}
    assert bands == {
        ("checkout: response time", "vector(0.1)", "baseline low"),
        ("checkout: response time", "vector(0.4)", "baseline high"),
    }


def test_deployments_are_marked(built: list[Dashboard]) -> None:
    (mark,) = built[0].json_model["annotations"]["list"]
    assert mark["target"]["tags"] == ["release-watch", "deployment"]


def test_hosts_are_shown_only_where_a_node_exporter_is_known(release: Release, service: Service) -> None:
    queries = {
        hosts: " ".join(
            q.query for one in dashboards(release, [service], [], hosts=hosts) for q in one.queries
        )
        for hosts in (True, False)
    }
    assert "node_filesystem_avail_bytes" in queries[True]
    assert "node_" not in queries[False]
