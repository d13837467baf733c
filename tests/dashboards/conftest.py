"""A release, its service and SLO, a stand-in for Grafana's API, and backends with or without it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from release_watch.catalog.models import BusinessMetric, MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.models import Dashboard
from release_watch.errors import NotConfiguredError
from release_watch.release import Release
from release_watch.transport import Answer


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="d-1",
        release_id="r-1",
        version="1.1.0",
        environment="production",
        services=("checkout",),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )


@pytest.fixture
def service() -> Service:
    return Service(
        name="checkout",
        tier=Tier.CRITICAL,
        owner="team <checkout>",
        signals=Signals(metrics=MetricsSignal(selector='job="shop/checkout"')),
        business_metrics=(
            BusinessMetric(name="orders", query="sum(orders)", unit="orders/s", direction="down"),
        ),
    )


@pytest.fixture
def slo() -> Slo:
    return Slo(
        name="checkout-availability",
        service="checkout",
        description="",
        objective=Decimal("0.999"),
        window_days=30,
        kind="ratio",
        good=None,
        bad='req_total{code="500"}',
        total="req_total",
    )


@pytest.fixture
def built(release: Release, service: Service, slo: Slo) -> list[Dashboard]:
    return dashboards(release, [service], [slo])


class GrafanaStandIn:
    """Answers as Grafana's API does about dashboards, folders and annotations. It is no Grafana."""

    base_url = "https://grafana.example"

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.stored: dict[str, tuple[str, dict[str, Any]]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.refuses = False
        self.loses_panels = False

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - a transport's signature
    ) -> Answer:
        if self.refuses:
            return Answer(403, {"message": "You'll need additional permissions"})
        if path == "/api/folders":
            return self._folders(method, json)
        if path == "/api/annotations":
            return self._annotations(method, params or {}, json)
        if path == "/api/dashboards/db":
            return self._store(json)
        folder, stored = self.stored[path.rpartition("/")[2]]
        return Answer(200, {"meta": {"folderUid": folder}, "dashboard": stored})

    def _folders(self, method: str, json: Any) -> Answer:
        if method == "POST":
            self.folders[json["uid"]] = json["title"]
        return Answer(200, [{"uid": uid, "title": title} for uid, title in self.folders.items()])

    def _annotations(self, method: str, params: Mapping[str, Any], json: Any) -> Answer:
        if method == "POST":
            self.annotations.append(json)
            return Answer(200, {"id": len(self.annotations)})
        return Answer(200, [one for one in self.annotations if set(params["tags"]) <= set(one["tags"])])

    def _store(self, json: Any) -> Answer:
        assert json["folderUid"] in self.folders, "without a folder Grafana moves the dashboard to the root"
        content = {**json["dashboard"], "id": 7, "version": len(self.stored) + 1, "schemaVersion": 39}
        if self.loses_panels:
            content["panels"] = []
        self.stored[content["uid"]] = (json["folderUid"], content)
        return Answer(200, {"status": "success", "uid": content["uid"], "url": f"/d/{content['uid']}/slug"})


class OnlyGrafana:
    """Backends that know at most a Grafana."""

    def __init__(self, grafana: GrafanaStandIn | None) -> None:
        self._grafana = grafana

    def grafana(self) -> GrafanaStandIn:
        if self._grafana is None:
            raise NotConfiguredError("grafana_default", "dashboards")
        return self._grafana


@pytest.fixture
def grafana() -> GrafanaStandIn:
    return GrafanaStandIn()
