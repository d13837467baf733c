"""The drift that the scorecard of a run counts: what cannot be looked at is never taken for none."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.registry import ActiveReleases
from release_watch.catalog.config import Config, load_config
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps import drifting
from release_watch.orchestration.steps.assuring import scorecards_before
from release_watch.orchestration.storage import artifact_root
from release_watch.release import Release
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from tests.orchestration.fakes import START

RULES = to_yaml(
    [
        RuleGroup(
            name="symptoms-checkout",
            interval="1m",
            rules=(Rule(alert="Slow", expr="vector(1)", labels={"service": "checkout"}),),
        )
    ]
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Config:
    config = load_config()
    monkeypatch.setattr(ProtocolRun, "config", config)
    return config


def register(release: Release, rules: str = RULES) -> None:
    ActiveReleases(artifact_root()).register(
        release, artifacts_uri="file:///artifacts", rules={"production-shop": rules}, at=START
    )


def test_of_a_release_that_is_not_under_watch_nothing_is_known(run: ProtocolRun) -> None:
    assert drifting.count_drift(run) is None
    assert not run.store.exists(drifting.DRIFT)


def test_servers_that_cannot_be_asked_are_counted_as_unknown_and_never_as_none(run: ProtocolRun) -> None:
    register(run.release)
    found = drifting.count_drift(run)
    assert found is not None
    assert found.by_kind.get("unknown", 0) >= 2
    assert found.behind == drifting.DRIFT
    kept = json.loads(run.store.read_bytes(drifting.DRIFT))
    assert [one["kind"] for one in kept["drifts"]].count("unknown") == found.by_kind["unknown"]
    assert all(one["to_do"] for one in kept["drifts"])


def test_what_was_registered_and_cannot_be_read_stops_no_scorecard(
    run: ProtocolRun, caplog: pytest.LogCaptureFixture
) -> None:
    register(run.release, rules="groups: 7")
    assert drifting.count_drift(run) is None
    assert "Drift is not known" in caplog.text


def test_a_service_that_a_later_release_took_over_is_not_counted_here(run: ProtocolRun) -> None:
    register(run.release)
    later = run.release.model_copy(
        update={"release_id": "shop-1.2.0", "deployed_at": run.release.deployed_at + timedelta(minutes=1)}
    )
    register(later)
    assert drifting.count_drift(run) is None
    assert not ArtifactStore(artifact_root(), "production", later.release_id).exists(drifting.DRIFT)


def test_a_damaged_registration_of_another_release_stops_no_scorecard(run: ProtocolRun) -> None:
    register(run.release)
    other = run.release.model_copy(update={"release_id": "other-1", "services": ("mail",)})
    register(other)
    (file,) = [path for path in Path(artifact_root()).rglob("registration.json") if "other-1" in str(path)]
    file.write_text("{}")
    assert drifting.count_drift(run) is not None
    assert scorecards_before(run) == []
