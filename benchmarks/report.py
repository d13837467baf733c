"""Keeps what was measured: one JSON file a measurement, and its table in docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil

from benchmarks.empty_dag import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "results"
DOCUMENT = REPOSITORY / "docs" / "performance.md"
PACKAGES = ("apache-airflow", "apache-airflow-providers-standard", "great-expectations", "pydantic")


def conditions(arguments: Sequence[str]) -> dict[str, Any]:
    """Return when, where and with what a measurement is made."""
    return {
        "command": " ".join(["python -m benchmarks", *arguments]),
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def keep(name: str, result: Mapping[str, Any], table: str) -> None:
    """Write ``results/<name>.json`` and put ``table`` between the markers of ``name`` in the document."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = DOCUMENT.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{DOCUMENT} lacks the lines {begin} and {end}, between which the table goes")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    block = f"{begin}\n{table}\n\n{_caption(result)}\n{end}"
    DOCUMENT.write_text(pattern.sub(lambda _: block, text))


def _caption(result: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return (
        f"`{result['command']}`, {result['measured_at']}: {result['cores']} cores, {result['memory_gb']} GB, "
        f"{result['system']}, load {result['load_before']} before; {versions}."
    )
