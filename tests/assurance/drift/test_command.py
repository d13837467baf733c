"""``python -m release_watch.assurance drift``: what is printed, kept, and returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from release_watch.assurance import __main__ as command
from release_watch.assurance.drift.command import Connected
from release_watch.assurance.registry import ActiveReleases
from release_watch.errors import BackendError
from release_watch.telemetry.backends import RuleExtra
from release_watch.transport import Answer
from tests.assurance.drift.test_around import RULES
from tests.assurance.fakes import NOW, FakeBackends, FakeMetrics, FakeServer, release

LIVE = {
    "name": "service-checkout",
    "file": "/etc/release-watch-r-1.yaml",
    "interval": 60,
    "rules": [
        {
            "type": "alerting",
            "name": "Errors",
            "query": 'sum(rate(errors_total{code="500",job="shop"}[30d])) > 1',
            "duration": 300,
            "labels": {"severity": "page", "service": "checkout"},
            "health": "ok",
        }
    ],
}
CONFIG = "global: {evaluation_interval: 1m}\nalerting: {alertmanagers: [{}]}"


class World(FakeBackends):
    def rule_extra(self) -> RuleExtra:
        return RuleExtra("prometheus_default", None, Path("/etc"))


def prometheus(group: dict[str, Any]) -> FakeServer:
    answers = {
        "/api/v1/rules": {"groups": [group]},
        "/api/v1/status/config": {"yaml": CONFIG},
        "/api/v1/status/runtimeinfo": {"reloadConfigSuccess": True, "storageRetention": "45d"},
        "/api/v1/targets": {"activeTargets": [], "droppedTargets": []},
    }
    return FakeServer(
        {path: Answer(200, {"status": "success", "data": data}) for path, data in answers.items()}
    )


@pytest.fixture
def drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    registry = ActiveReleases(tmp_path)
    registry.register(release("r-1", "checkout"), artifacts_uri="file:///a", rules={"r-1": RULES}, at=NOW)
    monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)

    def run(*arguments: str, server: FakeServer | None = None) -> int:
        backends = World(FakeMetrics(), prometheus=server or prometheus(LIVE))
        monkeypatch.setattr(command, "connected", lambda _: Connected(backends, tmp_path))
        return command.main(["drift", "--environment", "production", *arguments])

    return run


def drifts(text: str) -> list[dict[str, Any]]:
    (found,) = json.loads(text)["releases"]
    return list(found["drifts"])


def test_what_could_not_be_looked_at_is_not_fine(drift: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift("--json") == 1
    assert [(one["kind"], one["verdict"]) for one in drifts(capsys.readouterr().out)] == [
        ("unknown", "INCONCLUSIVE")
    ], "the rules are as they were; no Alertmanager is connected"


def test_an_edit_is_told_with_its_owner_and_what_to_do(
    drift: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = {**LIVE, "rules": [{**LIVE["rules"][0], "duration": 600}]}  # type: ignore[index, dict-item]
    assert drift(server=prometheus(edited)) == 1
    out = capsys.readouterr().out
    assert "r-1 (production): 1 rules, 2 drifts" in out
    assert "NO_GO  edited: alert service-checkout/Errors" in out
    assert "for: [-300-]{+600+} s" in out
    assert "owner: " in out and "do: " in out


def test_an_alert_that_was_told_to_fire_on_is_edited(drift: Any, capsys: pytest.CaptureFixture[str]) -> None:
    edited = {**LIVE, "rules": [{**LIVE["rules"][0], "keepFiringFor": 3600}]}  # type: ignore[index, dict-item]
    assert drift(server=prometheus(edited)) == 1
    assert "keep_firing_for: [-0-]{+3600+} s" in capsys.readouterr().out


def test_since_is_kept_in_the_file(drift: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "seen.json"
    drift("--json", "--seen", str(file))
    first = drifts(capsys.readouterr().out)[0]["since"]
    assert first
    drift("--json", "--seen", str(file))
    assert drifts(capsys.readouterr().out)[0]["since"] == first
    file.write_text("[]")
    assert drift("--seen", str(file)) == 2


def test_drift_is_told_also_if_the_file_cannot_be_written(
    drift: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert drift("--seen", str(tmp_path / "file" / "seen.json")) == 2
    found = capsys.readouterr()
    assert "r-1 (production): 1 rules, 1 drift" in found.out
    assert "seen.json" in found.err or "file" in found.err


def test_the_same_rule_loaded_thrice_is_two_drifts_with_keys_of_their_own(
    drift: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    thrice = {**LIVE, "rules": 3 * LIVE["rules"]}  # type: ignore[operator, dict-item]
    assert drift("--json", server=prometheus(thrice)) == 1
    keys = [one["key"] for one in drifts(capsys.readouterr().out) if one["kind"] == "extra"]
    assert len(keys) == len(set(keys)) == 2


def test_a_prometheus_that_is_away_hides_nothing(drift: Any, capsys: pytest.CaptureFixture[str]) -> None:
    error = BackendError("Prometheus", "did not answer")
    paths = ("/api/v1/rules", "/api/v1/status/config", "/api/v1/status/runtimeinfo", "/api/v1/targets")
    assert drift("--json", server=FakeServer(dict.fromkeys(paths, error))) == 1
    assert [one["kind"] for one in drifts(capsys.readouterr().out)] == ["unknown"] * 3


@pytest.mark.parametrize(
    "arguments", [("--release", "r-9"), ("--environment", "moon")], ids=["release", "environment"]
)
def test_what_is_not_there_is_said_with_what_is(
    arguments: tuple[str, ...], drift: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drift(*arguments) == 2
    assert "known are" in capsys.readouterr().err
