"""What it costs to capture a two-day baseline of many services, beside a script with the client library."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks import capture_history
from benchmarks.bulk import names
from benchmarks.empty_dag import REPOSITORY
from sandbox.backfill import backfill
from sandbox.stack import Stack

NAME = "capture"
SUMMARY = "capturing a two-day baseline of many services, beside MetricRangeDataFrame and groupby"
SERVICES = 1000
CLIENTS = 100
"""Services that the client library loads, one after the other: each costs it the same."""
FACTOR = 10.0
"""How many times faster, or smaller, a capture must be."""
MOST_MEMORY_BYTES = 2e9
MERGED = "latency_p95_seconds"
RAW = {
    "error_ratio": 3,
    MERGED: 27,
    "throughput_rps": 3,
    "memory_bytes": 1,
    "cpu_cores": 1,
    "availability": 1,
}
"""The raw series of a service that each metric is made of."""
AT_A_TIME = 100
"""Services whose raw samples are in one file, of some 1.5 GB, and in one block."""
REST_SECONDS = 10.0
REST_WITHIN_SECONDS = 900.0


def measured(count: int, clients: int) -> dict[str, Any]:
    """Return what it took to capture so many services, and a client library so many of them."""
    span = capture_history.window(datetime.now(UTC))
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        stack = Stack(Path(temporary), ("prometheus",))
        services = names(count)
        began = time.perf_counter()
        for start in range(0, count, AT_A_TIME):
            backfill(stack.layout, capture_history.lines(services[start : start + AT_A_TIME], span))
        filled = time.perf_counter() - began
        with stack:
            url = stack.endpoints["prometheus"]
            _rest(url)
            ours = _captured("ours", url, count, span)
            client = _captured("client", url, clients, span)
    return {
        "raw_series": count * capture_history.SERIES,
        "raw_samples": count * capture_history.SERIES * capture_history.samples(span),
        "backfill_seconds": filled,
        "ours": ours,
        "client": client,
    }


def _rest(url: str) -> None:
    """Wait until Prometheus no longer compacts the blocks that it finds when it starts."""
    deadline = time.monotonic() + REST_WITHIN_SECONDS
    before = _cpu_seconds(url)
    while time.monotonic() < deadline:
        time.sleep(REST_SECONDS)
        now = _cpu_seconds(url)
        if now - before < 0.02 * REST_SECONDS and _compactions(url):
            return
        before = now
    raise SystemExit("Prometheus did not come to rest; is the machine busy with something else?")


def _compactions(url: str) -> bool:
    """Return whether the first look for what to compact, a minute after the start, is over."""
    page = requests.get(f"{url}/metrics", timeout=30).text
    line = next(one for one in page.splitlines() if one.startswith("process_start_time_seconds"))
    return time.time() - float(line.split()[1]) > 75


def _cpu_seconds(url: str) -> float:
    page = requests.get(f"{url}/metrics", timeout=30).text
    line = next(one for one in page.splitlines() if one.startswith("process_cpu_seconds_total"))
    return float(line.split()[1])


def _captured(side: str, url: str, count: int, span: tuple[datetime, datetime]) -> dict[str, Any]:
    server = _cpu_seconds(url)
    arguments = [side, url, str(count), *(moment.isoformat() for moment in span)]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.capture_process", *arguments],
        check=False,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    if answer.returncode:
        raise SystemExit(f"The capture of {count} services ({side}) failed; see the lines above")
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result | {"server_cpu_seconds": _cpu_seconds(url) - server}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--services", type=int, default=SERVICES, help=f"services (default: {SERVICES})")
    parser.add_argument(
        "--clients", type=int, default=CLIENTS, help=f"of them, for the client library (default: {CLIENTS})"
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what each side took."""
    return measured(options.services, min(options.clients, options.services))


def table(result: Mapping[str, Any]) -> str:
    """Return as Markdown, by metric, what a service costs either side, and whether the bounds hold."""
    ours, client = result["ours"], result["client"]
    lines = [
        "| a service, two days a minute | raw series | time, ms: capture | client | **times faster** "
        "| on the wire, kB: capture | client | **times smaller** | unpacked, kB: capture | client |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(metric, RAW[metric], *_costs(metric, ours, client)) for metric in ours["metrics"]),
        _row("all six", capture_history.SERIES, *_costs(None, ours, client)),
        "",
        "| | services | HTTP calls | time, s | of it waiting, s | CPU, s | the server's CPU, s "
        "| peak memory, MB | of it before, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        _whole("capture", ours),
        _whole("`MetricRangeDataFrame`, `groupby`", client),
        "",
        _judgement(result),
    ]
    return "\n".join(lines)


def _costs(metric: str | None, *sides: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return what a service cost each side, for one metric or all of them."""
    return [
        {what: _sum(side, what, metric) / side["services"] for what in ("seconds", "wire_bytes", "bytes")}
        for side in sides
    ]


def _sum(side: Mapping[str, Any], what: str, metric: str | None = None) -> float:
    return float(sum(taken[what] for name, taken in side["metrics"].items() if metric in (None, name)))


def _row(name: str, raw: int, ours: Mapping[str, float], client: Mapping[str, float]) -> str:
    return (
        f"| {name} | {raw} | {ours['seconds'] * 1e3:.1f} | {client['seconds'] * 1e3:.1f} "
        f"| **{client['seconds'] / ours['seconds']:.1f}** "
        f"| {ours['wire_bytes'] / 1e3:.1f} | {client['wire_bytes'] / 1e3:.1f} "
        f"| **{client['wire_bytes'] / ours['wire_bytes']:.1f}** "
        f"| {ours['bytes'] / 1e3:.1f} | {client['bytes'] / 1e3:.1f} |"
    )


def _whole(name: str, side: Mapping[str, Any]) -> str:
    return (
        f"| {name} | {side['services']:,} | {_sum(side, 'calls'):,.0f} | **{_sum(side, 'seconds'):.1f}** "
        f"| {_sum(side, 'http_seconds'):.1f} | {_sum(side, 'cpu_seconds'):.1f} "
        f"| {side['server_cpu_seconds']:.1f} "
        f"| **{side['memory_peak_bytes'] / 1e6:.0f}** | {side['memory_before_bytes'] / 1e6:.0f} |"
    )


def _judgement(result: Mapping[str, Any]) -> str:
    ours, client = result["ours"], result["client"]
    merged, loaded = _costs(MERGED, ours, client)
    faster, smaller = (loaded[what] / merged[what] for what in ("seconds", "wire_bytes"))
    met = max(faster, smaller) >= FACTOR
    light = ours["memory_peak_bytes"] <= MOST_MEMORY_BYTES
    return (
        f"{ours['samples']:,} samples of {result['raw_samples']:,} raw ones. Where PromQL does the work "
        f"(`{MERGED}`, one series of {RAW[MERGED]}) a capture is {faster:.1f} times faster and {smaller:.1f} "
        f"times smaller on the wire; the bound of {FACTOR:.0f} times faster or smaller is "
        f"{'met' if met else '**missed**'}. Its peak memory of {ours['memory_peak_bytes'] / 1e9:.2f} GB "
        f"{'keeps' if light else '**exceeds**'} the bound of {MOST_MEMORY_BYTES / 1e9:.0f} GB. "
        f"The samples take {ours['file_bytes'] / 1e6:.0f} MB as Parquet."
    )
