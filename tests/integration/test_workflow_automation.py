"""The alert test as a command line, over real servers, with Airflow connections and without a DAG run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.models import AlertTestResults
from release_watch.clock import now
from release_watch.verdict import Verdict
from tests.integration.direct import DirectBackends
from tests.integration.receiving import ReceiptServer

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "workflow_automation.py"
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def environment(
    backends: DirectBackends, sandbox_root: Path, receiver: ReceiptServer, tmp_path: Path
) -> dict[str, str]:
    extra = {"rules_directory": str(backends.rules_directory())}
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "include"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_PROMETHEUS_DEFAULT": connection(backends.prometheus().base_url, extra),
        "AIRFLOW_CONN_ALERTMANAGER_DEFAULT": connection(backends.alertmanager().base_url),
        "RELEASE_WATCH_ARTIFACT_ROOT": str(sandbox_root / "artifacts"),
        "RELEASE_WATCH_AMTOOL": str(backends.amtool()),
        "RELEASE_WATCH_PROMTOOL": str(backends.promtool()),
    }


def connection(url: str, extra: dict[str, Any] | None = None) -> str:
    return json.dumps({"conn_type": "http", "host": url, "extra": extra or {}})


def started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), "--workflow", "alert-test", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "results" / "alert-test-results.json"


def read(output: Path) -> AlertTestResults:
    return AlertTestResults.model_validate_json(output.read_bytes())


def test_drills_that_are_acknowledged_end_with_0(
    environment: dict[str, str], output: Path, receiver: ReceiptServer, backends: DirectBackends
) -> None:
    run = started(environment, "--output", str(output), "--services", "checkout,payments")
    assert run.stdout is not None
    printed = []
    for line in run.stdout:
        printed.append(line)
        if " delivered to " in line:
            receiver.receipts.acknowledge(line.split()[1], "oncall", now())
    assert run.wait() == 0, run.stderr and run.stderr.read()

    assert printed[0] == "Triggering synthetic alerts to confirm notification pathways...\n"
    assert printed[-1] == "[AUTOMATION] workflow_automation.py (alert-test) executed: GO\n"
    results = read(output)
    assert results.verdict is Verdict.GO
    assert {drill.service for drill in results.drills} == {"checkout", "payments"}
    assert {drill.acknowledged_by for drill in results.drills} == {"oncall"}
    assert {file.name for file in output.parent.iterdir()} == {output.name, output.with_suffix(".png").name}
    folder = backends.rules_directory()
    assert folder is not None
    assert not list(folder.glob("release-watch-drill-*"))


def test_a_terminated_alert_test_leaves_no_drill(
    environment: dict[str, str], output: Path, backends: DirectBackends
) -> None:
    run = started(environment, "--output", str(output), "--services", "checkout")
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("Waiting"):
            run.terminate()
    _, err = run.communicate()

    assert run.returncode == 2
    assert "interrupted; the drills are ended and removed" in err
    alerts = backends.alertmanager().request("GET", "/api/v2/alerts", params={"filter": 'drill="true"'})
    assert alerts.body == []
    folder = backends.rules_directory()
    assert folder is not None
    assert not list(folder.glob("release-watch-drill-*"))


def test_drills_that_nobody_acknowledges_end_with_1(environment: dict[str, str], output: Path) -> None:
    run = started(
        environment,
        "--output",
        str(output),
        "--services",
        "checkout",
        "--acknowledge-within",
        "PT3S",
        "--json",
    )
    out, err = run.communicate()

    assert run.returncode == 1
    assert json.loads(out) == json.loads(output.read_text())
    assert read(output).verdict is Verdict.NO_GO
    assert "nobody acknowledged within 3 s" in err
    assert "[ERROR] Synthetic alert did not reach on-call responder." in err


def test_a_server_that_does_not_answer_ends_with_2(environment: dict[str, str], output: Path) -> None:
    environment["AIRFLOW_CONN_ALERTMANAGER_DEFAULT"] = connection(DEAD)

    run = started(environment, "--output", str(output), "--services", "checkout")
    out, err = run.communicate()

    assert run.returncode == 2
    assert "error: " in err
    assert "Traceback" not in err
    assert read(output).verdict is Verdict.ERROR
    assert "executed: ERROR" in out


def test_a_missing_connection_ends_with_2_and_names_it(environment: dict[str, str], output: Path) -> None:
    del environment["AIRFLOW_CONN_ALERTMANAGER_DEFAULT"]

    run = started(environment, "--output", str(output), "--services", "checkout")
    _, err = run.communicate()

    assert run.returncode == 2
    assert "alertmanager_default" in err
    assert "Traceback" not in err
    assert read(output).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--services", "nonsense"], "'nonsense' is not in the catalogue", id="unknown service"),
        pytest.param(["--environment", "mars"], "mars", id="unknown environment"),
        pytest.param(["--release-id", "../x"], "release_id: '../x'", id="a path as release id"),
        pytest.param(["--acknowledge-within", "5"], "not an ISO 8601 duration", id="no duration"),
        pytest.param(["--services", ","], "services", id="no service"),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(
    environment: dict[str, str], output: Path, arguments: list[str], words: str
) -> None:
    run = started(environment, "--output", str(output), *arguments)
    _, err = run.communicate()

    assert run.returncode == 2
    assert words in err
    assert "Traceback" not in err
    assert not output.exists()
