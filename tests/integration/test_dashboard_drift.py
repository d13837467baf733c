"""Dashboards that people edit, told apart over HTTP. The server is a STAND-IN for Grafana, and no Grafana."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance import __main__ as command
from release_watch.assurance.dashboards_there import dashboards_there
from release_watch.assurance.drift import read_live
from release_watch.assurance.drift.boards import board_drifts
from release_watch.assurance.drift.command import Connected
from release_watch.assurance.drift.kept_boards import digest_of, keep_board, kept_boards
from release_watch.assurance.drift.live import LiveDashboards
from release_watch.assurance.drift.model import Board, Drift
from release_watch.assurance.drift.of_the_night import DriftReading, Kept
from release_watch.assurance.registry import ActiveDashboard, ActiveRelease, ActiveReleases
from release_watch.catalog.config import load_config
from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.dashboards.activation import activate_dashboards
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.provisioning import dashboard_file
from release_watch.release import Release
from release_watch.telemetry.backends import Backends
from release_watch.transport import Transport
from release_watch.verdict import Verdict
from tests.dashboards.conftest import GrafanaStandIn
from tests.integration.direct import DirectBackends, DirectTransport

pytestmark = pytest.mark.integration
Model = dict[str, Any]
RELEASE = Release(
    deployment_id="d-1",
    release_id="r-1",
    version="1.1.0",
    environment="production",
    services=("checkout",),
    deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
    evidence_uri="file:///evidence",
)


class GrafanaOnly(DirectBackends):
    """Backends of which only the stand-in for Grafana is there; the others find it does not know them."""

    def __init__(self, url: str) -> None:
        programs, directories = {"amtool": "/nowhere"}, {"rules": "/nowhere"}
        super().__init__(
            {"prometheus": url, "alertmanager": url, "directories": directories, "programs": programs}
        )
        self._url = url

    def grafana(self) -> Transport:
        return DirectTransport(self._url)


@dataclass(frozen=True)
class World:
    """Dashboards that were activated through the API and kept, and the server that shows them."""

    server: GrafanaStandIn
    backends: Backends
    store: ArtifactStore
    boards: tuple[ActiveDashboard, ...]

    def drifts(self) -> list[Drift]:
        kept = kept_boards(self.store, self.boards)
        uids = {board.uid for board in self.boards}
        live = read_live(self.backends, datetime.now(UTC), dashboards=uids).dashboards
        assert isinstance(live, LiveDashboards)
        expected = tuple(Board(one.uid, one.title, kept[one.uid]) for one in self.boards)
        return list(board_drifts(expected, live))


def serve(server: GrafanaStandIn) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            params: dict[str, Any] = dict(parse_qs(parts.query))
            params["limit"] = int(params.get("limit", ["1000"])[0])
            found = server.request(self.command, parts.path, params=params, json=body)
            content = json.dumps(found.body).encode()
            self.send_response(found.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the base's names

        def log_message(self, *_: Any) -> None:
            """Say nothing: the assertions tell."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    server = GrafanaStandIn()
    http = serve(server)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        backends = GrafanaOnly(f"http://127.0.0.1:{http.server_address[1]}")
        release = RELEASE
        service = Service(
            name="checkout",
            tier=Tier.CRITICAL,
            owner="team",
            signals=Signals(metrics=MetricsSignal(selector='job="shop/checkout"')),
        )
        slo = Slo(
            name="checkout-availability",
            service="checkout",
            description="",
            objective=Decimal("0.999"),
            window_days=30,
            kind="ratio",
            good=None,
            bad='req_total{code="500",job="shop/checkout"}',
            total='req_total{job="shop/checkout"}',
        )
        built = dashboards(release, [service], [slo])
        store = ArtifactStore(tmp_path, "production", "r-1")
        for made in activate_dashboards(built, backends, load_config().policies, release=release):
            assert made.activated, made.reason
        for board in built:
            keep_board(store, board.uid, dashboard_file(board)[1])
        boards = tuple(
            ActiveDashboard(uid=b.uid, title=b.title, sha256=digest_of(store, b.uid)) for b in built
        )
        yield World(server, backends, store, boards)
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def charts(model: Model) -> list[Model]:
    """Every panel with a query, also those of folded rows."""
    every = [one for panel in model["panels"] for one in (panel, *(panel.get("panels") or []))]
    return [one for one in every if one.get("targets")]


def saved_again(model: Model) -> None:
    model.update(id=4711, version=12, schemaVersion=42, iteration=1767225600000)


def panel_moved(model: Model) -> None:
    charts(model)[0]["gridPos"] = {"h": 9, "w": 11, "x": 3, "y": 40}


