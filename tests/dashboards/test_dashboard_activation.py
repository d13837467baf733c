"""Where dashboards go, against a stand-in for Grafana's API that refuses what the documentation refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from release_watch.catalog.policies import DashboardsPolicy, Policies
from release_watch.dashboards.activation import activate_dashboards, annotate_deployment
from release_watch.dashboards.grafana import canonical, same_dashboard
from release_watch.dashboards.grafana_api import Grafana
from release_watch.dashboards.models import Dashboard
from release_watch.release import Release
from release_watch.verdict import Verdict
from tests.dashboards.conftest import GrafanaStandIn, OnlyGrafana


def test_dashboards_are_uploaded_into_the_folder_and_read_back(
    built: list[Dashboard], grafana: GrafanaStandIn, release: Release
) -> None:
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies(), release=release)
    assert {one.verdict for one in made} == {Verdict.GO}
    assert list(grafana.folders.values()) == ["Release Watch"]
    assert made[0].url == f"https://grafana.example/d/{built[0].uid}/slug"
    assert set(grafana.stored) == {one.uid for one in built}
    assert set(grafana.messages) == {"Release Watch: r-1, version 1.1.0"}


def test_the_folder_is_made_once_and_dashboards_replaced(
    built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    for _ in range(2):
        made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {one.verdict for one in made} == {Verdict.GO}
    assert grafana.calls.count(("POST", "/api/folders")) == 1
    assert len(grafana.stored) == len(built)


def test_a_folder_of_that_name_is_used_again(built: list[Dashboard], grafana: GrafanaStandIn) -> None:
    grafana.folders["made-by-hand"] = "Release Watch"
    activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {folder for folder, _ in grafana.stored.values()} == {"made-by-hand"}


def test_a_folder_that_another_run_makes_at_the_same_time_is_used(
    built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    grafana.somebody_is_faster = True
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {one.verdict for one in made} == {Verdict.GO}


@pytest.mark.parametrize(
    ("fault", "words"),
    [("loses_panels", "another dashboard"), ("moves_to_the_root", "at the root")],
)
def test_a_dashboard_that_comes_back_otherwise_is_an_error(
    fault: str, words: str, built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    setattr(grafana, fault, True)
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {(one.activated, one.verdict) for one in made} == {(False, Verdict.ERROR)}
    assert words in made[0].reason


@pytest.mark.parametrize("path", ["/api/folders", "/api/dashboards/db"])
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"message": "Cannot save provisioned dashboard"}, "provisioned from files"),
        (401, {"message": "Invalid API key"}, "service account"),
        (403, {"message": "You'll need additional permissions"}, "role Editor"),
        (404, "<html>no such page</html>", "check the address"),
        (409, {"message": "already exists"}, "run this again"),
        (412, {"message": "changed by someone else", "status": "version-mismatch"}, "version-mismatch"),
    ],
)
def test_a_refusal_is_an_error_in_grafanas_words_and_says_what_to_do(
    path: str, status: int, body: object, words: str, built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    grafana.refuses, grafana.refused_path = (status, body), path
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {(one.activated, one.verdict) for one in made} == {(False, Verdict.ERROR)}
    said = body["message"] if isinstance(body, dict) else body
    assert str(said)[:20] in made[0].reason
    assert words in made[0].reason


def test_the_stand_in_refuses_what_grafana_refuses(built: list[Dashboard], grafana: GrafanaStandIn) -> None:
    plain = built[0].json_model
    bad = [
        {"dashboard": {**plain, "uid": "u" * 41}},
        {"dashboard": {**plain, "title": ""}},
        {"dashboard": plain, "folderUid": "unknown"},
        {"dashboard": {**plain, "id": 3}},
    ]
    statuses = [grafana.request("POST", "/api/dashboards/db", json=one).status for one in bad]
    assert statuses == [400, 400, 404, 404]
    twice = [grafana.request("POST", "/api/dashboards/db", json={"dashboard": plain}) for _ in range(2)]
    assert [(one.status, one.body["status"]) for one in twice] == [(200, "success"), (412, "name-exists")]


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("https://g.example", "/d/u/slug", "https://g.example/d/u/slug"),
        ("https://g.example/grafana", "/grafana/d/u/slug", "https://g.example/grafana/d/u/slug"),
        ("https://g.example/grafana", "/d/u/slug", "https://g.example/grafana/d/u/slug"),
    ],
    ids=["root", "sub-path in both", "sub-path in the address"],
)
def test_links_are_right_under_a_sub_path(
    address: str,
    path: str,
    url: str,
    built: list[Dashboard],
    grafana: GrafanaStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grafana, "base_url", address)
    store = grafana._store
    monkeypatch.setattr(
        grafana, "_store", lambda json: (a := store(json))._replace(body={**a.body, "url": path})
    )
    grafana.folders["f"] = "F"
    assert Grafana(grafana).upload(built[0], "f", "m") == url


def test_without_grafana_files_and_their_provider_are_written_and_marked_as_not_activated(
    built: list[Dashboard], tmp_path: Path
) -> None:
    policies = Policies(dashboards=DashboardsPolicy(provisioning_directory=str(tmp_path)))
    made = activate_dashboards(built, OnlyGrafana(None), policies)
    for one, dashboard in zip(made, built, strict=True):
        assert (one.activated, one.verdict) == (False, Verdict.WARN)
        assert "grafana_default" in one.reason
        assert json.loads(Path(str(one.file)).read_text()) == dashboard.json_model
    (provider,) = yaml.safe_load((tmp_path / "release-watch.yaml").read_text())["providers"]
    assert (provider["folder"], provider["options"]["path"]) == ("Release Watch", str(tmp_path))


def test_without_grafana_and_folder_the_files_are_kept_where_the_caller_says(built: list[Dashboard]) -> None:
    kept: dict[str, bytes] = {}

    def keep(name: str, content: bytes) -> str:
        kept[name] = content
        return f"s3://bucket/{name}"

    made = activate_dashboards(built, OnlyGrafana(None), Policies(), keep=keep)
    assert [one.file for one in made] == [f"s3://bucket/{one.uid}.json" for one in built]
    assert set(kept) == {"release-watch.yaml", *(f"{one.uid}.json" for one in built)}
    assert not any(one.activated for one in made)


def test_without_grafana_and_folder_the_reason_names_both_settings(built: list[Dashboard]) -> None:
    made = activate_dashboards(built, OnlyGrafana(None), Policies())
    assert made[0].file is None
    assert "grafana_default" in made[0].reason
    assert "provisioning_directory" in made[0].reason


def test_a_deployment_is_marked_once(release: Release, grafana: GrafanaStandIn) -> None:
    for _ in range(2):
        annotate_deployment(release, grafana)
    (mark,) = grafana.annotations
    assert mark["time"] == release.deployed_at.timestamp() * 1000
    assert mark["tags"] == ["release-watch", "deployment", "production", "r-1"]


def test_a_deployment_that_cannot_be_marked_leaves_the_dashboards_in_place_and_says_so(
    built: list[Dashboard], grafana: GrafanaStandIn, release: Release
) -> None:
    grafana.refuses, grafana.refused_path = (403, {"message": "no"}), "/api/annotations"
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies(), release=release)
    assert {one.verdict for one in made} == {Verdict.GO}
    assert "the deployment is not marked: Grafana: GET /api/annotations answered 403" in made[0].reason


def test_what_grafana_rewrites_is_no_difference_and_all_else_is(built: list[Dashboard]) -> None:
    given = built[0].json_model
    rewritten = {**dict(reversed(given.items())), "id": 3, "version": 9, "schemaVersion": 40}
    assert canonical(rewritten) == canonical(given)
    assert same_dashboard(rewritten, given)
    assert not same_dashboard({**given, "title": "another"}, given)
