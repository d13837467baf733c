"""A release, its service and SLO, a stand-in for Grafana's API, and backends with or without it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from release_watch.catalog.models import BusinessMetric, MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.models import Dashboard
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.metrics import Sample
from release_watch.transport import Answer

AT = datetime(2026, 1, 1, tzinfo=UTC)
SAVED_AT = "2026-01-01T00:00:00Z"


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
    """STAND-IN for Grafana's HTTP API, by its documentation; it is no Grafana.

    It refuses what the documentation refuses: unknown folders, uids over 40 characters, missing titles,
    dashboards that exist where nothing may be overwritten, folders that exist, other methods and paths.
    """

    base_url = "https://grafana.example"

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.stored: dict[str, tuple[str, dict[str, Any]]] = {}
        self.messages: list[str] = []
        self.saved_by = "sa-release-watch"
        self.annotations: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.refuses: tuple[int, Any] | None = None
        self.refused_path = "/api/"
        self.loses_panels = False
        self.moves_to_the_root = False
        self.somebody_is_faster = False

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - a transport's signature
    ) -> Answer:
        self.calls.append((method, path))
        if self.refuses and path.startswith(self.refused_path):
            return Answer(*self.refuses)
        answers = {
            ("GET", "/api/folders"): lambda: self._listed(params or {}),
            ("POST", "/api/folders"): lambda: self._make_folder(json),
            ("POST", "/api/dashboards/db"): lambda: self._store(json),
            ("GET", "/api/search"): self._searched,
            ("GET", "/api/annotations"): lambda: self._found(params or {}),
            ("POST", "/api/annotations"): lambda: self._annotate(json),
        }
        if (method, path) in answers:
            return answers[method, path]()
        parent, _, uid = path.rpartition("/")
        if method == "GET" and parent == "/api/folders":
            return self._folder(uid)
        if method == "GET" and parent == "/api/dashboards/uid":
            return self._shown(uid)
        return Answer(404, {"message": "Not found"})

    def _listed(self, params: Mapping[str, Any]) -> Answer:
        known = [{"id": n, "uid": uid, "title": title} for n, (uid, title) in enumerate(self.folders.items())]
        return Answer(200, known[: params.get("limit", 1000)])

    def _searched(self) -> Answer:
        return Answer(
            200,
            [
                {"id": n, "uid": uid, "title": content["title"], "type": "dash-db", "folderUid": folder}
                for n, (uid, (folder, content)) in enumerate(self.stored.items())
            ],
        )

    def _folder(self, uid: str) -> Answer:
        if uid not in self.folders:
            return Answer(404, {"message": "folder not found", "status": "not-found"})
        return Answer(200, {"id": 1, "uid": uid, "title": self.folders[uid], "version": 1})

    def _make_folder(self, json: Any) -> Answer:
        if not json.get("title"):
            return Answer(400, {"message": "folder title cannot be empty"})
        if len(json.get("uid", "")) > 40:
            return Answer(400, {"message": "uid too long, max 40 characters"})
        taken = json["uid"] in self.folders
        self.folders[json["uid"]] = json["title"]
        if taken or self.somebody_is_faster:
            return Answer(409, {"message": "a folder with that name already exists"})
        return Answer(200, {"id": 1, **json})

    def _store(self, json: Any) -> Answer:
        board = json["dashboard"]
        if not board.get("title"):
            return Answer(400, {"message": "Dashboard title cannot be empty"})
        if len(board["uid"]) > 40:
            return Answer(400, {"message": "uid too long, max 40 characters"})
        if board.get("id") is not None:
            return Answer(404, {"message": "Dashboard not found", "status": "not-found"})
        if "folderUid" in json and json["folderUid"] not in self.folders:
            return Answer(404, {"message": "folder not found"})
        if board["uid"] in self.stored and not json.get("overwrite"):
            words = "A dashboard with the same uid already exists"
            return Answer(412, {"message": words, "status": "name-exists"})
        content = {**board, "id": 7, "version": len(self.messages) + 1, "schemaVersion": 39}
        if self.loses_panels:
            content["panels"] = []
        folder = "" if self.moves_to_the_root else json.get("folderUid", "")
        self.stored[board["uid"]] = (folder, content)
        self.messages.append(json.get("message", ""))
        slug = f"/d/{board['uid']}/slug"
        return Answer(200, {"id": 7, "uid": board["uid"], "url": slug, "status": "success", "version": 1})

    def _shown(self, uid: str) -> Answer:
        if uid not in self.stored:
            return Answer(404, {"message": "Dashboard not found"})
        folder, content = self.stored[uid]
        meta = {"folderUid": folder, "url": f"/d/{uid}/slug", "updated": SAVED_AT, "updatedBy": self.saved_by}
        return Answer(200, {"meta": meta, "dashboard": content})

    def _found(self, params: Mapping[str, Any]) -> Answer:
        wanted = set(params.get("tags", ()))
        return Answer(200, [one for one in self.annotations if wanted <= set(one["tags"])])

    def _annotate(self, json: Any) -> Answer:
        if not json.get("text"):
            return Answer(
                400, {"message": "Failed to save annotation", "error": "text field should not be empty"}
            )
        self.annotations.append({**json, "id": len(self.annotations) + 1})
        return Answer(200, {"message": "Annotation added", "id": len(self.annotations)})


class MetricsStandIn:
    """STAND-IN for a metrics server that knows the answers to some expressions, also many in one query."""

    base_url = "http://prometheus"

    def __init__(self, known: Mapping[str, Sequence[float]] | None = None) -> None:
        self.known = dict(known or {})
        self.refused: dict[str, int | None] = {}
        self.asked: list[str] = []

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:  # noqa: ARG002 - as Metrics
        self.asked.append(query)
        parts = _TOGETHER.findall(query) or [(query, "")]
        found = []
        for expression, number in parts:
            self.refuse(expression)
            labels = {"release_watch_question": number} if number else {}
            found += [Sample(dict(labels), AT, value) for value in self.known.get(expression, ())]
        return found

    def refuse(self, expression: str) -> None:
        if expression in self.refused:
            raise BackendError("Prometheus", f"does not take {expression}", status=self.refused[expression])

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.asked.append(query)
        times = pd.date_range(start, end, freq=step, tz=UTC)
        columns = {}
        for expression, number in _LINES.findall(query) or [(query, "")]:
            self.refuse(expression)
            mark = f',release_watch_line="{number}"' if number else ""
            for place, value in enumerate(self.known.get(expression, ())):
                name = f'{{instance="host-{place}",job="shop/checkout"{mark}}}'
                columns[name] = pd.Series(
                    [value * (1 + 0.1 * (n % 5)) for n in range(len(times))], index=times
                )
        return pd.DataFrame(columns, index=times if columns else None)


_TOGETHER = re.compile(r'label_replace\((.+?), "release_watch_question", "(\d+)", "", ""\)(?: or |$)')
_LINES = re.compile(r'label_replace\((.+?), "release_watch_line", "(\d+)", "", ""\)(?: or |$)')


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
