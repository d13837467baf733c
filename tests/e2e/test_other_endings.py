"""Runs that must not end COMPLETED, on the servers of the healthy one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from release_watch.assurance.backlog import entries
from release_watch.assurance.nightly import NightReport
from release_watch.assurance.registry import ActiveReleases
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from sandbox.rehearsal import airflow
from tests.e2e.conftest import Rehearsed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1000)]

PATIENCE_SECONDS = 240


BAD_REQUESTS: dict[str, tuple[dict[str, object], str]] = {
    "unknown-parameter": ({"unheard_of": 1}, "unheard_of"),
    "unknown-environment": ({"environment": "staging"}, "staging"),
    "unknown-service": ({"services": ["mystery"]}, "mystery"),
    "no-such-folder": ({"evidence_uri": "file:///nowhere/at/all"}, "evidence_uri"),
    "evidence-of-another-release": ({}, "belongs to another release"),
    "half-written-evidence": ({"evidence_uri": '{"release_id": '}, "post-deployment-validation.json"),
    "evidence-is-no-json": ({"evidence_uri": "status: passed"}, "post-deployment-validation.json"),
}
"""What is changed in the healthy run's parameters, and a word of the reason.

An ``evidence_uri`` that is no URL is the content of the validation document."""


@pytest.fixture(scope="module")
def bad_runs(healthy: Rehearsed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, str]]:
    """Trigger every bad request at once; return run id, environment and release id by name."""
    user = healthy.user("release-orchestrator")
    triggered = {}
    for name, (change, _) in BAD_REQUESTS.items():
        conf = {**_params(healthy), "release_id": f"bad-{name}", **change}
        if "://" not in str(conf["evidence_uri"]):
            conf["evidence_uri"] = _spoiled(healthy, tmp_path_factory.mktemp(name), str(conf["evidence_uri"]))
        answer = user.trigger(f"deploy-bad-{name}", conf)
        assert answer.status_code == 200, answer.text
        triggered[name] = (f"deploy-bad-{name}", str(conf["environment"]), str(conf["release_id"]))
    return triggered


def _spoiled(healthy: Rehearsed, folder: Path, validation: str) -> str:
    source = Path(str(_params(healthy)["evidence_uri"]).removeprefix("file://"))
    for document in source.glob("*.*"):
        (folder / document.name).write_bytes(document.read_bytes())
    (folder / "post-deployment-validation.json").write_text(validation)
    return folder.as_uri()


@pytest.mark.parametrize("name", list(BAD_REQUESTS))
def test_a_bad_request_is_blocked_by_the_first_task(
    healthy: Rehearsed, bad_runs: dict[str, tuple[str, str, str]], name: str
) -> None:
    run_id, environment, release_id = bad_runs[name]
    assert _ended(healthy, run_id) == "failed"
    states = {ti["task_id"]: ti["state"] for ti in healthy.user("reader").task_instances(run_id)}
    assert states["plan.accept_request"] == "failed"
    assert "success" not in states.values()
    folder = healthy.root / ".artifacts" / "monitoring" / environment / release_id
    record = json.loads((folder / "exit-state.json").read_text())
    assert record["exit_state"] == "BLOCKED"
    assert BAD_REQUESTS[name][1] in record["reason"]


@pytest.fixture
def drifted(healthy: Rehearsed) -> Iterator[str]:
    """A newer release of one service, of whose rules one was edited on the server; returns its id."""
    registry = ActiveReleases(airflow.artifact_root(healthy.root))
    active = registry.all()[0]
    name, text = next(iter(active.rules.items()))
    groups = [group for group in from_yaml(text) if group.services == {"catalogue"}]
    activated = [_with_hold(group, "59m") for group in groups]
    release = active.release.model_copy(
        update={
            "release_id": "drifted",
            "services": ("catalogue",),
            "deployed_at": active.release.deployed_at + timedelta(seconds=1),
        }
    )
    registry.register(
        release,
        artifacts_uri=active.artifacts_uri,
        rules={name: to_yaml(activated)},
        dashboards=active.dashboards,
        endpoints={"catalogue": active.endpoints.get("catalogue", ())},
        at=datetime.now(UTC),
    )
    yield release.release_id
    registry.retire(release.environment, release.release_id, reason="the test is over", at=datetime.now(UTC))


def test_a_night_with_drift_in_one_of_two_releases_is_red_and_names_it(
    healthy: Rehearsed, drifted: str
) -> None:
    admin = healthy.user("admin")
    run_id = f"night-{time.time_ns()}"
    answer = admin.request(
        "POST", "/dags/nightly_assurance/dagRuns", {"dag_run_id": run_id, "logical_date": None}
    )
    assert answer.status_code == 200, answer.text
    assert _ended(healthy, run_id, "nightly_assurance") == "failed"
    root = airflow.artifact_root(healthy.root)
    # Starting Airflow may have run the night of yesterday too.
    report = max((root / "monitoring" / "nightly").rglob("assurance-report.json"))
    night = NightReport.model_validate_json(report.read_text())
    waits = {release.release_id: release.needs_person for release in night.releases}
    assert waits == {healthy.release_folder.name: False, drifted: True}
    line = next(line for line in night.lines if line.startswith(drifted))
    assert "a person must act" in line
    assert "activated was for: 3540 s" in line
    assert json.dumps(line, ensure_ascii=False).strip('"') in healthy.task_logs(run_id)
    cards = {path.name for path in report.parent.rglob("scorecards/production/*.json")}
    assert cards == {f"{release_id}.json" for release_id in waits}
    backlog = (root / "backlog" / "production" / "improvement-backlog.md").read_text()
    assert any(e.state == "open" and e.fields["kind"] == "drift" for e in entries(backlog))


def _with_hold(group: RuleGroup, hold: str) -> RuleGroup:
    rules = (rule.model_copy(update={"hold": hold}) if rule.alert else rule for rule in group.rules)
    return group.model_copy(update={"rules": tuple(rules)})


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
