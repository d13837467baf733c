"""Runs that must not end COMPLETED, on the servers of the healthy one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sandbox.rehearsal import airflow
from tests.e2e.conftest import Rehearsed, rehearse

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1000)]

PATIENCE_SECONDS = 240


def test_a_rejected_plan_aborts_and_nothing_else_runs(healthy: Rehearsed) -> None:
    ended = rehearse(healthy.root, "rejected")
    assert ended.exit_code == 0, ended.output[-3000:]
    assert ended.read("exit-state.json")["exit_state"] == "ABORTED"
    assert "sre" in ended.read("exit-state.json")["reason"]
    assert not (ended.release_folder / "instrumentation-audit.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"unheard_of": 1}, "unheard_of", id="unknown-parameter"),
        pytest.param({"environment": "staging"}, "staging", id="unknown-environment"),
        pytest.param({"services": ["mystery"]}, "mystery", id="unknown-service"),
        pytest.param({"evidence_uri": "file:///nowhere/at/all"}, "evidence_uri", id="no-such-folder"),
        pytest.param(
            {"release_id": "shop-9.9.9-other"}, "shop-9.9.9-other", id="evidence-of-another-release"
        ),
    ],
)
def test_a_bad_request_is_blocked_by_the_first_task(
    healthy: Rehearsed, change: dict[str, object], words: str
) -> None:
    conf = {**_params(healthy), "release_id": f"bad-{time.time_ns()}", **change}
    run_id = f"deploy-bad-{time.time_ns()}"
    user = healthy.user("release-orchestrator")
    assert user.trigger(run_id, conf).status_code == 200
    assert _ended(healthy, run_id) == "failed"
    states = {ti["task_id"]: ti["state"] for ti in user.task_instances(run_id)}
    assert states["plan.accept_request"] == "failed"
    assert "success" not in states.values()
    folder = healthy.root / ".artifacts" / "monitoring" / str(conf["environment"]) / str(conf["release_id"])
    record = json.loads((folder / "exit-state.json").read_text())
    assert record["exit_state"] == "BLOCKED"
    assert words in record["reason"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{"release_id": ', "post-deployment-validation.json", id="half-written"),
        pytest.param("status: passed", "post-deployment-validation.json", id="not-json"),
    ],
)
def test_evidence_that_cannot_be_read_is_blocked(
    healthy: Rehearsed, tmp_path: Path, text: str, words: str
) -> None:
    params = _params(healthy)
    source = Path(str(params["evidence_uri"]).removeprefix("file://"))
    for document in source.glob("*.*"):
        (tmp_path / document.name).write_bytes(document.read_bytes())
    (tmp_path / "post-deployment-validation.json").write_text(text)
    conf = {**params, "release_id": f"bad-{time.time_ns()}", "evidence_uri": tmp_path.as_uri()}
    run_id = f"deploy-bad-{time.time_ns()}"
    assert healthy.user("release-orchestrator").trigger(run_id, conf).status_code == 200
    assert _ended(healthy, run_id) == "failed"
    folder = healthy.root / ".artifacts" / "monitoring" / "production" / str(conf["release_id"])
    record = json.loads((folder / "exit-state.json").read_text())
    assert record["exit_state"] == "BLOCKED"
    assert words in record["reason"]


def test_the_night_over_the_active_release_is_green(healthy: Rehearsed) -> None:
    admin = healthy.user("admin")
    run_id = f"night-{time.time_ns()}"
    answer = admin.request(
        "POST", "/dags/nightly_assurance/dagRuns", {"dag_run_id": run_id, "logical_date": None}
    )
    assert answer.status_code == 200, answer.text
    assert _ended(healthy, run_id, "nightly_assurance") == "success"
    reports = sorted((airflow.artifact_root(healthy.root) / "monitoring" / "nightly").rglob("*.json"))
    night = json.loads(reports[-1].read_text())
    assert [release["release_id"] for release in night["releases"]] == [healthy.release_folder.name]


def _params(healthy: Rehearsed) -> dict[str, object]:
    trail = (healthy.release_folder / "audit-trail.jsonl").read_text().splitlines()
    started = next(entry for entry in map(json.loads, trail) if entry["event"] == "run started")
    params: dict[str, object] = started["release"]
    return params


def _ended(healthy: Rehearsed, run_id: str, dag_id: str = "post_deployment_monitoring") -> str:
    admin = healthy.user("admin")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state = str(admin.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
        if state in ("success", "failed"):
            return state
        time.sleep(2)
    raise AssertionError(f"{run_id} is not over after {PATIENCE_SECONDS} s")
