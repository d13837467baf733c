"""One whole run of the protocol in a started Airflow, shared by every test of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.endpoints import read_endpoints
from sandbox.layout import REPOSITORY
from sandbox.rehearsal import airflow
from sandbox.rehearsal.api import AirflowUser

RUN_SECONDS = 900


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal that has ended, on servers that still run."""

    root: Path
    output: str
    exit_code: int

    @property
    def release_folder(self) -> Path:
        """The artifacts of the release, as the command printed their folder."""
        line = next(line for line in self.output.splitlines() if line.startswith("Artifacts:"))
        return Path(line.removeprefix("Artifacts:").strip())

    @property
    def url(self) -> str:
        return str(read_endpoints(self.root)["airflow"])

    def user(self, name: str) -> AirflowUser:
        return AirflowUser(self.url, name, airflow.passwords(self.root)[name])

    def read(self, artifact: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.release_folder / artifact).read_text())
        return content

    @property
    def run_id(self) -> str:
        return next(word for word in self.output.split() if word.startswith("deploy-dep-")).rstrip(":")

    def task_logs(self, run_id: str = "") -> str:
        """The logs of every task of a run, by default of the rehearsal's, as one text."""
        logs = self.root / ".sandbox" / "run" / "airflow" / "logs"
        wanted = run_id or self.run_id
        return "\n".join(path.read_text() for path in sorted(logs.rglob("*.log")) if wanted in str(path))


def rehearse(root: Path, scenario: str) -> Rehearsed:
    """Run ``python -m sandbox run`` and return what came of it; Airflow and the servers keep running."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--root", str(root), "run", "--scenario", scenario],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    return Rehearsed(root, done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root of its own; whatever runs in it is ended in any case."""
    root = tmp_path_factory.mktemp("rehearsal")
    try:
        yield root
    finally:
        subprocess.run(
            [sys.executable, "-m", "sandbox", "--root", str(root), "down"], cwd=REPOSITORY, check=False
        )


@pytest.fixture(scope="session")
def healthy(sandbox_home: Path) -> Rehearsed:
    """A healthy release, from its deployment to the handed-over package."""
    return rehearse(sandbox_home, "healthy")
