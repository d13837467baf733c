from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from release_watch import texts
from release_watch.artifacts.audit import broken_link
from release_watch.handoff.package import CONTENTS
from release_watch.telemetry.metrics import Prometheus
from sandbox.endpoints import read_endpoints
from sandbox.layout import REPOSITORY
from tests.e2e.conftest import Rehearsed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1000)]

ARTIFACTS = (
    *CONTENTS,
    "monitoring-package-manifest.json",
    "exit-state.json",
    "audit-trail.jsonl",
)
ASSETS = {"monitoring-active", "baseline-established"}


def test_the_run_ends_completed(healthy: Rehearsed) -> None:
    assert healthy.exit_code == 0, healthy.output[-4000:]
    assert healthy.read("exit-state.json")["exit_state"] == "COMPLETED"


@pytest.mark.parametrize("name", ARTIFACTS)
def test_every_artifact_is_there_and_names_the_release(healthy: Rehearsed, name: str) -> None:
    path = healthy.release_folder / name
    assert healthy.release_folder.name in path.read_text()


@pytest.mark.parametrize("name", [name for name in ARTIFACTS if name.endswith(".json")])
def test_every_json_artifact_fits_its_published_schema(healthy: Rehearsed, name: str) -> None:
    schema = REPOSITORY / "docs" / "schemas" / f"{name.removesuffix('.json')}.schema.json"
    jsonschema.validate(healthy.read(name), json.loads(schema.read_text()))


def test_all_four_gates_let_it_pass(healthy: Rehearsed) -> None:
    gates = {gate["gate"]: gate["verdict"] for gate in healthy.read("exit-state.json")["gates"]}
    assert set(gates) == {1, 2, 3, 4}
    assert set(gates.values()) <= {"GO", "WARN"}


def test_the_baseline_is_what_prometheus_answers(healthy: Rehearsed) -> None:
    baseline = healthy.read("baseline-metrics.json")
    start, end = (datetime.fromisoformat(baseline["window"][key]) for key in ("start", "end"))
    prometheus = Prometheus(read_endpoints(healthy.root)["prometheus"])
    compared = 0
    for metric in baseline["metrics"]:
        if not metric["samples"]:
            continue
        frame = prometheus.range(
            metric["query"], start.replace(microsecond=0), end.replace(microsecond=0), timedelta(seconds=2)
        )
        values = pd.Series(frame.iloc[:, 0]).dropna()
        assert len(values) == metric["samples"], metric["metric"]
        assert values.quantile(0.5) == pytest.approx(metric["quantiles"]["0.5"], rel=1e-6), metric["metric"]
        compared += 1
    assert compared >= 12


def test_the_drill_went_the_whole_way(healthy: Rehearsed) -> None:
    results = healthy.read("alert-test-results.json")
    assert results["verdict"] in ("GO", "WARN")
    assert {drill["service"] for drill in results["drills"]} >= {"payments", "checkout", "storefront"}
    pages = [drill for drill in results["drills"] if drill["severity"] == "page"]
    for drill in pages:
        assert drill["acknowledged_by"] == "oncall"
        order = ["fired", "acknowledged", "resolved"]
        times = [datetime.fromisoformat(drill["hops"][hop]["at"]) for hop in order]
        assert times == sorted(times)


@pytest.mark.parametrize(
    "line",
    [
        *texts.PHASE_START.values(),
        *(texts.phase_complete(phase) for phase in texts.PHASE_NAMES),
        texts.VALIDATING_COVERAGE,
        texts.TRIGGERING_ALERTS,
        texts.CORRELATING_ALERTS,
        texts.VALIDATION_REQUEST,
        texts.HANDOFF_CONFIRMATION,
        texts.PROTOCOL_COMPLETE,
    ],
)
def test_the_fixed_texts_stand_in_the_task_logs(healthy: Rehearsed, line: str) -> None:
    assert line in healthy.task_logs()


