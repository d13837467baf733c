"""Where dashboards go, against a stand-in for Grafana's API."""

from __future__ import annotations

import json
from pathlib import Path

from release_watch.catalog.policies import DashboardsPolicy, Policies
from release_watch.dashboards.activation import activate_dashboards, annotate_deployment
from release_watch.dashboards.models import Dashboard
from release_watch.release import Release
from release_watch.verdict import Verdict
from tests.dashboards.conftest import GrafanaStandIn, OnlyGrafana


def test_dashboards_are_uploaded_into_the_folder_and_read_back(
    built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {one.verdict for one in made} == {Verdict.GO}
    assert list(grafana.folders.values()) == ["Release Watch"]
    assert made[0].url == f"https://grafana.example/d/{built[0].uid}/slug"
    assert set(grafana.stored) == {one.uid for one in built}


def test_a_folder_of_that_name_is_used_again(built: list[Dashboard], grafana: GrafanaStandIn) -> None:
    grafana.folders["made-by-hand"] = "Release Watch"
    activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {folder for folder, _ in grafana.stored.values()} == {"made-by-hand"}


def test_a_dashboard_that_comes_back_changed_is_an_error(
    built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    grafana.loses_panels = True
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {(one.activated, one.verdict) for one in made} == {(False, Verdict.ERROR)}


def test_a_refusal_is_an_error_in_grafanas_words(built: list[Dashboard], grafana: GrafanaStandIn) -> None:
    grafana.refuses = True
    made = activate_dashboards(built, OnlyGrafana(grafana), Policies())
    assert {one.verdict for one in made} == {Verdict.ERROR}
    assert "additional permissions" in made[0].reason


def test_without_grafana_files_are_written_and_marked_as_not_activated(
    built: list[Dashboard], tmp_path: Path
) -> None:
    policies = Policies(dashboards=DashboardsPolicy(provisioning_directory=str(tmp_path)))
    made = activate_dashboards(built, OnlyGrafana(None), policies)
    for one, dashboard in zip(made, built, strict=True):
        assert (one.activated, one.verdict) == (False, Verdict.WARN)
        assert "grafana_default" in one.reason
        assert json.loads((tmp_path / f"{one.uid}.json").read_text()) == dashboard.json_model


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
