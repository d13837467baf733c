"""A started Airflow with the sandbox's servers behind it, in a temporary folder and on free ports."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import requests

from benchmarks.empty_dag import REPOSITORY
from sandbox import ports
from sandbox.layout import Layout
from sandbox.rehearsal import airflow
from sandbox.rehearsal.api import AirflowUser

POLL_SECONDS = 0.5
ATTEMPTS = 20
PATIENCE_SECONDS = 180.0
SQLITE_PATIENCE_SECONDS = 60
"""How long a component waits for SQLite's one writer; with the usual 5 s the scheduler gives up and ends."""
ENDED = ("success", "failed")


@dataclass(frozen=True)
class Stage:
    """Where things are, and the users: ``admin`` for what people may not do, the others as themselves."""

    root: Path
    url: str
    users: dict[str, AirflowUser]

    @property
    def admin(self) -> AirflowUser:
        """The user who may see pools and every task."""
        return self.users["admin"]

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Trigger a run of ``dag_id``."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        for attempt in range(ATTEMPTS):
            answer = self.admin.request("POST", f"/dags/{dag_id}/dagRuns", body)
            if answer.ok or (attempt and answer.status_code == requests.codes.conflict):
                return
            if answer.status_code < 500:
                break
            time.sleep(POLL_SECONDS)  # SQLite was locked
        raise SystemExit(f"Airflow refused {run_id} of {dag_id}: {answer.status_code} {answer.text[:500]}")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what Airflow says of a run."""
        found: dict[str, Any] = self.admin.get(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")
        return found

    def until_ended(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the run when it has ended."""
        wait_until(lambda: self.run(dag_id, run_id)["state"] in ENDED, f"the run {run_id} of {dag_id}")
        return self.run(dag_id, run_id)


def wait_until(done: Callable[[], bool], what: str, patience: float = PATIENCE_SECONDS) -> None:
    """Return when ``done`` says so, and give up after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"Gave up after {patience:.0f} s of waiting for {what}")
        time.sleep(POLL_SECONDS)


@contextmanager
def started(write_dags: Callable[[Path], tuple[str, ...]], *, shop: bool) -> Iterator[Stage]:
    """Start everything, wait until Airflow knows the DAGs, and end it all afterwards.

    Args:
        write_dags: writes DAG files into a folder and returns their DAG ids.
        shop: whether the sandbox's shop runs too.
    """
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        root = Path(temporary)
        dags = root / "dags"
        dags.mkdir()
        dag_ids = write_dags(dags)
        try:
            yield _start(root, dags, dag_ids, shop=shop)
        finally:
            _sandbox(root, "down")


def _start(root: Path, dags: Path, dag_ids: tuple[str, ...], *, shop: bool) -> Stage:
    url = f"http://{ports.HOST}:{ports.choose([airflow.NAME], {})[airflow.NAME]}"
    token = airflow.receiver_token_file(root)
    options = [] if shop else ["--no-shop"]
    _sandbox(root, "up", "--airflow-url", url, "--receiver-token-file", str(token), *options)
    database = Layout.at(root).run / "airflow" / "airflow.db"
    airflow.start(
        root,
        url,
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{database}?timeout={SQLITE_PATIENCE_SECONDS}",
    )
    airflow.wait_until_healthy(root, url)
    known = airflow.passwords(root)
    stage = Stage(root, url, {name: AirflowUser(url, name, known[name]) for name in known})
    for dag_id in dag_ids:
        wait_until(
            lambda dag_id=dag_id: stage.admin.request("GET", f"/dags/{dag_id}").status_code == 200,  # type: ignore[misc]
            f"the DAG {dag_id}",
        )
    return stage


def _sandbox(root: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "sandbox", "--root", str(root), *arguments]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