def built_in_marks(model: Model) -> None:
    built_in = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True}
    model["annotations"]["list"].insert(0, {**built_in, "name": "Annotations & Alerts", "type": "dashboard"})


def variable_chosen(model: Model) -> None:
    chosen = {"selected": True, "text": "prod", "value": "prod"}
    model["templating"]["list"][0].update(current=chosen, options=[chosen])


def empty_fields(model: Model) -> None:
    model.update(liveNow=False, weekStart="", fiscalYearStartMonth=0, preload=False)
    for panel in charts(model):
        panel.update(links=[], transparent=False, maxDataPoints=None)


def query_reformatted(model: Model) -> None:
    for panel in charts(model):
        for target in panel["targets"]:
            target["expr"] = f"(\n  {target['expr']}\n)"


def tags_reordered(model: Model) -> None:
    model["tags"].reverse()


def plugin_updated(model: Model) -> None:
    charts(model)[0]["pluginVersion"] = "12.2.0"


def rows_folded(model: Model) -> None:
    panels: list[Model] = []
    for panel in model["panels"]:
        inside = panel.pop("panels", None) or []
        panels += [panel, *inside]
    folded: list[Model] = []
    for panel in panels:
        if panel["type"] == "row" or not folded or folded[-1]["type"] != "row":
            folded.append(panel)
        else:
            folded[-1].setdefault("panels", []).append(panel)
            folded[-1]["collapsed"] = True
    model["panels"] = folded


def another_metric(model: Model) -> None:
    charts(model)[0]["targets"][0]["expr"] = "sum(up)"


def another_unit(model: Model) -> None:
    charts(model)[0]["fieldConfig"]["defaults"]["unit"] = "furlongs"


def another_threshold(model: Model) -> None:
    steps = {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 99}]}
    charts(model)[0]["fieldConfig"]["defaults"]["thresholds"] = steps


def aggregated_otherwise(model: Model) -> None:
    target = charts(model)[0]["targets"][0]
    target["expr"] = f"avg({target['expr']})"


def panel_of_another_kind(model: Model) -> None:
    charts(model)[0]["type"] = "barchart"


def panel_removed(model: Model) -> None:
    for panels in (model["panels"], *(panel.get("panels") or [] for panel in model["panels"])):
        if any(panel.get("targets") for panel in panels):
            panels.remove(next(panel for panel in panels if panel.get("targets")))
            return


def panel_added(model: Model) -> None:
    model["panels"].append({"type": "text", "title": "Mine", "options": {"content": "hello"}})


def panel_renamed(model: Model) -> None:
    charts(model)[0]["title"] = "Renamed"


def board_renamed(model: Model) -> None:
    model["title"] = "Renamed"


def another_span(model: Model) -> None:
    model["time"] = {"from": "now-30d", "to": "now"}


def refresh_off(model: Model) -> None:
    model["refresh"] = ""


def another_legend(model: Model) -> None:
    charts(model)[0]["targets"][0]["legendFormat"] = "something else"


def query_hidden(model: Model) -> None:
    charts(model)[0]["targets"][0]["hide"] = True


def another_source(model: Model) -> None:
    charts(model)[0]["targets"][0]["datasource"] = {"type": "prometheus", "uid": "staging"}


def deployments_unmarked(model: Model) -> None:
    model["annotations"]["list"] = []


def editor_defaults(model: Model) -> None:
    """What Grafana's editor fills in when a panel is opened and saved as it is."""
    model["timepicker"] = {}
    for panel in charts(model):
        for target in panel["targets"]:
            target.update(editorMode="code", range=True, exemplar=False, includeNullMetadata=True)
        custom = panel["fieldConfig"]["defaults"].setdefault("custom", {})
        for name, value in (("drawStyle", "line"), ("barWidthFactor", 0.6), ("spanNulls", False)):
            custom.setdefault(name, value)
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] = 0
        panel["fieldConfig"]["defaults"].setdefault("mappings", [])


def panels_renumbered(model: Model) -> None:
    for number, panel in enumerate(charts(model)):
        panel["id"] = 900 + number


def query_in_other_notation(model: Model) -> None:
    target = charts(model)[0]["targets"][0]
    target["expr"] = " " + target["expr"].replace("[5m]", "[300s]").replace("(", "( ")


