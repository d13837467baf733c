"""What one whole run takes, against as many EmptyOperators on the same Airflow, and where the rest goes."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.empty_dag import REPOSITORY, SUFFIX, write_empty_dag
from benchmarks.parse import environment
from benchmarks.stage import Stage, started
from sandbox.orchestrator.deployment import deploy
from sandbox.orchestrator.scenarios import scenario
from sandbox.rehearsal import airflow
from sandbox.rehearsal.api import DAG_ID
from sandbox.rehearsal.drive import HISTORY
from sandbox.rehearsal.follow import Follower
from sandbox.rehearsal.people import THINKING_SECONDS, ScriptedPeople
from sandbox.shop.state import read_state

NAME = "run"
SUMMARY = "one whole run against a run of as many EmptyOperators on the same Airflow"
WINDOW_SECONDS = 70
"""The shortest baseline window that convinces: the sandbox's policies ask for 30 samples, one each 2 s."""
LIMIT_SECONDS = 900.0

SERVERS = frozenset({
    "validation_passed", "feature_flags_active", "audit_coverage", "capture_snapshot", "activate_rules",
    "activate_dashboards", "fire_drill", "conclude_drill", "establish_baseline", "correlate_incidents",
    "publish_scorecard", "notify_downstream",
})  # fmt: skip
"""The tasks that mostly ask servers, or wait until these have done what was asked."""
PARSED = "Worker startup parse complete"
"""What Airflow logs in a task's process when it has parsed the DAG file, just before our code runs."""
TRIVIAL = frozenset({"branch", "join", "decide", "delivered", "choose_response"})
"""The tasks that do next to nothing: what they take is what Airflow takes for a task in a worker."""

GATES, ASKING, CODE = "Great Expectations: four gates", "servers", "our other tasks"
PEOPLE, WINDOW, BETWEEN = "people", "baseline window", "Airflow, between tasks"
MEANING = {
    GATES: "the tasks `evaluate`: mostly the import of Great Expectations, in a process of its own each time",
    ASKING: "tasks that query servers or wait for them: rules loaded and read back, dashboards, the drill "
    "delivered and resolved, coverage, baselines",
    CODE: "all other tasks in a worker, with the start of their processes",
    BETWEEN: "scheduling, queueing, parking and resuming: no task of the run is in a worker",
    PEOPLE: f"questions open; the scripted people wait {THINKING_SECONDS:.0f} s before they answer",
    WINDOW: f"{WINDOW_SECONDS} s, the shortest that gives a baseline enough samples here",
}
WAITS = (PEOPLE, WINDOW)

Span = tuple[float, float]


def write_dags(folder: Path) -> tuple[str, ...]:
    """Write the protocol's DAG file and its yardstick into ``folder`` and return their DAG ids."""
    dag_file = REPOSITORY / "dags" / f"{DAG_ID}.py"
    shutil.copy(dag_file, folder)
    write_empty_dag(dag_file, folder, environment(folder.parent / "reading", plugins=False))
    return DAG_ID, f"{DAG_ID}{SUFFIX}"


def whole_run(stage: Stage) -> str:
    """Deploy a release of the shop, follow its run to the end and return the run's id."""
    began = max(datetime.fromisoformat(i.started_at) for i in read_state(stage.root).instances.values())
    time.sleep(max(0.0, (HISTORY - (datetime.now(UTC) - began)).total_seconds()))
    window = f"PT{WINDOW_SECONDS}S"
    params = deploy(stage.root, scenario="healthy", baseline_window=window, review_interval=window)
    run_id = f"deploy-{params['deployment_id']}"
    stage.trigger(DAG_ID, run_id, params)
    artifacts = (
        airflow.artifact_root(stage.root) / "monitoring" / params["environment"] / params["release_id"]
    )
    people = ScriptedPeople(stage.users, scenario("healthy"))
    follower = Follower(stage.admin, run_id, artifacts, people=people, on_task=lambda _: None)
    if (state := follower.until_the_end(LIMIT_SECONDS)) != "success":
        raise SystemExit(f"The run ended {state}, so there is nothing to measure; see the lines above")
    return run_id


def empty_runs(stage: Stage, count: int) -> list[float]:
    """Return the seconds of ``count`` runs of the yardstick, one after the other."""
    dag_id = f"{DAG_ID}{SUFFIX}"
    names = [f"empty-{number}" for number in range(count)]
    taken = []
    for name in names:
        stage.trigger(dag_id, name, {})
        taken.append(_length(_span(stage.until_ended(dag_id, name))))
    return taken


def parts(
    tasks: Sequence[Mapping[str, Any]], questions: Sequence[Mapping[str, Any]], run: Span
) -> dict[str, float]:
    """Return how many seconds of ``run`` belong to what; each moment counts once, and they add up to the run.

    Where several things happen at the same moment, the first in this order has it: gates, servers, our other
    tasks, open questions, the window.
    """
    of: dict[str, list[Span]] = {name: [] for name in (GATES, ASKING, CODE, PEOPLE, WINDOW)}
    asked = {question["task_instance"]["task_id"] for question in questions}
    for task in tasks:
        name = _name(task)
        if not task["start_date"] or not task["end_date"] or task["task_id"] in asked:
            continue
        begin, end = _span(task)
        if name == "watch":
            of[WINDOW].append((begin, begin + WINDOW_SECONDS))
            of[CODE].append((begin + WINDOW_SECONDS, end))
        else:
            of[GATES if name == "evaluate" else ASKING if name in SERVERS else CODE].append((begin, end))
    of[PEOPLE] = [(_seconds(q["created_at"]), _seconds(q["responded_at"])) for q in questions]
    return _shares(of, run)


