"""The audit as a command line, over real servers and the shop under load, without a DAG run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from release_watch.artifacts.models import InstrumentationAudit
from release_watch.clock import now, rfc3339
from release_watch.verdict import Verdict
from sandbox.shop import fleet
from sandbox.shop.topology import FIRST_VERSION
from tests.integration.direct import DirectBackends

ROOT = Path(__file__).resolve().parents[2]
DEAD = "http://127.0.0.1:9"
SHOP = ("storefront", "checkout", "payments", "catalogue")


@pytest.fixture(scope="module")
def environment(
    backends: DirectBackends, sandbox_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The connections to the stack, with the shop running on it."""
    home = tmp_path_factory.mktemp("collect-perf")
    policies = {"coverage": {"live_within": "PT15S"}}
    config = shutil.copytree(ROOT / "include" / "config", home / "config")
    (config / "policies.yaml").write_text(yaml.safe_dump(policies))
    urls = {name: backends.transport(name).base_url for name in ("prometheus", "loki", "tempo")}
    fleet.start(sandbox_root, tethered=True)
    try:
        yield {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "include"),
            "AIRFLOW_HOME": str(home / "airflow"),
            "RELEASE_WATCH_CONFIG": str(config),
            "RELEASE_WATCH_ARTIFACT_ROOT": (home / "artifacts").as_uri(),
            **{f"AIRFLOW_CONN_{name.upper()}_DEFAULT": connection(url) for name, url in urls.items()},
        }
    finally:
        fleet.stop(sandbox_root)


def connection(url: str) -> str:
    return json.dumps({"conn_type": "http", "host": url})


def started(environment: dict[str, str], output: Path, version: str) -> subprocess.Popen[str]:
    script = str(ROOT / "scripts" / "collect_perf.py")
    command = [sys.executable, script, "--env", "production", "--audit", "--output", str(output)]
    deployed = rfc3339(now() - timedelta(seconds=30))
    release = ["--release-id", f"shop-{version}", "--version", version, "--deployed-at", deployed]
    return subprocess.Popen(
        [*command, *release],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def read(output: Path) -> InstrumentationAudit:
    return InstrumentationAudit.model_validate_json(output.read_bytes())


def test_a_healthy_shop_exits_0_with_table_json_and_picture(
    environment: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "new" / "audit.json"
    deadline = time.monotonic() + 60
    code = None
    while code != 0 and time.monotonic() < deadline:  # logs and traces arrive seconds after the start
        run = started(environment, output, FIRST_VERSION)
        said, problems = run.communicate(timeout=60)
        code = run.returncode

    assert code == 0, said + problems
    rows = {line.split()[0]: line.split()[3:7] for line in said.splitlines() if line.startswith(SHOP)}
    assert rows == dict.fromkeys(SHOP, ["PASS"] * 4)
    assert read(output).verdict is Verdict.GO
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_another_version_than_the_one_that_runs_exits_1_with_the_fixed_text_and_a_fix(
    environment: dict[str, str], tmp_path: Path
) -> None:
    run = started(environment, tmp_path / "audit.json", "9.9.9")

    said, _ = run.communicate(timeout=60)

    assert run.returncode == 1
    assert "[ERROR] Missing telemetry coverage for critical service: checkout." in said
    assert f"only version {FIRST_VERSION}" in said
    assert "fix       see why 9.9.9 does not send" in said


def test_with_prometheus_down_it_exits_2_names_the_connection_and_writes_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    down = {**environment, "AIRFLOW_CONN_PROMETHEUS_DEFAULT": connection(DEAD)}
    run = started(down, tmp_path / "audit.json", FIRST_VERSION)

    said, problems = run.communicate(timeout=60)

    assert run.returncode == 2
    assert f"{DEAD} did not answer" in problems
    assert "prometheus_default" in problems
    assert said == "[AUTOMATION] collect_perf.py executed: ERROR\n"
    assert list(tmp_path.iterdir()) == []
