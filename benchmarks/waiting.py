"""What hundreds of runs cost while they wait in the baseline window: worker slots, pool slots, memory."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.stage import Stage, started, wait_until
from sandbox import processes
from sandbox.layout import Layout
from sandbox.rehearsal import airflow

NAME = "window"
SUMMARY = "hundreds of runs that wait in the baseline window at the same time"
DAG_ID = "baseline_window_alone"
SETTLE_SECONDS = 30
AT_A_TIME = 10
"""How many runs are triggered before the next are: SQLite has one writer."""

DAG_FILE = f'''\
"""The baseline window alone, with the params and the sensor of post_deployment_monitoring."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from release_watch.orchestration.defaults import ACTIVE_RUNS, RUN_TIMEOUT, TASK_DEFAULTS
from release_watch.orchestration.sensors.window import BaselineWindowSensor
from release_watch.release import PARAM_SCHEMAS

with DAG(
    "{DAG_ID}",
    schedule=None,
    catchup=False,
    max_active_runs=ACTIVE_RUNS,
    max_active_tasks=ACTIVE_RUNS,
    dagrun_timeout=RUN_TIMEOUT,
    default_args=TASK_DEFAULTS,
) as dag:
    BaselineWindowSensor(task_id="watch")
    dag.params.update({{name: Param(**schema) for name, schema in PARAM_SCHEMAS.items()}})
'''


def write_dags(folder: Path) -> tuple[str, ...]:
    """Write the DAG of this measurement into ``folder`` and return its id."""
    (folder / f"{DAG_ID}.py").write_text(DAG_FILE)
    return (DAG_ID,)


def params(number: int) -> dict[str, Any]:
    """Return the params of one release that is watched for a day."""
    return {
        "deployment_id": f"bench-{number}",
        "release_id": f"bench-{number}",
        "version": "1.0.0",
        "environment": "production",
        "services": ["checkout"],
        "deployed_at": datetime.now(UTC).isoformat(),
        "evidence_uri": "file:///nowhere",
        "baseline_window": "P1D",
        "review_interval": "PT1H",
    }


def tasks_in(stage: Stage, state: str) -> int:
    """Return the number of task instances in ``state``, over all runs."""
    path = f"/dags/{DAG_ID}/dagRuns/~/taskInstances"
    return int(stage.admin.get(path, state=state, limit=1)["total_entries"])


def triggerer(root: Path) -> list[psutil.Process]:
    """Return the triggerer's processes: the one that supervises, and the one that runs the triggers."""
    records = processes.read_records(Layout.at(root).processes)
    (standalone,) = (record.pid for record in records if record.name == airflow.NAME)
    found = [process for process in psutil.Process(standalone).children() if _is_triggerer(process)]
    if len(found) != 1:
        raise SystemExit(f"Among the processes of this Airflow are {len(found)} triggerers; one was expected")
    return [*found, *found[0].children(recursive=True)]


def _is_triggerer(process: psutil.Process) -> bool:
    try:
        return "triggerer" in " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return False


def sample(stage: Stage, waiting: int) -> dict[str, Any]:
    """Return what Airflow holds while ``waiting`` runs wait, after it has come to rest."""
    time.sleep(SETTLE_SECONDS)
    of_triggerer = triggerer(stage.root)
    before = _cpu_seconds(of_triggerer)
    time.sleep(SETTLE_SECONDS)
    pool = stage.admin.get("/pools/default_pool")
    return {
        "waiting_runs": waiting,
        "running_tasks": tasks_in(stage, "running"),
        "queued_tasks": tasks_in(stage, "queued"),
        "deferred_tasks": tasks_in(stage, "deferred"),
        "pool_slots_used": pool["occupied_slots"],
        "triggerer_resident_mb": round(sum(p.memory_info().rss for p in of_triggerer) / 1e6, 1),
        "triggerer_memory_mb": round(sum(_memory(p) for p in of_triggerer) / 1e6, 1),
        "triggerer_cpu_percent": round(100 * (_cpu_seconds(of_triggerer) - before) / SETTLE_SECONDS, 1),
    }


def _memory(process: psutil.Process) -> int:
    """Return bytes; what processes share is split between them where the system tells, else counted twice."""
    return int(getattr(process.memory_full_info(), "pss", process.memory_info().rss))


def _cpu_seconds(of: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in of)


def _begin(stage: Stage, begun: int, target: int) -> int:
    """Trigger runs until there are ``target``, wait until all of them wait, and return their number."""
    for number in range(begun, target):
        stage.trigger(DAG_ID, f"bench-{number}", params(number))
    wait_until(lambda: tasks_in(stage, "deferred") == target, f"{target} waiting runs")
    return target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--runs", type=int, default=200, help="how many runs wait in the end (default: 200)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return samples at no waiting run, at half of them and at all."""
    samples, begun = [], 0
    with started(write_dags, shop=False) as stage:
        samples.append(sample(stage, 0))
        for target in (options.runs // 2, options.runs):
            while begun < target:
                begun = _begin(stage, begun, min(begun + AT_A_TIME, target))
            samples.append(sample(stage, target))
    return {"samples": samples}


def table(result: Mapping[str, Any]) -> str:
    """Return the samples as a Markdown table."""
    lines = [
        "| waiting runs | tasks running | tasks queued | tasks deferred | pool slots used "
        "| triggerer's memory, MB | its resident sizes added up, MB | its CPU, % of a core |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {s['waiting_runs']} | **{s['running_tasks']}** | {s['queued_tasks']} | {s['deferred_tasks']} "
        f"| {s['pool_slots_used']} | {s['triggerer_memory_mb']:.0f} | {s['triggerer_resident_mb']:.0f} "
        f"| {s['triggerer_cpu_percent']:.1f} |"
        for s in result["samples"]
    ]
    return "\n".join(lines)