def _shares(of: Mapping[str, Sequence[Span]], run: Span) -> dict[str, float]:
    moments = sorted(
        {*run, *(m for spans in of.values() for span in spans for m in span if run[0] < m < run[1])}
    )
    shares = dict.fromkeys((*of, BETWEEN), 0.0)
    for begin, end in pairwise(moments):
        owner = next((name for name, spans in of.items() if _covered(begin, end, spans)), BETWEEN)
        shares[owner] += end - begin
    return shares


def _covered(begin: float, end: float, spans: Iterable[Span]) -> bool:
    return any(first <= begin and end <= last for first, last in spans)


def _span(of: Mapping[str, Any]) -> Span:
    return _seconds(of["start_date"]), _seconds(of["end_date"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _length(span: Span) -> float:
    return span[1] - span[0]


def _name(task: Mapping[str, Any]) -> str:
    return str(task["task_id"]).rsplit(".", 1)[-1]


def seconds_before_our_code(stage: Stage, run_id: str, tasks: Iterable[Mapping[str, Any]]) -> float:
    """Return the median over ``tasks`` from the start of a task until its process has parsed the DAG file."""
    taken = []
    for task in tasks:
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}/taskInstances/{quote(task['task_id'])}/logs/1"
        for line in stage.admin.get(path, full_content=True)["content"]:
            if isinstance(line, dict) and line.get("event") == PARSED:
                taken.append(_seconds(line["timestamp"]) - _seconds(task["start_date"]))
                break
    return statistics.median(taken)


def import_seconds(module: str) -> float:
    """Return what importing ``module`` takes in a fresh process, the second time: its files are cached."""
    program = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    for _ in range(2):
        answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--empty-runs", type=int, default=5, help="runs of the yardstick (default: 5)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the durations of both runs, where the time went, and what each task took."""
    with started(write_dags, shop=True) as stage:
        empty = empty_runs(stage, options.empty_runs)
        run_id = whole_run(stage)
        run = _span(stage.run(DAG_ID, run_id))
        tasks = stage.admin.task_instances(run_id)
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}/hitlDetails"
        questions = stage.admin.get(path)["hitl_details"]
        worked = [task for task in tasks if task["pid"] and task["end_date"]]
        before = seconds_before_our_code(stage, run_id, [task for task in worked if _name(task) != "watch"])
    shares = parts(tasks, questions, run)
    lengths = {task["task_id"]: round(_length(_span(task)), 2) for task in worked}
    waits = sum(shares[name] for name in WAITS)
    yardstick = statistics.median(empty)
    return {
        "empty_run_seconds": [round(seconds, 2) for seconds in empty],
        "run_seconds": round(_length(run), 2),
        "run_without_waits_seconds": round(_length(run) - waits, 2),
        "ratio": round(_length(run) / yardstick, 1),
        "ratio_without_waits": round((_length(run) - waits) / yardstick, 1),
        "parts_seconds": {name: round(seconds, 2) for name, seconds in shares.items()},
        "trivial_task_seconds": round(
            statistics.median(lengths[task["task_id"]] for task in worked if _name(task) in TRIVIAL), 2
        ),
        "seconds_before_our_code": round(before, 2),
        "tasks_in_workers": len(worked),
        "questions": len(questions),
        "great_expectations_import_seconds": round(import_seconds("great_expectations"), 2),
        "task_seconds": dict(sorted(lengths.items(), key=lambda item: -item[1])),
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the comparison and where the time went as Markdown tables."""
    empty = result["empty_run_seconds"]
    lines = [
        "| | seconds | ratio |",
        "|---|---:|---:|",
        f"| a run of as many EmptyOperators (median of {len(empty)}; {min(empty):.1f} to {max(empty):.1f}) "
        f"| {statistics.median(empty):.1f} | 1 |",
        f"| a whole run, waits taken out | {result['run_without_waits_seconds']:.1f} "
        f"| **{result['ratio_without_waits']:.1f}** |",
        f"| a whole run, as it was | {result['run_seconds']:.1f} | {result['ratio']:.1f} |",
        "",
        "| where the time of the whole run goes | seconds | what it is |",
        "|---|---:|---|",
    ]
    lines += [
        f"| {name} | {result['parts_seconds'][name]:.1f} | {words} |" for name, words in MEANING.items()
    ]
    lines += [
        "",
        f"{result['tasks_in_workers']} tasks ran in a worker, each in a process of its own. A task that does "
        f"next to nothing (a branch, a join) takes {result['trivial_task_seconds']:.2f} s there, "
        f"{result['seconds_before_our_code']:.2f} s of it before our code runs (its process, the parse); "
        "EmptyOperators never go to a worker. Importing Great Expectations takes "
        f"{result['great_expectations_import_seconds']:.1f} s in a fresh process on the same machine. "
        f"{result['questions']} questions were answered.",
    ]
    return "\n".join(lines)
