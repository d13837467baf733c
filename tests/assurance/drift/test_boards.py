"""What is told of dashboards that were edited, and what is never told because it means the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.drift.board_differences import board_differences
from release_watch.assurance.drift.boards import board_drifts
from release_watch.assurance.drift.kept_boards import digest_of, keep_board, kept_boards
from release_watch.assurance.drift.live import LiveDashboards
from release_watch.assurance.drift.model import Board, Drift
from release_watch.assurance.registry import ActiveDashboard, ActiveReleases
from release_watch.verdict import Verdict
from tests.assurance.fakes import NOW, release

Model = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
MODEL: Model = {
    "title": "Health",
    "uid": "u",
    "tags": ["a", "b"],
    "annotations": {"list": [{"name": "Deployments", "enable": True}]},
    "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
    "panels": [
        {
            "id": 1,
            "type": "stat",
            "title": "Up",
            "datasource": SOURCE,
            "fieldConfig": {
                "defaults": {
                    "unit": "s",
                    "thresholds": {
                        "steps": [{"color": "green", "value": None}, {"color": "red", "value": 5}]
                    },
                },
                "overrides": [
                    {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": "min", "value": 1}]}
                ],
            },
            "targets": [{"expr": 'sum by (a) (x{b="1"})', "refId": "A"}],
        },
        {"id": 2, "type": "timeseries", "title": "Load", "targets": [{"expr": "load", "refId": "A"}]},
    ],
}


def edited(change: Callable[[Model], object]) -> list[str]:
    live = copy.deepcopy(MODEL)
    change(live)
    assert live != MODEL
    return list(board_differences(MODEL, live))


def defaults(model: Model, panel: int = 0) -> Model:
    return model["panels"][panel].setdefault("fieldConfig", {}).setdefault("defaults", {})


SAME: dict[str, Callable[[Model], object]] = {
    "panels in another order": lambda m: m["panels"].reverse(),
    "panels numbered anew": lambda m: [p.update(id=p["id"] + 7) for p in m["panels"]],
    "colours that are a kind's own": lambda m: [
        defaults(m, 0).update(color={"mode": "thresholds"}),
        defaults(m, 1).update(color={"mode": "palette-classic"}),
    ],
    "how lines are drawn by default": lambda m: defaults(m, 1).update(
        custom={
            "drawStyle": "line",
            "lineWidth": 1,
            "spanNulls": False,
            "stacking": {"mode": "none", "group": "A"},
        }
    ),
    "thresholds that the editor fills in": lambda m: defaults(m, 1).update(
        mappings=[],
        thresholds={
            "mode": "absolute",
            "steps": [{"color": "green", "value": 0}, {"color": "red", "value": 80}],
        },
    ),
    "the first threshold, that is always minus infinity": lambda m: defaults(m)["thresholds"]["steps"][
        0
    ].update(value=0),
    "how a query was typed": lambda m: m["panels"][0]["targets"][0].update(
        editorMode="code", range=True, instant=False, legendFormat="__auto", exemplar=False
    ),
    "a query's source that is its panel's": lambda m: m["panels"][0]["targets"][0].update(datasource=SOURCE),
    "options of a number": lambda m: m["panels"][0].update(
        options={
            "colorMode": "value",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    ),
}
OTHER: dict[str, tuple[Callable[[Model], object], str]] = {
    "retitled": (lambda m: m["panels"][0].update(title="Gone"), "retitled"),
    "another kind": (lambda m: m["panels"][0].update(type="gauge"), "shown as: [-stat-]{+gauge+}"),
    "a threshold": (
        lambda m: defaults(m)["thresholds"]["steps"][1].update(value=9),
        "thresholds: green, red from [-5-]{+9+}",
    ),
    "a unit": (lambda m: defaults(m).update(unit="bytes"), "unit: [-s-]{+bytes+}"),
    "an axis from nought": (lambda m: defaults(m, 1).update(min=0), "min: {+0+}"),
    "no decimals": (lambda m: defaults(m, 1).update(decimals=0), "decimals: {+0+}"),
    "what an override sets": (
        lambda m: m["panels"][0]["fieldConfig"]["overrides"][0]["properties"][0].update(id="max"),
        "properties.0.id: [-min-]{+max+}",
    ),
    "a second query": (
        lambda m: m["panels"][0]["targets"].append({"expr": "more", "refId": "B"}),
        "query B: {+more+}",
    ),
    "no source of a query": (
        lambda m: m["panels"][0].update(datasource={"type": "prometheus", "uid": "other"}),
        "datasource.uid",
    ),
    "another variable": (
        lambda m: m["templating"]["list"].append({"name": "host", "query": "hosts"}),
        "variable host, query: {+hosts+}",
    ),
    "one twice": (lambda m: m["panels"].append(m["panels"][0]), "panel stat 'Up': {+added+}"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_grafana_fills_in_is_no_difference(change: Callable[[Model], object]) -> None:
    assert edited(change) == []


@pytest.mark.parametrize(("change", "words"), OTHER.values(), ids=OTHER)
def test_what_is_shown_otherwise_is_said_in_words(change: Callable[[Model], object], words: str) -> None:
    assert any(words in line for line in edited(change)), edited(change)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["panels", "targets", "list", "type", "title", "expr", "steps", "thresholds", "tags", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BOARDS = st.dictionaries(st.sampled_from(["panels", "templating", "title", "tags", "time"]), JSON)


@given(BOARDS, BOARDS)
def test_whatever_grafana_gives_is_compared_and_equals_itself(one: Model, other: Model) -> None:
    assert list(board_differences(one, copy.deepcopy(one))) == []
    assert bool(list(board_differences(one, other))) == bool(list(board_differences(other, one)))


def of(board: Board, shown: Any, saved: str = "") -> list[Drift]:
    return list(board_drifts((board,), LiveDashboards({board.uid: shown}, {board.uid: saved})))


def test_who_saved_it_last_is_said() -> None:
    (drift,) = of(Board("u", "Health", MODEL), {**MODEL, "title": "Mine"}, "by ada at 2026-01-01T00:00:00Z")
    assert "1 difference); last saved by ada at 2026-01-01" in drift.what


@pytest.mark.parametrize(
    ("model", "shown", "words"),
    [
        ("it was not kept", MODEL, "it was not kept"),
        (MODEL, {"title": "x", "elements": {}}, "another schema"),
    ],
    ids=["nothing kept", "another schema"],
)
def test_what_cannot_be_compared_is_never_fine(model: Any, shown: Model, words: str) -> None:
    (drift,) = of(Board("u", "Health", model), shown)
    assert (drift.kind, drift.verdict) == ("unknown", Verdict.INCONCLUSIVE)
    assert words in drift.what


class TestKept:
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        found = ArtifactStore(tmp_path, "production", "r-1")
        keep_board(found, "u", json.dumps(MODEL).encode())
        return found

    def kept(self, store: ArtifactStore, sha256: str | None) -> Any:
        return kept_boards(store, [ActiveDashboard(uid="u", title="Health", sha256=sha256)])["u"]

    def test_it_is_what_was_activated_in_whatever_notation(self, store: ArtifactStore) -> None:
        sha256 = digest_of(store, "u")
        keep_board(store, "u", json.dumps(MODEL, indent=4, sort_keys=True).encode())
        assert self.kept(store, sha256) == MODEL
        assert self.kept(store, None) == MODEL, "registered before its digest was noted"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b'{"title": "x"}', "was changed since"),
            (b"{", "cannot be read"),
            (b"[]", "cannot be read"),
            (None, "it was kept, and is gone"),
        ],
        ids=["changed", "no JSON", "no dashboard", "gone"],
    )
    def test_what_became_of_it_is_said(self, store: ArtifactStore, content: bytes | None, words: str) -> None:
        sha256 = digest_of(store, "u")
        store.remove("dashboards/u.json")
        if content is not None:
            keep_board(store, "u", content)
        assert words in self.kept(store, sha256)

    def test_an_earlier_registration_without_a_digest_is_read(self, tmp_path: Path) -> None:
        boards = [ActiveDashboard.model_validate({"uid": "u", "title": "Health"})]
        ActiveReleases(tmp_path).register(
            release("r-1"), artifacts_uri="file:///a", rules={}, dashboards=boards, at=NOW
        )
        (path,) = tmp_path.rglob("registration.json")
        plain = json.loads(path.read_text())
        for one in plain["dashboards"]:
            one.pop("sha256", None)
        path.write_text(json.dumps(plain))
        assert ActiveReleases(tmp_path).all()[0].dashboards[0].sha256 is None
