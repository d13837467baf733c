"""What the full audit of many services costs in HTTP calls, time and memory, and how that grows."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks.bulk import Bulk
from benchmarks.empty_dag import REPOSITORY
from sandbox.shop.topology import ENVIRONMENT
from sandbox.stack import Stack

NAME = "audit"
SUMMARY = "the full audit of 10, 100 and 1,000 services on real servers"
SIZES = (10, 100, 1000)
TIME_BOUND = 12.0
"""How many times as long 1,000 services may take as 100."""
HISTORY_SECONDS = 75
"""How long the services run before they are audited: five scrapes."""
REST_SECONDS = 30
"""How much of that is left to the servers to come to rest after logs and traces were pushed."""
SERVERS = ("prometheus", "telemetry_store")
CONNECTIONS = ("prometheus", "loki", "tempo")


def measured(count: int, repetitions: int) -> dict[str, Any]:
    """Return what the audit of so many services took, on servers of their own, in a process of its own."""
    with (
        TemporaryDirectory(prefix="release-watch-bench-") as temporary,
        Stack(Path(temporary), SERVERS) as stack,
    ):
        services = Bulk(stack.layout, stack.endpoints, count)
        with services.scraped():
            time.sleep(HISTORY_SECONDS - REST_SECONDS)
            services.push()
            time.sleep(REST_SECONDS)
            result = _audit(Path(temporary), stack.endpoints, services, repetitions)
        return result | {"series": _series(stack.endpoints["prometheus"])}


def _audit(folder: Path, endpoints: Mapping[str, Any], services: Bulk, repetitions: int) -> dict[str, Any]:
    arguments = [str(len(services.names)), services.begun.isoformat(), str(repetitions)]
    connections = {
        f"AIRFLOW_CONN_{name}_{ENVIRONMENT}".upper(): json.dumps(
            {"conn_type": "http", "host": endpoints[name]}
        )
        for name in CONNECTIONS
    }
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.audit_process", *arguments],
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "AIRFLOW_HOME": str(folder / "airflow"), **connections},
        stdout=subprocess.PIPE,
        text=True,
    )
    if answer.returncode:
        raise SystemExit(f"The audit of {arguments[0]} services could not be measured; see the lines above")
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result


def _series(prometheus: str) -> int:
    answer = requests.get(
        f"{prometheus}/api/v1/query", params={"query": 'count({job=~"bulk/.+|blackbox"})'}, timeout=30
    )
    return int(answer.json()["data"]["result"][0]["value"][1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--repetitions", type=int, default=5, help="audits of each size (default: 5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of services")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what each size took, and how it grew from the second largest to the largest."""
    sizes = [measured(count, options.repetitions) for count in sorted(options.sizes)]
    result: dict[str, Any] = {"time_bound": TIME_BOUND, "sizes": sizes}
    if len(sizes) > 1:
        smaller, larger = sizes[-2:]
        result["growth"] = {
            "services": round(larger["services"] / smaller["services"], 1),
            "median_time": round(_median(larger["runs"]) / _median(smaller["runs"]), 1),
            "fastest_time": round(_fastest(larger["runs"]) / _fastest(smaller["runs"]), 1),
            "calls": [_calls(smaller), _calls(larger)],
        }
    return result


def table(result: Mapping[str, Any]) -> str:
    """Return what each size took and where the time went as Markdown tables, and whether the bounds hold."""
    lines = [
        "| services | series | checks passed | HTTP calls | an audit, s | the first, s | servers' answers, s "
        "| their size, MB | peak memory, MB | of it before the audit, MB |",
        "|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(size) for size in result["sizes"]]
    signals = list(result["sizes"][0]["alone"])
    lines += [
        "",
        f"| one signal alone: services | {' | '.join(f'{signal}, s (calls)' for signal in signals)} |",
        f"|---:|{'---:|' * len(signals)}",
    ]
    lines += [
        f"| {size['services']:,} | "
        + " | ".join(f"{_median(runs):.2f} ({runs[0]['calls']})" for runs in size["alone"].values())
        + " |"
        for size in result["sizes"]
    ]
    if "growth" in result:
        lines += ["", _judgement(result)]
    return "\n".join(lines)


def _row(size: Mapping[str, Any]) -> str:
    runs = size["runs"]
    spread = f"{_fastest(runs):.2f} / **{_median(runs):.2f}** / {max(r['seconds'] for r in runs):.2f}"
    answers = statistics.median(run["http_seconds"] for run in runs)
    passed = f"{size['passed']:,} of {size['checks']:,}"
    return (
        f"| {size['services']:,} | {size['series']:,} | {passed} | **{_calls(size)}** | {spread} "
        f"| {size['first']['seconds']:.2f} | {answers:.2f} | {runs[0]['received_bytes'] / 1e6:.2f} "
        f"| {size['memory_peak_bytes'] / 1e6:.0f} | {size['memory_before_bytes'] / 1e6:.0f} |"
    )


def _judgement(result: Mapping[str, Any]) -> str:
    growth, (smaller, larger) = result["growth"], [size["services"] for size in result["sizes"][-2:]]
    before, after = growth["calls"]
    slow = growth["median_time"] > result["time_bound"]
    return (
        f"From {smaller:,} to {larger:,} services the median grows **{growth['median_time']:.1f} times** "
        f"(the fastest {growth['fastest_time']:.1f} times); the bound of {result['time_bound']:.0f} is "
        f"{'**missed**' if slow else 'met'}. HTTP calls: {before} and {after}, which "
        f"{'is constant' if before == after else '**is not constant: that bound is missed**'}."
    )


def _calls(size: Mapping[str, Any]) -> int:
    """Return the calls of an audit: the most that any took."""
    return max(int(run["calls"]) for run in size["runs"])


def _median(runs: Sequence[Mapping[str, float]]) -> float:
    return statistics.median(run["seconds"] for run in runs)


def _fastest(runs: Sequence[Mapping[str, float]]) -> float:
    return min(run["seconds"] for run in runs)
