"""How many metric windows the judge gets through on one core, beside SciPy's Mann-Whitney on the same."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from benchmarks.detection.truth import Clock
from benchmarks.detection.web import latency
from release_watch.judge import Direction, Kind, MetricSpec, judge_metric

NAME = "judge"
SUMMARY = "judging 48 h of one-minute baseline against 2 h, beside SciPy's mannwhitneyu on the same windows"
BOUND = 200
"""Metric windows per second on one core."""

SPEC = MetricSpec(service="shop", metric="latency_seconds", kind=Kind.LATENCY, direction=Direction.UP)
Window = tuple[pd.Series, pd.Series]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument(
        "--windows", type=int, default=200, help="metric windows of each round (default: 200)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds, both sides in turn (default: 5)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return windows per second of processor time, of each round."""
    windows = [_window(np.random.default_rng([7, number])) for number in range(options.windows)]
    judge_metric(*windows[0], spec=SPEC)
    sides: dict[str, Callable[[Window], object]] = {
        "judge": lambda window: judge_metric(*window, spec=SPEC),
        "mannwhitneyu": lambda window: mannwhitneyu(window[1], window[0], alternative="greater"),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, run in sides.items():
            rates[name].append(_rate(run, windows))
    return {"windows": options.windows, "bound": BOUND, "per_second": rates}


def _window(random: np.random.Generator) -> Window:
    clock = Clock.drawn(random, 60, 2880, 120)
    return clock.cut(latency(random, clock, "")[0])


def _rate(run: Callable[[Window], object], windows: Sequence[Window]) -> float:
    begun = time.process_time()
    for window in windows:
        run(window)
    return len(windows) / (time.process_time() - begun)


def table(result: dict[str, Any]) -> str:
    """Return the measurement as Markdown."""
    ours, theirs = (result["per_second"][name] for name in ("judge", "mannwhitneyu"))
    rows = "\n".join(
        f"| {name} | {min(rates):.0f} / **{statistics.median(rates):.0f}** / {max(rates):.0f} |"
        for name, rates in (("`judge_metric`", ours), ("`scipy.stats.mannwhitneyu`", theirs))
    )
    ratio = statistics.median(ours) / statistics.median(theirs)
    return (
        "| metric windows per second on one core | minimum / median / maximum |\n|---|---:|\n"
        f"{rows}\n\nThe judge gets through {ratio:.2f} times as many as Mann-Whitney alone; the bound is "
        f"{result['bound']} per second."
    )
