"""What a thousand watches cost the triggerer they wait in, beside as many of Airflow's DateTimeTrigger."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import requests

from benchmarks.bulk import VERSION, Bulk, names, service
from benchmarks.empty_dag import REPOSITORY
from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.policies import WatchPolicy
from release_watch.clock import rfc3339
from release_watch.watch.signs import Bound, alert_query, signal_query
from sandbox.shop.topology import ENVIRONMENT
from sandbox.stack import Stack

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

NAME = "watches"
SUMMARY = "a thousand watches in one triggerer, beside as many of Airflow's DateTimeTrigger"
WATCHES = 1000
SECONDS = 130.0
"""Two of the watches' rounds."""
SERVICES = 100
"""Services that Prometheus scrapes; the watches share them."""
RELEASED = 4
"""Services of a release: three golden signals each."""
BOUNDS = {"error_ratio": 0.5, "latency_p95_seconds": 10.0, "availability": 0.5}
"""Beyond these no service goes here: a watch that sees a sign ends."""
CONNECTION = "prometheus_default"
FAR = timedelta(days=1)


def date_time(_: int, __: str) -> BaseTrigger:
    """Return Airflow's trigger that waits until a moment."""
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    return DateTimeTrigger(moment=datetime.now(UTC) + FAR)


def watch(number: int, _: str) -> BaseTrigger:
    """Return the trigger that a baseline window waits in, of a release of some services.

    The one with the number 0, which is made before those that are measured, polls at once.
    """
    from release_watch.orchestration.triggers.watch import ReviewTrigger

    moment = datetime.now(UTC)
    names_of = names(SERVICES)
    released = [names_of[(number * RELEASED + place) % SERVICES] for place in range(RELEASED)]
    specs = metric_specs([service(name) for name in released], version=VERSION)
    bounds = [
        Bound(spec.title, spec.query, BOUNDS[spec.metric], spec.direction) for spec in specs if spec.golden
    ]
    alerts = alert_query(released, ENVIRONMENT, moment)
    return ReviewTrigger(
        moment=rfc3339(moment + FAR),
        asked=[(CONNECTION, alerts), (CONNECTION, signal_query(bounds))],
        poll_seconds=WatchPolicy().poll_interval.total_seconds() if number else 1.0,
        quiet_until=rfc3339(moment),
    )


SIDES: dict[str, Callable[[int, str], BaseTrigger]] = {
    "DateTimeTrigger": date_time,
    "ReviewTrigger": watch,
}
"""How the trigger of each side is made, from its number and the URL of Prometheus."""


def _measured(side: str, count: int, seconds: float, url: str, home: str) -> dict[str, Any]:
    connection = json.dumps({"conn_type": "http", "host": url})
    environment = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_PROMETHEUS_DEFAULT": connection,
    }
    asked = _queries(url)
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.watches_process", side, str(count), str(seconds), url],
        check=False,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if answer.returncode:
        raise SystemExit(f"The triggers of {side} could not be measured; see the lines above")
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result | {"side": side, "queries": _queries(url) - asked}


def _queries(url: str) -> int:
    """Return how many queries Prometheus has answered."""
    page = requests.get(f"{url}/metrics", timeout=30).text
    lines = (line for line in page.splitlines() if line.startswith("prometheus_http_requests_total"))
    return sum(int(float(line.split()[-1])) for line in lines if '/api/v1/query"' in line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--watches", type=int, default=WATCHES, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="default: %(default)s")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="default: all")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the triggers of each side cost, one process after the other."""
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        stack = Stack(Path(temporary), ("prometheus",))
        with stack:
            url = stack.endpoints["prometheus"]
            with Bulk(stack.layout, stack.endpoints, SERVICES).scraped():
                sides = [
                    _measured(side, options.watches, options.seconds, url, temporary)
                    for side in options.sides
                ]
    return {"seconds": options.seconds, "sides": sides}


def table(result: Mapping[str, Any]) -> str:
    """Return a row for each side as Markdown."""
    lines = [
        "| triggers | of them waiting | memory of one, kB | all of the process, MB "
        "| event loop late while they start, ms: median / 99 % / highest | while they wait "
        "| times over 0.2 s | CPU while they wait, % of a core | queries |",
        "|---|---:|---:|---:|---|---|---:|---:|---:|",
    ]
    return "\n".join([*lines, *map(_row, result["sides"]), "", *map(_words, result["sides"])])


def _words(side: Mapping[str, Any]) -> str:
    return (
        f"`{side['side']}`: made in {side['make_seconds']:.2f} s. The longest garbage collection, "
        f"which stops all of them, took {side['starting']['collection_ms']:.0f} ms while they started and "
        f"{side['waiting']['collection_ms']:.0f} ms while they waited."
    )


def _row(side: Mapping[str, Any]) -> str:
    each = (side["memory_bytes"] - side["memory_before_bytes"]) / side["triggers"] / 1e3
    return (
        f"| {side['triggers']:,} x `{side['side']}` | {side['running']:,} | **{each:.1f}** "
        f"| {side['memory_bytes'] / 1e6:.0f} | {_late(side['starting'])} | {_late(side['waiting'])} "
        f"| {side['starting']['blocked'] + side['waiting']['blocked']} "
        f"| {100 * side['waiting_cpu_share']:.1f} | {side['queries']:,} |"
    )


def _late(lag: Mapping[str, float]) -> str:
    return f"{lag['median_ms']:.1f} / {lag['p99_ms']:.1f} / **{lag['highest_ms']:.0f}**"
