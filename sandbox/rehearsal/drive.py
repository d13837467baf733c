"""``python -m sandbox run``: bring everything up, deploy, trigger, follow, and say how it ended."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.endpoints import read_endpoints
from sandbox.errors import SandboxError
from sandbox.orchestrator.deployment import arm, deploy
from sandbox.orchestrator.scenarios import Scenario
from sandbox.rehearsal import airflow
from sandbox.rehearsal.api import AirflowUser
from sandbox.rehearsal.follow import Follower
from sandbox.rehearsal.people import ScriptedPeople
from sandbox.shop.state import read_state

HISTORY = timedelta(seconds=150)
"""How long the old version must have run: the judge needs something to hold the new one against."""
LIMIT_SECONDS = 15 * 60.0
PEOPLE = ("sre", "oncall", "ops-lead", "tech-lead")


@dataclass(frozen=True)
class Rehearsal:
    """What to rehearse, and how."""

    root: Path
    scenario: Scenario
    baseline_window: str
    review_interval: str
    mode: str
    interactive: bool


def rehearse(plan: Rehearsal, bring_up: Callable[[str, Path], int]) -> int:
    """Run the whole protocol once; returns 0 if it ended as the scenario implies, else 1.

    Args:
        plan: what to rehearse.
        bring_up: starts the sandbox for an Airflow URL and a receiver token file, and returns its exit code.

    Raises:
        SandboxError: if something cannot be started, or the run does not end.
    """
    print(f"Scenario {plan.scenario.name}: {plan.scenario.summary}", flush=True)
    url = _everything_up(plan.root, bring_up)
    passwords = airflow.passwords(plan.root)
    users = {
        name: AirflowUser(url, name, passwords[name]) for name in (*PEOPLE, "release-orchestrator", "reader")
    }
    _wait_for_dag(users["reader"])
    _wait_for_history(plan.root)
    params = deploy(
        plan.root,
        scenario=plan.scenario.name,
        mode=plan.mode,
        baseline_window=plan.baseline_window,
        review_interval=plan.review_interval,
        progress=_say,
    )
    run_id = f"deploy-{params['deployment_id']}"
    answer = users["release-orchestrator"].trigger(run_id, params)
    if answer.status_code >= 400:
        raise SandboxError(f"Airflow refused the run: {answer.status_code} {answer.text[:500]}")
    _say(f"triggered {run_id}: {url}/dags/post_deployment_monitoring/runs/{run_id}")
    if plan.interactive:
        _say(f"answer the questions yourself: {url}/required_actions")
        for name in PEOPLE:
            print(f"      {name} / {passwords[name]}")
    artifacts = _artifacts(plan.root, params)
    people = None if plan.interactive else ScriptedPeople(users, plan.scenario)
    follower = Follower(
        users["reader"], run_id, artifacts, people=people, on_task=_fault_switch(plan, params["version"])
    )
    state = follower.until_the_end(24 * 3600.0 if plan.interactive else LIMIT_SECONDS)
    return _conclude(plan, artifacts, state, url, passwords)


def _everything_up(root: Path, bring_up: Callable[[str, Path], int]) -> str:
    if airflow.is_running(root):
        url = str(read_endpoints(root)["airflow"])
        _say(f"the sandbox is already up; Airflow at {url}")
        airflow.configuration(root)
        airflow.wait_until_healthy(root, url)
        return url
    url = f"http://127.0.0.1:{airflow.choose_port()}"
    if bring_up(url, airflow.receiver_token_file(root)) != 0:
        raise SandboxError("the sandbox did not come up; its messages above say why")
    # The servers are new: nothing that an earlier sandbox activated is there to be watched at night.
    shutil.rmtree(airflow.artifact_root(root) / "registry", ignore_errors=True)
    began = time.monotonic()
    airflow.start(root, url)
    airflow.wait_until_healthy(root, url)
    _say(f"{'airflow':<16} {url:<24} up in {time.monotonic() - began:.1f} s")
    return url


def _wait_for_dag(reader: AirflowUser) -> None:
    for _ in range(120):
        if reader.request("GET", "/dags/post_deployment_monitoring").status_code == 200:
            return
        time.sleep(1)
    errors = reader.get("/importErrors")
    raise SandboxError(f"Airflow does not know the DAG after two minutes: {json.dumps(errors)[:800]}")


def _wait_for_history(root: Path) -> None:
    started = max(datetime.fromisoformat(i.started_at) for i in read_state(root).instances.values())
    left = HISTORY - (datetime.now(UTC) - started)
    if left > timedelta(0):
        _say(f"the old version runs for another {left.total_seconds():.0f} s, to compare the new one with")
        time.sleep(left.total_seconds())


def _fault_switch(plan: Rehearsal, version: str) -> Callable[[str], None]:
    armed: list[str] = []

    def on_task(task_id: str) -> None:
        if task_id == "baseline_window.watch" and not armed:
            armed.append(task_id)
            for fault in arm(plan.root, plan.scenario, "baseline_window", version):
                _say(f"fault switched on: {fault.name} {fault.service or ''} {fault.value or ''}")

    return on_task


def _artifacts(root: Path, params: dict[str, Any]) -> Path:
    return airflow.artifact_root(root) / "monitoring" / params["environment"] / params["release_id"]


def _conclude(plan: Rehearsal, artifacts: Path, state: str, url: str, passwords: dict[str, str]) -> int:
    print()
    scorecard = artifacts / "observability-scorecard.md"
    if scorecard.exists():
        print(scorecard.read_text())
    exit_file = artifacts / "exit-state.json"
    if not exit_file.exists():
        raise SandboxError(f"the run ended {state} without an exit state; look at the task close in {url}")
    ended = json.loads(exit_file.read_text())
    for gate in ended["gates"]:
        print(f"Gate {gate['gate']}: {gate['verdict']} at {gate['decided_at']}")
    print(f"Exit state: {ended['exit_state']} ({ended['reason']})")
    for step in ended["next_steps"]:
        print(f"  Next: {step}")
    print(f"Artifacts:  {artifacts}")
    print(f"Airflow:    {url}  login admin / {passwords['admin']}  (keeps running; end it with `make stop`)")
    expected = plan.scenario.expected_exit_state
    if ended["exit_state"] != expected:
        print(f"NOT AS EXPECTED: the scenario {plan.scenario.name} implies {expected}.")
        return 1
    return 0


def _say(line: str) -> None:
    print(f"  {line}", flush=True)
