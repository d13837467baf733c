"""What rules of many SLOs cost: generating and checking them against promtool, and evaluating them."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import rule_evaluation, rule_set
from release_watch.slo.lint import errors, lint
from release_watch.slo.promtool import check_file
from release_watch.slo.rulefile import to_yaml
from sandbox.layout import default_tools
from sandbox.packages import fetch_programs

NAME = "rules"
SUMMARY = "rules of 500 SLOs against promtool, and what a real Prometheus needs for those of 100"
SLOS = 500
BOUND = 3.0
"""How many times as long as promtool's check of the rules everything before it may take."""
STEPS = {
    "read": "reading the OpenSLO documents",
    "generate": "generating rules",
    "write": "writing them as YAML",
    "lint": "our lint",
    "promtool": "`promtool check rules`",
}
OURS = tuple(STEPS)[:-1]
GENERATING = ("read", "generate", "write")

Timing = dict[str, tuple[float, float]]
"""Seconds by the clock and of the processor, by step."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--repetitions", type=int, default=5, help="rule sets generated (default: 5)")
    parser.add_argument("--slos", type=int, default=SLOS, help=f"SLOs of each (default: {SLOS})")
    parser.add_argument(
        "--seconds", type=float, default=300, help="rules are evaluated so long (default: 300)"
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what generating and checking took, step by step, and what evaluating costs."""
    return {
        "bound": BOUND,
        "generating": _generating(options.slos, options.repetitions),
        "evaluating": rule_evaluation.measured(options.seconds),
    }


def _generating(count: int, repetitions: int) -> dict[str, Any]:
    services = rule_set.names(count)
    promtool = fetch_programs(default_tools(), print)["promtool"]
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        folder = Path(temporary) / "slos"
        folder.mkdir()
        rule_set.write_documents(folder, services)
        file = Path(temporary) / "rules.yaml"
        runs = [_run(folder, services, file, promtool) for _ in range(repetitions)]
        return {
            "slos": len(services) * rule_set.PER_SERVICE,
            "services": len(services),
            "rules": file.read_text().count("  expr:"),
            "bytes": file.stat().st_size,
            "seconds": _by_step(runs, 0),
            "cpu_seconds": _by_step(runs, 1),
        }


def _run(folder: Path, services: Sequence[str], file: Path, promtool: Path) -> Timing:
    """Generate and check once; both sides are timed in turn, so that they share the conditions."""
    clock = _Clock()
    slos = rule_set.read_documents(folder)
    clock.lap("read")
    groups = rule_set.groups_of(slos, services)
    clock.lap("generate")
    file.write_text(to_yaml(groups))
    clock.lap("write")
    findings = lint(groups)
    clock.lap("lint")
    check_file(file, promtool)
    clock.lap("promtool")
    if refused := errors(findings):
        raise SystemExit(f"The lint refuses generated rules: {refused[0]}")
    return clock.laps


class _Clock:
    """Measures steps that follow each other, child processes included."""

    def __init__(self) -> None:
        self.laps: Timing = {}
        self._last = self._now()

    def lap(self, step: str) -> None:
        """Note what the step took that ends now."""
        now = self._now()
        self.laps[step] = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now

    @staticmethod
    def _now() -> tuple[float, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)


