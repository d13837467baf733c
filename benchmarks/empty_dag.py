"""The yardstick: a DAG of EmptyOperators with the tasks, groups and edges of a real DAG.

Run as a program it writes the yardstick of one DAG file: ``python -m benchmarks.empty_dag DAG_FILE FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG, TaskGroup

REPOSITORY = Path(__file__).resolve().parent.parent
DAG_FILES = tuple(sorted((REPOSITORY / "dags").glob("*.py")))
SUFFIX = "_of_empty_operators"

HEAD = '''\
"""Generated from {dag_id}: its tasks, groups and edges with EmptyOperators in it."""

from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup

t = {{}}
with DAG("{dag_id}{suffix}", schedule=None, catchup=False, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
'''


def write_empty_dag(dag_file: Path, folder: Path, environment: Mapping[str, str]) -> Path:
    """Write the yardstick of ``dag_file`` into ``folder`` and return its path.

    The structure is read in a process of its own, with the settings of ``environment``: this one does not
    import Airflow.
    """
    subprocess.run(
        [sys.executable, "-m", "benchmarks.empty_dag", str(dag_file), str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return folder / f"{dag_file.stem}{SUFFIX}.py"


def source(dag: DAG) -> str:
    """Return the Python source of the yardstick of ``dag``."""
    lines = [HEAD.format(dag_id=dag.dag_id, suffix=SUFFIX).rstrip(), *_tasks(dag.task_group, "    ")]
    for task in dag.tasks:
        for below in sorted(task.downstream_task_ids):
            lines.append(f'    t["{task.task_id}"] >> t["{below}"]')
    return "\n".join(lines) + "\n"


def _tasks(group: TaskGroup, indent: str) -> Iterator[str]:
    from airflow.sdk import TaskGroup

    for child in group.children.values():
        name = child.node_id.rsplit(".", 1)[-1]
        if isinstance(child, TaskGroup):
            yield f'{indent}with TaskGroup("{name}"):'
            yield from _tasks(child, indent + "    ")
        else:
            yield f'{indent}t["{child.node_id}"] = EmptyOperator(task_id="{name}")'


def main(dag_file: str, folder: str) -> None:
    """Write the yardstick of the only DAG in ``dag_file``."""
    from airflow.dag_processing.dagbag import DagBag

    (dag,) = DagBag(dag_file).dags.values()
    (Path(folder) / f"{Path(dag_file).stem}{SUFFIX}.py").write_text(source(dag))


if __name__ == "__main__":
    main(*sys.argv[1:])
