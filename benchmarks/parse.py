"""What parsing each DAG file takes, against a DAG of EmptyOperators with the same tasks, groups and edges."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.empty_dag import DAG_FILES, REPOSITORY, write_empty_dag

NAME = "parse"
SUMMARY = "parsing each DAG file against parsing as many EmptyOperators"
BOUND = 1.5
CLOCKS = ("parse_wall", "parse_cpu", "whole_wall", "whole_cpu")


class DagProcessor:
    """One process in the DAG processor's state, for one DAG file."""

    def __init__(self, dag_file: Path, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.dag_processor", str(dag_file)],
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._log = log
        self._answer()

    def parse(self) -> dict[str, Any]:
        """Return what one parse took."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write("parse\n")
        self._process.stdin.flush()
        measured: dict[str, Any] = json.loads(self._answer())
        if measured["errors"]:
            raise SystemExit("\n".join(measured["errors"]))
        return measured

    def _answer(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"The measuring process ended:\n{self._log.read_text()[-3000:]}")
        return line

    def __enter__(self) -> DagProcessor:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.close()
        self._process.wait(timeout=30)


def environment(folder: Path, *, plugins: bool) -> dict[str, str]:
    """Return the settings of an Airflow with its home in ``folder``, with this plugin or without."""
    return {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins" if plugins else folder / "no-plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def compare(dag_file: Path, repetitions: int, *, plugins: bool) -> dict[str, Any]:
    """Return the seconds of ``repetitions`` parses of ``dag_file`` and of its yardstick, taken in turn."""
    with TemporaryDirectory() as temporary, ExitStack() as started:
        folder = Path(temporary)
        settings = environment(folder, plugins=plugins)
        (folder / "no-plugins").mkdir()
        yardstick = write_empty_dag(dag_file, folder, settings)
        pair = [
            started.enter_context(DagProcessor(file, settings, folder / "log"))
            for file in (dag_file, yardstick)
        ]
        taken = [[processor.parse() for processor in pair] for _ in range(repetitions + 1)][1:]
    real, empty = ([both[index] for both in taken] for index in (0, 1))
    return {
        "dag": dag_file.stem,
        "tasks": real[0]["tasks"],
        "plugin_loaded": plugins,
        "repetitions": repetitions,
        **{
            clock: {
                "real": _spread([parse[clock] for parse in real]),
                "empty": _spread([parse[clock] for parse in empty]),
                "ratio": _ratio(real, empty, clock),
            }
            for clock in CLOCKS
        },
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    values = {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)}
    return {name: round(value * 1000, 2) for name, value in values.items()}


def _ratio(real: Sequence[Mapping[str, float]], empty: Sequence[Mapping[str, float]], clock: str) -> float:
    medians = [statistics.median(parse[clock] for parse in parses) for parses in (real, empty)]
    return round(medians[0] / medians[1], 2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--repetitions", type=int, default=20, help="parses of each file (default: 20)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the comparison of every DAG file, with the plugin in the DAG processor and without it."""
    return {
        "bound": BOUND,
        "comparisons": [
            compare(dag_file, options.repetitions, plugins=plugins)
            for plugins in (True, False)
            for dag_file in DAG_FILES
        ],
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the comparisons as a Markdown table."""
    lines = [
        "| DAG file | tasks | plugin loaded | parsing it, ms | as many EmptyOperators, ms | ratio "
        "| ratio, CPU time | ratio, with serialisation |",
        "|---|---:|---|---|---|---:|---:|---:|",
    ]
    for row in result["comparisons"]:
        real, empty = (_words(row["parse_wall"][which]) for which in ("real", "empty"))
        lines.append(
            f"| `{row['dag']}` | {row['tasks']} | {'yes' if row['plugin_loaded'] else 'no'} "
            f"| {real} | {empty} | **{row['parse_wall']['ratio']:.2f}** | {row['parse_cpu']['ratio']:.2f} "
            f"| {row['whole_wall']['ratio']:.2f} |"
        )
    return "\n".join(lines)


def _words(spread: Mapping[str, float]) -> str:
    return f"{spread['min']:.1f} / {spread['median']:.1f} / {spread['max']:.1f}"
