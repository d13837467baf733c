"""What finding the drift of many rules costs, against the rules that a real Prometheus says it runs.

``python -m benchmarks.drift FILE URL`` is the measured process: it holds one rule file against one server.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks import rule_set
from benchmarks.empty_dag import REPOSITORY
from release_watch.assurance.drift import Expected, Live, LiveDashboards, LiveRules, drift_of
from release_watch.assurance.drift.live import Away
from release_watch.assurance.drift.reading import live_rules
from release_watch.assurance.drift.reading import rule_set as read_rule_set
from release_watch.slo.rulefile import RuleGroup, to_yaml
from release_watch.transport import Answer
from sandbox.stack import Stack

NAME = "drift"
SUMMARY = "the drift of 1,000 and of 10,000 rules against a real Prometheus that runs them"
SIZES = (1_000, 10_000)
BOUND = 12.0
"""How many times as long ten times as many rules may take."""
EDITED_EVERY = 100
"""Of the live rules, every so many waits longer than it was activated with."""
STEPS = {
    "expected": "reading what was activated (YAML)",
    "live": "asking Prometheus, and reading its answer",
    "compare": "comparing",
}
FILE = "release-watch-bench.yaml"
LOAD_SECONDS = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--repetitions", type=int, default=5, help="processes of each size (default: 5)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what each step took in seconds of the processor and the clock, and the memory, by size."""
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        folder = Path(temporary)
        groups = _groups(folder, SIZES[-1])
        with Stack(folder, ["prometheus"]) as stack:
            sizes = [_size(groups, size, stack, folder, options.repetitions) for size in SIZES]
    small, large = (statistics.median(one["cpu_seconds"]["all"]) for one in sizes)
    return {"bound": BOUND, "sizes": sizes, "growth": round(large / small, 2)}


def _groups(folder: Path, rules: int) -> list[RuleGroup]:
    slos = 4 * rule_set.PER_SERVICE
    made: list[RuleGroup] = []
    while sum(len(group.rules) for group in made) < rules:
        slos *= 2
        documents = folder / f"slos-{slos}"
        documents.mkdir()
        services = rule_set.names(slos)
        rule_set.write_documents(documents, services)
        made = rule_set.groups_of(rule_set.read_documents(documents), services)
    # Service by service, so that few rules are of the same kinds as many.
    return sorted(made, key=lambda group: min(group.services, default=""))


def _cut(groups: Sequence[RuleGroup], rules: int) -> list[RuleGroup]:
    """Return the first groups with exactly so many rules."""
    kept: list[RuleGroup] = []
    for group in groups:
        left = rules - sum(len(one.rules) for one in kept)
        if left > 0:
            kept.append(group.model_copy(update={"rules": group.rules[:left]}))
    return kept


def _size(
    groups: Sequence[RuleGroup], size: int, stack: Stack, folder: Path, repetitions: int
) -> dict[str, Any]:
    wanted = _cut(groups, size)
    url = str(stack.endpoints["prometheus"])
    activated = folder / f"activated-{size}.yaml"
    activated.write_text(to_yaml(wanted))
    edited = _load(wanted, Path(stack.endpoints["directories"]["rules"]), url)
    command = [sys.executable, "-m", "benchmarks.drift", str(activated), url]
    runs = []
    for _ in range(repetitions):
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    found = {run["drifts"] for run in runs}
    if found != {edited}:
        raise SystemExit(f"{edited} rules were edited, and {sorted(found)} drifts were found")
    names = (*STEPS, "all")
    return {
        "rules": size,
        "edited": edited,
        "answer_bytes": runs[0]["answer_bytes"],
        "seconds": {name: [run["seconds"][name] for run in runs] for name in names},
        "cpu_seconds": {name: [run["cpu_seconds"][name] for run in runs] for name in names},
        "memory_mb": [run["memory_mb"] for run in runs],
        "memory_before_mb": [run["memory_before_mb"] for run in runs],
    }


