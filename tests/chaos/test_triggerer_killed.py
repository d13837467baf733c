"""A triggerer killed in mid-window: the window ends when it was promised to, and no finding is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from release_watch.clock import now, rfc3339
from sandbox import ports
from sandbox.layout import REPOSITORY
from sandbox.rehearsal.api import DAG_ID, AirflowUser

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RUN_ID = "deploy-d-1"
WINDOW, INTERVAL = timedelta(seconds=40), timedelta(seconds=10)
PATIENCE = timedelta(seconds=120)

DAG = f"""
from airflow.sdk import DAG
from release_watch.orchestration.sensors.window import BaselineWindowSensor

with DAG({DAG_ID!r}, schedule=None, catchup=False):
    BaselineWindowSensor(task_id="watch")
"""


class Prometheus(BaseHTTPRequestHandler):
    """STAND-IN for Prometheus: no samples of anything, and one alert that fires since ``active_at``."""

    active_at = ""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data: dict[str, Any] = {"resultType": "vector", "result": []}
        if self.path.startswith("/api/v1/query_range"):
            data = {"resultType": "matrix", "result": []}
        elif self.path.startswith("/api/v1/alerts"):
            labels = {"alertname": "QueueFull", "service": "payments", "severity": "page"}
            annotations = {"summary": "the queue of payments is full"}
            known = {"labels": labels, "annotations": annotations, "state": "firing"}
            data = {"alerts": [{**known, "activeAt": type(self).active_at, "value": "1"}]}
        body = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the base's names

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class Airflow:
    """A started Airflow whose only task is a baseline window."""

    def __init__(self, root: Path, prometheus: str) -> None:
        self.root = root
        self.url = f"http://{ports.HOST}:{ports.choose(['airflow'], {})['airflow']}"
        self.artifacts = root / "artifacts"
        self._sessions: list[subprocess.Popen[bytes]] = []
        self.environment = self._environment(prometheus)

    def _environment(self, prometheus: str) -> dict[str, str]:
        dags, config = self.root / "dags", self.root / "config"
        dags.mkdir()
        (dags / "window.py").write_text(DAG)
        (self.root / "passwords.json").write_text(json.dumps({"tester": "a-password"}))
        shutil.copytree(REPOSITORY / "include" / "config", config)
        policies = yaml.safe_load((REPOSITORY / "sandbox" / "policies.yaml").read_text())
        policies["baseline"]["extensions"] = 0
        policies["watch"]["poll_interval"] = "PT1S"
        (config / "policies.yaml").write_text(yaml.safe_dump(policies))
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.root),
            "AIRFLOW_HOME": str(self.root / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.root / 'airflow.db'}?timeout=60",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "tester:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.root / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": ports.HOST,
            "AIRFLOW__API__PORT": self.url.rsplit(":", 1)[1],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-test-of-a-killed-triggerer-0123456789abcdef",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # A triggerer that is gone is known to be after three seconds, not thirty.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "3",
            "AIRFLOW_CONN_PROMETHEUS_DEFAULT": json.dumps({"conn_type": "http", "host": prometheus}),
            "RELEASE_WATCH_CONFIG": str(config),
            "RELEASE_WATCH_ARTIFACT_ROOT": self.artifacts.as_uri(),
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{command[0]}-{len(self._sessions)}.log").open("wb") as output:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "airflow"), *command],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.append(process)
        return process

    def end(self) -> None:
        for process in self._sessions:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()

    def healthy(self) -> bool:
        try:
            known = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        return all(known[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))

    def kill_the_triggerer(self) -> None:
        """Kill it and what it forked, at once and without a word."""
        found = []
        for process in psutil.Process(self._sessions[0].pid).children(recursive=True):
            with suppress(psutil.Error):  # it may have ended meanwhile
                if "triggerer" in " ".join(process.cmdline()):
                    found += [*process.children(recursive=True), process]
        for process in found:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        assert found

    def results(self) -> dict[str, Any]:
        path = self.artifacts / "monitoring" / "production" / "shop-1.1.0" / "monitoring-results.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"reviews": [], "findings": []}

    def records(self, end: str) -> list[Path]:
        folder = self.artifacts / "monitoring" / "production" / "shop-1.1.0" / "records"
        return sorted(folder.glob(f"*.{end}.json"))


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Airflow]:
    Prometheus.active_at = rfc3339(now())
    with ThreadingHTTPServer((ports.HOST, 0), Prometheus) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        started = Airflow(tmp_path, f"http://{ports.HOST}:{http.server_address[1]}")
        try:
            started.start("standalone")
            until(started.healthy)
            yield started
        finally:
            started.end()
            http.shutdown()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while not holds():
        assert time.monotonic() < deadline, f"{holds} does not hold after {PATIENCE}"
        time.sleep(0.3)


def test_the_window_ends_as_promised_and_no_finding_is_lost_or_doubled(airflow: Airflow) -> None:
    user = AirflowUser(airflow.url, "tester", "a-password")
    until(lambda: user.request("GET", f"/dags/{DAG_ID}").status_code == requests.codes.ok)
    conf = {
        "deployment_id": "d-1",
        "release_id": "shop-1.1.0",
        "version": "1.1.0",
        "environment": "production",
        "services": ["payments"],
        "deployed_at": rfc3339(datetime.fromisoformat(Prometheus.active_at) - timedelta(seconds=1)),
        "evidence_uri": airflow.root.as_uri(),
        "baseline_window": f"PT{WINDOW.total_seconds():.0f}S",
        "review_interval": f"PT{INTERVAL.total_seconds():.0f}S",
    }
    assert user.trigger(RUN_ID, conf).status_code == requests.codes.ok

    until(lambda: airflow.results()["reviews"] and user.task_instances(RUN_ID)[0]["state"] == "deferred")
    before = airflow.results()
    airflow.kill_the_triggerer()
    airflow.start("triggerer")
    until(lambda: user.run_state(RUN_ID) in ("success", "failed"))

    after = airflow.results()
    (task,) = user.task_instances(RUN_ID)
    (promised,) = [json.loads(path.read_text())["at"] for path in airflow.records("window-end")]
    started = datetime.fromisoformat(before["window"]["start"])
    assert (task["state"], task["try_number"]) == ("success", 1)
    assert before["window"] == after["window"]
    assert (
        datetime.fromisoformat(promised) == started + WINDOW == datetime.fromisoformat(after["window"]["end"])
    )
    assert [one["number"] for one in after["reviews"]] == list(range(1, len(after["reviews"]) + 1))
    assert len(after["reviews"]) > len(before["reviews"])
    assert [datetime.fromisoformat(one["at"]) >= started + WINDOW for one in after["reviews"]].count(
        True
    ) == 1
    known = {one["finding_id"]: one["first_seen"] for one in before["findings"]}
    assert "payments-alert-QueueFull" in known
    assert known.items() <= {one["finding_id"]: one["first_seen"] for one in after["findings"]}.items()
    assert max(Counter(one["finding_id"] for one in after["findings"]).values()) == 1
    assert {one["state"] for one in after["findings"] if one["finding_id"] in known} == {"open"}
