"""A process in the state the DAG processor has when it forks, which parses one DAG file again and again.

Run as ``python -m benchmarks.dag_processor DAG_FILE``. It answers each line on standard input with one JSON
line: what the parse took in a child forked for it, as the DAG processor forks one for every parse.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def become_dag_processor(dag_file: Path) -> None:
    """Import what ``airflow dag-processor`` has imported when it starts to parse ``dag_file``."""
    import structlog
    from airflow import plugins_manager
    from airflow.cli import cli_parser
    from airflow.cli.commands import dag_processor_command  # noqa: F401 - part of the state
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.dag_processing.processor import _pre_import_airflow_modules

    cli_parser.get_parser()
    _ = DagFileProcessorManager(max_runs=1).client
    plugins_manager.ensure_plugins_loaded()
    _pre_import_airflow_modules(str(dag_file), structlog.get_logger())
    gc.collect()
    gc.freeze()


def parse(dag_file: Path) -> dict[str, Any]:
    """Parse and serialise ``dag_file`` in this process, which must not have done so before.

    Returns:
        Seconds of wall clock and of CPU for the parse alone and with serialisation, and the tasks found.
    """
    import structlog
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.dag_processing.processor import _serialize_dags
    from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    began = time.perf_counter(), time.process_time()
    bag = BundleDagBag(str(dag_file), bundle_path=dag_file.parent, bundle_name="dags", load_op_links=False)
    parsed = time.perf_counter(), time.process_time()
    check_dag_file_stability(str(dag_file))
    _serialize_dags(bag, structlog.get_logger())
    serialised = time.perf_counter(), time.process_time()
    return {
        "parse_wall": parsed[0] - began[0],
        "parse_cpu": parsed[1] - began[1],
        "whole_wall": serialised[0] - began[0],
        "whole_cpu": serialised[1] - began[1],
        "tasks": sum(len(dag.tasks) for dag in bag.dags.values()),
        "errors": list(bag.import_errors.values()),
    }


def parse_in_child(dag_file: Path) -> str:
    """Return what :func:`parse` measures in a freshly forked child, as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(parse(dag_file)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        measured = answer.read()
    os.waitpid(child, 0)
    return measured


def main(argument: str) -> None:
    """Answer until standard input ends; logs go to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    dag_file = Path(argument)
    become_dag_processor(dag_file)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(parse_in_child(dag_file), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