def _load(groups: Sequence[RuleGroup], folder: Path, url: str) -> int:
    """Have Prometheus run the rules, some of them edited; returns how many are."""
    edited, seen, live = 0, 0, []
    for group in groups:
        rules = []
        for rule in group.rules:
            seen += 1
            change = bool(rule.alert) and seen % EDITED_EVERY == 0
            edited += change
            rules.append(rule.model_copy(update={"hold": "17m"}) if change else rule)
        live.append(group.model_copy(update={"rules": tuple(rules)}))
    (folder / FILE).write_text(to_yaml(live))
    requests.post(f"{url}/-/reload", timeout=LOAD_SECONDS).raise_for_status()
    loaded = sum(len(one["rules"]) for one in _answer(url)["data"]["groups"])
    if loaded != seen:
        raise SystemExit(f"Prometheus runs {loaded} rules, not {seen}")
    return edited


def _answer(url: str) -> Any:
    return requests.get(f"{url}/api/v1/rules", timeout=LOAD_SECONDS).json()


class _Direct:
    """One server without Airflow; implements ``release_watch.transport.Transport``."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.answer_bytes = 0

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer."""
        answer = requests.request(
            method, f"{self.base_url}{path}", params=params, json=json, headers=headers, timeout=LOAD_SECONDS
        )
        self.answer_bytes += len(answer.content)
        return Answer(answer.status_code, answer.json())


def _once(file: Path, url: str) -> dict[str, Any]:
    """Return what one comparison takes in a process that has compared nothing before."""
    import promql_parser
    import yaml

    promql_parser.parse(yaml.safe_load("up > 0"))
    transport, marks, before = _Direct(url), [_now()], _peak_mb()
    rules = read_rule_set("bench", file.read_text(), listed_as=FILE)
    marks.append(_now())
    live = LiveRules(live_rules(transport))
    marks.append(_now())
    away = Away("is not measured")
    everything = Live(datetime.now(UTC), live, None, away, LiveDashboards({}))
    expected = Expected("release-1", "production", (), (rules,))
    drifts = [one for one in drift_of(expected, everything) if one.kind != "unknown"]
    marks.append(_now())
    spans = zip((*STEPS, "all"), ((0, 1), (1, 2), (2, 3), (0, 3)), strict=True)
    took = {
        name: [marks[end][which] - marks[start][which] for which in (0, 1)] for name, (start, end) in spans
    }
    return {
        "seconds": {name: round(both[0], 4) for name, both in took.items()},
        "cpu_seconds": {name: round(both[1], 4) for name, both in took.items()},
        "memory_mb": _peak_mb(),
        "memory_before_mb": before,
        "answer_bytes": transport.answer_bytes,
        "drifts": len(drifts),
    }


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _peak_mb() -> float:
    """Return the most memory of this process; on Linux not that of the one that forked it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return round(int(line.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def table(result: Mapping[str, Any]) -> str:
    """Return the measurement as Markdown."""
    sizes = result["sizes"]
    head = " | ".join(f"{one['rules']:,} rules" for one in sizes)
    lines = [f"| seconds, minimum / median / maximum | {head} |", "|---|" + "---:|" * len(sizes)]
    for name, words in {**STEPS, "all": "**all of that**"}.items():
        lines.append(f"| {words} | {' | '.join(_spread(one['seconds'][name]) for one in sizes)} |")
    cpu = " | ".join(_spread(one["cpu_seconds"]["all"]) for one in sizes)
    peak = " | ".join(_memory(one) for one in sizes)
    lines += [f"| of it, CPU seconds | {cpu} |", f"| memory at its peak (before), MB | {peak} |"]
    edited = ", ".join(f"{one['edited']} of {one['rules']:,}" for one in sizes)
    return "\n".join(lines) + (
        f"\n\nTen times as many rules take **{result['growth']:.1f}** times as long (CPU, medians); "
        f"the bound is {result['bound']:g}. Edited, and found in every run, were {edited}."
    )


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def _memory(one: Mapping[str, Any]) -> str:
    return f"{max(one['memory_mb']):.0f} ({max(one['memory_before_mb']):.0f})"


if __name__ == "__main__":
    print(json.dumps(_once(Path(sys.argv[1]), sys.argv[2])))