KEPT = (
    saved_again,
    panel_moved,
    built_in_marks,
    variable_chosen,
    empty_fields,
    query_reformatted,
    tags_reordered,
    plugin_updated,
    rows_folded,
    editor_defaults,
    panels_renumbered,
    query_in_other_notation,
)
CHANGED = (
    aggregated_otherwise,
    panel_of_another_kind,
    another_metric,
    another_unit,
    another_threshold,
    panel_removed,
    panel_added,
    panel_renamed,
    board_renamed,
    another_span,
    refresh_off,
    another_legend,
    query_hidden,
    another_source,
    deployments_unmarked,
)


def edit(world: World, change: Callable[[Model], None]) -> None:
    """Have a person change the first dashboard in the browser, which saves it whole."""
    uid = world.boards[0].uid
    folder, model = world.server.stored[uid]
    edited = copy.deepcopy(model)
    change(edited)
    assert edited != model, "nothing was edited"
    world.server.stored[uid] = (folder, edited)
    world.server.saved_by = "ada"


def test_what_was_activated_and_not_touched_is_no_drift(world: World) -> None:
    assert world.drifts() == []


@pytest.mark.parametrize("change", KEPT)
def test_an_edit_that_keeps_the_meaning_is_no_drift(world: World, change: Callable[[Model], None]) -> None:
    edit(world, change)
    assert world.drifts() == []


@pytest.mark.parametrize("change", CHANGED)
def test_an_edit_that_changes_what_is_shown_is_drift_with_who_made_it(
    world: World, change: Callable[[Model], None]
) -> None:
    edit(world, change)
    (drift,) = world.drifts()
    assert (drift.kind, drift.verdict) == ("edited", Verdict.WARN)
    assert "saved by ada at 2026-01-01T00:00:00Z" in drift.what
    assert drift.diff


def test_a_deleted_dashboard_is_missing(world: World) -> None:
    del world.server.stored[world.boards[0].uid]
    (drift,) = world.drifts()
    assert (drift.kind, drift.verdict) == ("missing", Verdict.NO_GO)


def test_what_is_kept_and_was_changed_is_held_against_nothing(world: World) -> None:
    uid = world.boards[0].uid
    edit(world, another_metric)
    shown = json.dumps(world.server.stored[uid][1]).encode()
    keep_board(world.store, uid, shown)
    (drift,) = world.drifts()
    assert (drift.kind, drift.verdict) == ("unknown", Verdict.INCONCLUSIVE)
    assert "was changed since it was activated" in drift.what


def test_a_dashboard_of_which_nothing_is_kept_is_not_fine(world: World, tmp_path: Path) -> None:
    elsewhere = World(
        world.server, world.backends, ArtifactStore(tmp_path, "production", "r-2"), world.boards
    )
    drifts = elsewhere.drifts()
    assert [drift.kind for drift in drifts] == ["unknown"] * len(world.boards)
    assert all("is not there" in drift.what for drift in drifts)


def registered(world: World, root: Path) -> ActiveRelease:
    return ActiveReleases(root).register(
        RELEASE, artifacts_uri=world.store.uri, rules={}, dashboards=world.boards, at=datetime.now(UTC)
    )


def test_the_night_compares_what_is_kept_with_what_grafana_shows(world: World, tmp_path: Path) -> None:
    entry = registered(world, tmp_path)
    edit(world, another_metric)
    del world.server.stored[world.boards[1].uid]
    kept = Kept(models=lambda one: kept_boards(world.store, one.dashboards))
    night = DriftReading(
        [entry],
        world.backends,
        load_config(),
        datetime.now(UTC),
        kept,
        lambda: dashboards_there(world.backends.grafana()),
    )
    (drift,) = (one for one in night.of(entry) if one.key.startswith("dashboard:"))
    assert drift.kind == "edited"
    assert "{+up+}" in drift.diff
    assert night.uncompared == {"r-1": 1}, "the missing one is told by the check that asks for it"


def test_the_command_shows_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(world, tmp_path)
    edit(world, another_unit)
    del world.server.stored[world.boards[1].uid]
    world.store.remove(f"dashboards/{world.boards[2].uid}.json")
    monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)
    monkeypatch.setattr(command, "connected", lambda _: Connected(world.backends, tmp_path))
    assert command.main(["drift", "--environment", "production", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["releases"]
    told = {
        one["key"].partition(":")[2]: one for one in found["drifts"] if one["key"].startswith("dashboard:")
    }
    kinds = {uid: one["kind"] for uid, one in told.items()}
    edited, gone, unkept = (board.uid for board in world.boards[:3])
    assert kinds == {edited: "edited", gone: "missing", unkept: "unknown"}
    assert "furlongs" in told[edited]["diff"]
    assert "it was kept, and is gone" in told[unkept]["what"]
