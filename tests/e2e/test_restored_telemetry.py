"""A release whose telemetry has a gap: Phase 1 waits, says so, and goes on by itself once the gap is closed.

On the servers of the healthy release, with a release of its own after it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release_watch import texts
from sandbox.faults import clear_faults
from sandbox.orchestrator.deployment import deploy
from sandbox.orchestrator.scenarios import scenario
from sandbox.rehearsal import airflow
from sandbox.rehearsal.api import DAG_ID, AirflowUser
from sandbox.rehearsal.people import ScriptedPeople
from tests.e2e.conftest import Rehearsed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PATIENCE_SECONDS = 180
GATE = "phase_1_instrumentation.gate_1"


@dataclass(frozen=True)
class Restored:
    """What was seen of the release: the audit at the gap, and the tasks and the audit once it was closed."""

    gap: dict[str, Any]
    closed: dict[str, Any]
    states: dict[str, str]
    escalation: str


@pytest.fixture(scope="module")
def restored(healthy: Rehearsed) -> Iterator[Restored]:
    """Deploy a payments that sends neither logs nor traces, and mend it when Phase 1 waits for it."""
    params = deploy(healthy.root, scenario="telemetry-gap")
    run_id = f"deploy-{params['deployment_id']}"
    answer = healthy.user("release-orchestrator").trigger(run_id, params)
    assert answer.status_code == 200, answer.text
    folder = airflow.artifact_root(healthy.root) / "monitoring" / params["environment"] / params["release_id"]
    run = _Run(healthy, run_id, folder)
    try:
        run.until(f"{GATE}.await_remediation", ("deferred",))
        gap = run.audit()
        clear_faults(healthy.root)
        states = run.until(f"{GATE}.join", ("success",))
        yield Restored(gap, run.audit(), states, run.log("escalate"))
    finally:
        run.end()


class _Run:
    """One run, followed until a task is where it should be."""

    def __init__(self, rehearsed: Rehearsed, run_id: str, folder: Path) -> None:
        self._admin = rehearsed.user("admin")
        self._run_id = run_id
        self._folder = folder
        self._logs = rehearsed.root / ".sandbox" / "run" / "airflow" / "logs"
        users: dict[str, AirflowUser] = {"sre": rehearsed.user("sre")}
        self._people = ScriptedPeople(users, scenario("telemetry-gap"))

    def until(self, task_id: str, wanted: tuple[str, ...]) -> dict[str, str]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._people.answer_pending(self._run_id, self._admin)
            states = {ti["task_id"]: str(ti["state"]) for ti in self._admin.task_instances(self._run_id)}
            if states.get(task_id) in wanted:
                return states
            assert "failed" not in states.values(), states
            time.sleep(1)
        raise AssertionError(f"{task_id} is {states.get(task_id)} after {PATIENCE_SECONDS} s: {states}")

    def audit(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self._folder / "instrumentation-audit.json").read_text())
        return content

    def log(self, task: str) -> str:
        found = [
            path
            for path in self._logs.rglob("*.log")
            if self._run_id in str(path) and f"{GATE}.{task}" in str(path)
        ]
        return "\n".join(path.read_text() for path in sorted(found))

    def end(self) -> None:
        self._admin.request("PATCH", f"/dags/{DAG_ID}/dagRuns/{self._run_id}", {"state": "failed"})


def _statuses(audit: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (service["service"], signal): found["status"]
        for service in audit["services"]
        for signal, found in service["signals"].items()
    }


def test_the_gap_is_found_and_nothing_else(restored: Restored) -> None:
    gaps = {key for key, status in _statuses(restored.gap).items() if status != "PASS"}
    assert gaps == {("payments", "logs"), ("payments", "traces")}


def test_the_gap_is_escalated_in_the_protocols_words(restored: Restored) -> None:
    assert texts.coverage_missing("payments") in restored.escalation


def test_phase_1_goes_on_by_itself_once_the_signals_are_back(restored: Restored) -> None:
    assert restored.states[f"{GATE}.await_remediation"] == "success"
    assert set(_statuses(restored.closed).values()) == {"PASS"}
