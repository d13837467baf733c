"""Whichever way dashboards are activated, their JSON is kept in the release's store."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from release_watch.artifacts.store import ArtifactStore
from release_watch.catalog.config import load_config
from release_watch.dashboards.activation import activate_dashboards
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.models import Dashboard
from release_watch.orchestration.steps import dashboards as step
from release_watch.release import Release
from tests.dashboards.conftest import AT, GrafanaStandIn, OnlyGrafana

RELEASE = Release(
    deployment_id="d-1",
    release_id="r-1",
    version="1.1.0",
    environment="production",
    services=("checkout",),
    deployed_at=AT,
    evidence_uri="file:///evidence",
)


def kept(root: Path, grafana: GrafanaStandIn | None, directory: str | None = None) -> dict[str, Any]:
    config, store = load_config(), ArtifactStore(root, "production", "r-1")
    run: Any = SimpleNamespace(store=store)
    chosen = config.policies.dashboards.model_copy(update={"provisioning_directory": directory})
    policies = config.policies.model_copy(update={"dashboards": chosen})
    keep = partial(step._keep_board, run)
    made = activate_dashboards(boards(), OnlyGrafana(grafana), policies, release=RELEASE, keep=keep)
    step._keep_activated(run, boards(), made)
    return {
        name: json.loads(store.read_bytes(name))
        for name in store.names("dashboards/")
        if name.endswith(".json")
    }


def boards() -> list[Dashboard]:
    return dashboards(RELEASE, load_config().catalog.select(("checkout",)), [])


@pytest.mark.parametrize("way", ["api", "directory", "store"])
def test_every_way_of_activation_keeps_the_json(way: str, tmp_path: Path) -> None:
    directory = str(tmp_path / "provisioning") if way == "directory" else None
    found = kept(tmp_path, GrafanaStandIn() if way == "api" else None, directory)
    assert found == {f"dashboards/{board.uid}.json": board.json_model for board in boards()}


def test_what_grafana_refuses_or_shows_otherwise_is_not_kept_as_activated(tmp_path: Path) -> None:
    grafana = GrafanaStandIn()
    grafana.loses_panels = True
    assert kept(tmp_path, grafana) == {}