def _by_step(runs: Sequence[Timing], which: int) -> dict[str, list[float]]:
    """Return each step's times, and under ``ours`` those of everything before promtool."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for step, timing in run.items():
            found[step].append(round(timing[which], 3))
        found["ours"].append(round(sum(run[step][which] for step in OURS), 3))
    return found


def table(result: Mapping[str, Any]) -> str:
    """Return what each step took, whether the bound holds, and what evaluating costs, as Markdown tables."""
    return "\n".join([*_generating_table(result), "", *_evaluating_table(result["evaluating"])])


def _generating_table(result: Mapping[str, Any]) -> list[str]:
    made = result["generating"]
    wall, cpu = made["seconds"], made["cpu_seconds"]
    labels = {**STEPS, "ours": "**generating and checking: all of that**"}
    order = (*OURS, "ours", "promtool")
    lines = [
        f"| {made['slos']} SLOs: {made['rules']:,} rules, {made['bytes'] / 1e6:.1f} MB "
        "| seconds | CPU seconds |",
        "|---|---|---|",
        *(f"| {labels[step]} | {_spread(wall[step])} | {_spread(cpu[step])} |" for step in order),
    ]
    checked, checked_cpu = (_ratios(times, OURS) for times in (wall, cpu))
    made_only = _ratios(wall, GENERATING)
    met = statistics.median(checked) <= result["bound"]
    slowest = max(OURS, key=lambda step: statistics.median(wall[step]))
    return [
        *lines,
        "",
        f"Ratios to promtool's check, run by run: generating and checking {_spread(checked)} (CPU time "
        f"{_spread(checked_cpu)}), generating without our lint {_spread(made_only)}. The bound of "
        f"{result['bound']:.0f} is {'met' if met else '**missed**'}; most of the time goes to "
        f"{STEPS[slowest]}.",
    ]


def _ratios(times: Mapping[str, Sequence[float]], steps: Sequence[str]) -> list[float]:
    """Return how many times as long as promtool's check these steps took together, of each run."""
    ours = zip(*(times[step] for step in steps), strict=True)
    return [sum(run) / promtool for run, promtool in zip(ours, times["promtool"], strict=True)]


def _spread(times: Sequence[float]) -> str:
    return f"{min(times):.2f} / **{statistics.median(times):.2f}** / {max(times):.2f}"


KINDS = {"page": "pages and what they read", "ticket": "tickets, budget", "symptoms": "symptoms, Watchdog"}


def _evaluating_table(cost: Mapping[str, Any]) -> list[str]:
    kinds, series = cost["evaluations"], cost["series"]
    lines = [
        f"| {cost['slos']} SLOs of {cost['services']} services | groups | rules | evaluated every "
        "| one evaluation of all of them, s: fastest / median | of a core |",
        "|---|---:|---:|---:|---|---:|",
        *(_kind_row(KINDS[kind], kinds[kind]) for kind in kinds),
    ]
    slos = [kinds["page"]["seconds_median"], kinds["ticket"]["seconds_median"]]
    alone, loaded = cost["without"], cost["with"]
    slowest = ", ".join(f"`{name}` {seconds * 1000:.0f} ms" for name, seconds in cost["slowest"])
    return [
        *lines,
        "",
        "| Prometheus | without the rules | with them | difference |",
        "|---|---:|---:|---:|",
        _needs_row("CPU, % of a core", alone, loaded, "cpu_share", 0.01, 1),
        _needs_row("resident memory, MB", alone, loaded, "resident_bytes", 1e6, 0),
        _needs_row("series in its head", alone, loaded, "series", 1, 0),
        "",
        f"All rules of {cost['slos']} SLOs take **{sum(slos):.2f} s** an evaluation (pages {slos[0]:.2f} s, "
        f"tickets {slos[1]:.2f} s; medians). They record **{series['recorded']:,.0f} series**: "
        f"{series['of_one']:.0f} of an SLO, {series['of_one_grouped']:.0f} of one with "
        f"{series['groups']} groups; an alert adds two while it fires. The other new series in the head "
        "are what this Prometheus, which scrapes itself, says of its rule groups. Most of one "
        f"evaluation of all groups goes to: {slowest}.",
    ]


def _kind_row(label: str, kind: Mapping[str, Any]) -> str:
    interval = float(kind["interval"].removesuffix("s").removesuffix("m"))
    interval *= 60 if kind["interval"].endswith("m") else 1
    return (
        f"| {label} | {kind['groups']} | {kind['rules']:,} | {kind['interval']} "
        f"| {kind['seconds_fastest']:.2f} / **{kind['seconds_median']:.2f}** "
        f"| {kind['seconds_median'] / interval:.1%} |"
    )


def _needs_row(
    label: str, alone: Mapping[str, float], loaded: Mapping[str, float], key: str, unit: float, places: int
) -> str:
    cells = [alone[key] / unit, loaded[key] / unit, (loaded[key] - alone[key]) / unit]
    return f"| {label} | " + " | ".join(f"{cell:,.{places}f}" for cell in cells) + " |"