def test_the_audit_trail_is_sealed(healthy: Rehearsed) -> None:
    assert broken_link((healthy.release_folder / "audit-trail.jsonl").read_text()) is None


def test_the_leads_who_signed_are_two_people(healthy: Rehearsed) -> None:
    record = healthy.read("monitoring-approval-record.json")
    signed = {approval["role"]: approval["responded_by"] for approval in record["approvals"]}
    assert signed == {"sre": "sre", "operations-lead": "ops-lead", "technical-lead": "tech-lead"}


def test_no_secret_is_in_logs_or_artifacts(healthy: Rehearsed) -> None:
    folder = healthy.root / ".sandbox" / "secrets"
    secrets = [(folder / "receiver-token").read_text().strip()]
    secrets += json.loads((folder / "airflow-passwords.json").read_text()).values()
    written = healthy.task_logs() + "".join(
        path.read_text(errors="replace") for path in healthy.release_folder.rglob("*") if path.is_file()
    )
    assert not [secret for secret in secrets if secret in written]


def test_xcom_holds_only_uris_and_verdicts(healthy: Rehearsed) -> None:
    path = f"/dags/post_deployment_monitoring/dagRuns/{healthy.run_id}/taskInstances/~/xcomEntries"
    reader = healthy.user("admin")
    entries = reader.get(path, limit=300)["xcom_entries"]
    own = [entry for entry in entries if entry["key"] == "return_value"]
    assert own
    for entry in own:
        value = reader.get(
            path.replace("~", entry["task_id"]) + "/return_value", map_index=entry["map_index"]
        )["value"]
        assert isinstance(value, str)
        assert "://" in value or value.isidentifier(), (entry["task_id"], value)


def test_the_signals_are_emitted_with_the_release(healthy: Rehearsed) -> None:
    events = healthy.user("reader").get("/assets/events", limit=100)["asset_events"]
    emitted = {
        event["name"]: event["extra"]
        for event in events
        if event["extra"].get("release_id") == healthy.release_folder.name
    }
    assert emitted.keys() >= ASSETS


def test_the_people_were_told_by_mail(healthy: Rehearsed) -> None:
    mails = healthy.root / ".sandbox" / "run" / "mailbox" / "mails"
    closing = [path for path in mails.glob("*.eml") if "COMPLETED: release" in path.read_text()]
    assert closing


def test_the_same_deployment_is_not_watched_twice(healthy: Rehearsed) -> None:
    answer = healthy.user("release-orchestrator").trigger(healthy.run_id, _params(healthy))
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("release_id", "../../etc"),
        ("services", []),
        ("services", ['checkout"} or vector(1)']),
        ("baseline_window", "one day"),
        ("rollback_policy", "maybe"),
        ("deployed_at", "yesterday"),
    ],
    ids=["path", "no-service", "promql", "duration", "policy", "time"],
)
def test_malformed_parameters_are_refused_by_the_api(healthy: Rehearsed, field: str, value: object) -> None:
    conf = {**_params(healthy), field: value}
    answer = healthy.user("release-orchestrator").trigger("deploy-malformed", conf)
    assert answer.status_code == 400
    assert field in answer.text


def test_a_reader_may_not_trigger(healthy: Rehearsed) -> None:
    assert healthy.user("reader").trigger("deploy-reader", _params(healthy)).status_code == 403


def _params(healthy: Rehearsed) -> dict[str, object]:
    started = next(
        json.loads(line)
        for line in (healthy.release_folder / "audit-trail.jsonl").read_text().splitlines()
        if json.loads(line)["event"] == "run started"
    )
    params: dict[str, object] = started["release"]
    return params


def test_artifacts_stay_inside_the_root(healthy: Rehearsed) -> None:
    root = healthy.root / ".artifacts"
    known = {"monitoring", "receipts", "registry", "runbooks", "drill-history", "backlog"}
    known |= {"tuning", "tuning-runs"}
    assert {path.name for path in root.iterdir()} <= known
    assert Path(healthy.release_folder).is_relative_to(root)
