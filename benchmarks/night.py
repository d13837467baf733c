"""What a night over many active releases costs in HTTP calls, time and memory, and how that grows."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bulk import Bulk
from benchmarks.drill import recorded_at
from benchmarks.empty_dag import REPOSITORY
from benchmarks.night_world import connections, register, serve_only, write_config
from release_watch.drills.receipts import Receipts
from sandbox.stack import Stack

NAME = "night"
SUMMARY = "a night over 1, 10, 50 and 500 active releases on real servers"
SIZES = (1, 10, 50, 500)
SERVERS = ("prometheus", "alertmanager", "telemetry_store", "tickets")
HISTORY_SECONDS = 75
"""How long the services run before the first night: five scrapes."""
SETTLE_SECONDS = 20
"""After that the servers come to rest: targets are discovered, rules evaluated, logs and traces stored."""
PHASES = {
    "drills": "drills of alert paths, s",
    "checks": "the checks of all releases, s",
    "backlog": "the backlog and its tickets, s",
    "scorecards": "the scorecards, s",
    "rest": "the registry, the last night, the report, s",
}
BACKENDS = ("Prometheus", "Alertmanager", "logs", "traces", "tickets")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of releases")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a night over each number of releases took, and how that grew."""
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        folder = Path(temporary)
        artifacts = folder / "artifacts"
        with (
            recorded_at(Receipts.under(artifacts)) as url,
            Stack(folder, SERVERS, airflow_url=url) as stack,
        ):
            services = Bulk(stack.layout, stack.endpoints, max(options.sizes))
            with services.scraped():
                time.sleep(HISTORY_SECONDS)
                sizes = [
                    _size(folder, stack, services, count, artifacts)
                    for count in sorted(options.sizes, reverse=True)
                ]
    sizes.reverse()
    return {"sizes": sizes, "growth": _growth(sizes)}


def _size(folder: Path, stack: Stack, services: Bulk, count: int, artifacts: Path) -> dict[str, Any]:
    """Return what one night took, in a process of its own; the servers know of so many services only."""
    services.names = services.names[:count]
    config = folder / f"config-{count}"
    if artifacts.exists():
        artifacts.rename(folder / f"artifacts-before-{count}")
    artifacts.mkdir()
    write_config(config, services.names)
    serve_only(stack, services.names)
    rules = register(config, stack, services, artifacts)
    services.push()
    time.sleep(SETTLE_SECONDS)
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.night_process"],
        check=False,
        cwd=REPOSITORY,
        env={
            **os.environ,
            **connections(stack.endpoints),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "RELEASE_WATCH_CONFIG": str(config),
            "RELEASE_WATCH_ARTIFACT_ROOT": artifacts.as_uri(),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    if answer.returncode:
        raise SystemExit(f"The night over {count} releases could not be measured; see the lines above")
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    if result["releases"] != count:
        raise SystemExit(f"Of {count} releases the night's report has {result['releases']}")
    return {**result, "rules": rules}


def _growth(sizes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how the largest compares with the smallest, and with the one before it."""
    pairs = [(sizes[0], sizes[-1]), (sizes[-2], sizes[-1])] if len(sizes) > 2 else []
    return [
        {
            "releases": [small["releases"], large["releases"]],
            "calls": [calls(small), calls(large)],
            "without_drills": [calls(one, without_drills=True) for one in (small, large)],
            "seconds": round(large["seconds"] / small["seconds"], 1),
        }
        for small, large in pairs
    ]


def calls(size: Mapping[str, Any], *, backend: str | None = None, without_drills: bool = False) -> int:
    """Return the HTTP calls of a night: to one backend or to all, in all its phases or without the drills."""
    return sum(
        call["times"]
        for call in size["calls"]
        if backend in (None, call["backend"]) and not (without_drills and call["phase"] == "drills")
    )


def table(result: Mapping[str, Any]) -> str:
    """Return what the nights took as Markdown tables."""
    sizes = result["sizes"]
    undrilled = [_undrilled(one) for one in sizes]
    parts = {words: [one["phases"].get(name, 0.0) for one in sizes] for name, words in PHASES.items()}
    numbers = [
        *_rows("their rules in Prometheus", "{:,}", [one["rules"] for one in sizes]),
        *_rows("**HTTP calls, without drills**", "**{}**", [calls(one) for one in undrilled]),
        *(
            row
            for name in BACKENDS
            for row in _rows(f"to {name}", "{}", [calls(one, backend=name) for one in undrilled])
        ),
        *_rows("HTTP calls of the drills", "{}", [_calls_of(one, "drills") for one in sizes]),
        *_rows("drills made", "{}", [one["drills"] for one in sizes]),
        *_rows("**seconds, without drills**", "**{:.1f}**", [_undrilled_seconds(one) for one in sizes]),
        *(row for words, seconds in parts.items() for row in _rows(words, "{:.1f}", seconds)),
        *_rows("servers' answers, all in all, s", "{:.1f}", [one["http_seconds"] for one in sizes]),
        *_rows("their size, MB", "{:.1f}", [one["received_bytes"] / 1e6 for one in sizes]),
        *_rows("peak memory, MB", "{:.0f}", [one["memory_peak_bytes"] / 1e6 for one in sizes]),
        *_rows("of it before the night, MB", "{:.0f}", [one["memory_before_bytes"] / 1e6 for one in sizes]),
        *_rows("the report, MB", "{:.2f}", [one["report_bytes"] / 1e6 for one in sizes]),
        *_rows("releases that need a person", "{}", [one["needs_person"] for one in sizes]),
    ]
    return "\n".join(
        [
            *_head("active releases", sizes),
            *numbers,
            "",
            *_kinds(sizes),
            "",
            *(_judgement(growth) for growth in result["growth"]),
        ]
    )


def _head(words: str, sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*_rows(words, "{:,}", [one["releases"] for one in sizes]), f"|---|{'---:|' * len(sizes)}"]


def _rows(words: str, form: str, values: Sequence[float]) -> list[str]:
    return [f"| {words} | {' | '.join(form.format(value) for value in values)} |"]


def _undrilled(size: Mapping[str, Any]) -> dict[str, Any]:
    return {**size, "calls": [call for call in size["calls"] if call["phase"] != "drills"]}


def _undrilled_seconds(size: Mapping[str, Any]) -> float:
    return float(size["seconds"] - size["phases"].get("drills", 0.0))


def _calls_of(size: Mapping[str, Any], phase: str) -> int:
    return sum(call["times"] for call in size["calls"] if call["phase"] == phase)


def _kinds(sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the calls by what they ask for, without those of the drills."""
    found: list[Counter[str]] = [Counter() for _ in sizes]
    for counted, one in zip(found, sizes, strict=True):
        for call in _undrilled(one)["calls"]:
            counted[f"{call['backend']}: `{call['kind']}`"] += call["times"]
    kinds = sorted({kind for counted in found for kind in counted})
    rows = [row for kind in kinds for row in _rows(kind, "{}", [counted[kind] for counted in found])]
    return [*_head("calls without drills, by what they ask; active releases", sizes), *rows]


def _judgement(growth: Mapping[str, Any]) -> str:
    small, large = growth["releases"]
    before, after = growth["without_drills"]
    whole = growth["calls"]
    told = "as many" if after == before else f"**{after / before:.2f} times** as many"
    return (
        f"From {small:,} to {large:,} releases: {before} and {after} HTTP calls without drills, {told}; "
        f"{whole[0]} and {whole[1]} with them; {growth['seconds']:.1f} times the time."
    )
