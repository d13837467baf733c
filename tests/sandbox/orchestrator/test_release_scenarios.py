from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.faults import active_faults, clear_faults
from sandbox.orchestrator.__main__ import main
from sandbox.orchestrator.deployment import arm
from sandbox.orchestrator.scenarios import SCENARIOS, UnknownScenarioError, scenario
from sandbox.shop.topology import SHOP


def test_an_unknown_scenario_lists_all() -> None:
    with pytest.raises(UnknownScenarioError) as caught:
        scenario("nonsense")
    assert all(name in str(caught.value) for name in SCENARIOS)


@pytest.mark.parametrize(
    ("name", "exit_state", "rollback_policy"),
    [
        ("healthy", "COMPLETED", "ask"),
        ("latency-regression", "ROLLED_BACK", "auto"),
        ("error-burst", "ROLLED_BACK", "ask"),
        ("memory-leak", "COMPLETED", "auto"),
        ("dependency-down", "COMPLETED", "auto"),
        ("telemetry-gap", "BLOCKED", "ask"),
        ("broken-alert-route", "BLOCKED", "ask"),
        ("validation-failed", "BLOCKED", "ask"),
        ("rejected", "ABORTED", "ask"),
    ],
)
def test_each_scenario_ends_in_its_exit_state(name: str, exit_state: str, rollback_policy: str) -> None:
    entry = scenario(name)
    assert (entry.expected_exit_state, entry.rollback_policy) == (exit_state, rollback_policy)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_fault_of_a_scenario_can_be_set(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.servers.alertmanager.reconfigure_route", lambda *_: None)
    entry = scenario(name)
    for when in ("before_deploy", "after_deploy", "baseline_window"):
        arm(tmp_path, entry, when, "1.1.0")
    assert len(active_faults(tmp_path)) == len(entry.faults)


def test_a_fault_that_comes_with_the_release_ends_with_its_version(tmp_path: Path) -> None:
    arm(tmp_path, scenario("latency-regression"), "baseline_window", "1.3.0")
    assert [fault.version for fault in active_faults(tmp_path)] == ["1.3.0"]
    clear_faults(tmp_path, version="1.3.0")
    assert active_faults(tmp_path) == []


def test_the_dependency_that_goes_down_is_not_released_and_is_called_by_what_is() -> None:
    entry = scenario("dependency-down")
    (fault,) = entry.faults
    assert fault.service not in entry.services
    assert any(fault.service in SHOP[service].calls for service in entry.services)
    assert not fault.comes_with_release


def test_the_command_line_refuses_an_unknown_scenario(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--root", str(tmp_path), "deploy", "--scenario", "nonsense"]) == 2
    assert "telemetry-gap" in capsys.readouterr().err


def test_the_command_line_lists_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SCENARIOS)
