"""What it costs a real Prometheus to evaluate the rules of 100 SLOs that have run for a month."""

from __future__ import annotations

import json
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import requests
import yaml

from benchmarks import rule_set
from benchmarks.rule_history import history
from benchmarks.rule_set import ROUTES, SCRAPE_SECONDS, metrics_page
from release_watch.slo.rulefile import RuleGroup, to_yaml
from sandbox.backfill import backfill
from sandbox.layout import Layout
from sandbox.processes import replace
from sandbox.servers.server import post
from sandbox.stack import Stack

SLOS = 100
RUNNING_SECONDS = 40 * 24 * 3600
"""How long the services have run: longer than any window."""
WARM_SECONDS = 45
"""Until what a start or a reload costs is over."""
TICKETS_SECONDS = 150
"""Until the slow groups, too, have been evaluated once."""
POLL_SECONDS = 10
SLOWEST = 6
KINDS = ("page", "ticket", "symptoms")

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*?)\})? (\S+)$", re.MULTILINE)
_GROUP = re.compile(r'rule_group="[^;]*;([^"]*)"')


class State(NamedTuple):
    """What Prometheus says of itself at a moment."""

    moment: float
    cpu_seconds: float
    resident_bytes: float
    series: float


def measured(seconds: float) -> dict[str, Any]:
    """Return what the rules of 100 SLOs cost, over so many seconds with them."""
    services = rule_set.names(SLOS)
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        documents = Path(temporary) / "slos"
        documents.mkdir()
        rule_set.write_documents(documents, services)
        groups = rule_set.groups_of(rule_set.read_documents(documents), services)
        stack = Stack(Path(temporary), ("prometheus",))
        now = time.time()
        begun = now - RUNNING_SECONDS
        backfill(stack.layout, history(groups, services, now, begun))
        with _targets(begun) as port, stack:
            url = stack.endpoints["prometheus"]
            _have_scraped(stack.layout, url, services, port)
            return {
                "slos": SLOS,
                "services": len(services),
                "seconds": seconds,
                "rules": sum(len(group.rules) for group in groups),
                **_compared(stack.layout, url, groups, seconds),
            }


@contextmanager
def _targets(begun: float) -> Iterator[int]:
    class Pages(BaseHTTPRequestHandler):
        """Answers with the page of a service; all count the same."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer a scrape."""
            lines = metrics_page(time.time() - begun)
            page = "\n".join([*lines, ""]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def _have_scraped(layout: Layout, url: str, services: Sequence[str], port: int) -> None:
    targets = layout.run / "targets" / "bulk.json"
    groups = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"__metrics_path__": f"/{name}", "job": f"bulk/{name}", "instance": name},
        }
        for name in services
    ]
    replace(targets, json.dumps(groups))
    file = layout.data("prometheus") / "prometheus.yml"
    config = yaml.safe_load(file.read_text())
    config["global"] |= {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": "10s"}
    config["scrape_configs"].append({"job_name": "bulk", "file_sd_configs": [{"files": [str(targets)]}]})
    replace(file, yaml.safe_dump(config, sort_keys=False))
    post(f"{url}/-/reload")


def _compared(layout: Layout, url: str, groups: Sequence[RuleGroup], seconds: float) -> dict[str, Any]:
    """Return what Prometheus needs without the rules and with them."""
    time.sleep(WARM_SECONDS)
    before = [_state(url)]
    time.sleep(seconds / 2)
    before.append(_state(url))
    replace(layout.rules / "bulk.yaml", to_yaml(groups))
    post(f"{url}/-/reload")
    time.sleep(WARM_SECONDS + TICKETS_SECONDS)
    with_rules = [_state(url)]
    durations = _durations(url, seconds)
    with_rules.append(_state(url))
    _check(url, groups)
    return {
        "without": _needs(before),
        "with": _needs(with_rules),
        "evaluations": {kind: _of_kind(kind, groups, durations) for kind in KINDS},
        "slowest": _slowest(url),
        "series": _series(url),
    }


def _state(url: str) -> State:
    found = {name: float(value) for name, _, value in _samples(url)}
    return State(
        time.time(),
        found["process_cpu_seconds_total"],
        found["process_resident_memory_bytes"],
        found["prometheus_tsdb_head_series"],
    )


def _samples(url: str) -> list[tuple[str, str, str]]:
    return _SAMPLE.findall(requests.get(f"{url}/metrics", timeout=30).text)


def _needs(states: Sequence[State]) -> dict[str, float]:
    first, last = states
    return {
        "cpu_share": round((last.cpu_seconds - first.cpu_seconds) / (last.moment - first.moment), 4),
        "resident_bytes": last.resident_bytes,
        "series": last.series,
    }


def _durations(url: str, seconds: float) -> dict[str, list[float]]:
    """Return how long each evaluation of each group took, as far as it was seen between two others."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        metrics = {(name, group[1]): float(value) for name, group, value in _by_group(url)}
        for (name, group), value in metrics.items():
            if name == "prometheus_rule_group_last_duration_seconds":
                at = metrics["prometheus_rule_group_last_evaluation_timestamp_seconds", group]
                found[group][at] = value
        time.sleep(POLL_SECONDS)
    return {group: list(seen.values()) for group, seen in found.items()}


def _by_group(url: str) -> Iterator[tuple[str, re.Match[str], str]]:
    for name, labels, value in _samples(url):
        if group := _GROUP.search(labels):
            yield name, group, value


def _of_kind(
    kind: str, groups: Sequence[RuleGroup], durations: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    ours = [group for group in groups if _kind(group.name) == kind]
    seen = [durations[group.name] for group in ours]
    return {
        "groups": len(ours),
        "rules": sum(len(group.rules) for group in ours),
        "interval": ours[0].interval,
        "evaluations": sum(map(len, seen)),
        "seconds_fastest": round(sum(map(min, seen)), 4),
        "seconds_median": round(sum(map(statistics.median, seen)), 4),
    }


def _kind(group: str) -> str:
    if not group.startswith("slo-"):
        return "symptoms"
    return group.rpartition("-")[2]


def _check(url: str, groups: Sequence[RuleGroup]) -> None:
    """End if the rules did not do what is measured: a long window without a past costs nothing."""
    listed = requests.get(f"{url}/api/v1/rules", timeout=60).json()["data"]["groups"]
    ill = [rule["lastError"] for group in listed for rule in group["rules"] if rule["health"] != "ok"]
    known = _value(url, 'min({__name__=~"slo:history:.*"})')
    month = _value(url, 'count({__name__="slo:events_total:rate30d"} > 0)')
    if ill or len(listed) != len(groups) or known < 0.9 or month < SLOS:
        raise SystemExit(f"{len(listed)} groups run; {ill[:3]}; history {known}, {month} months")


def _value(url: str, query: str) -> float:
    return next(iter(_vector(url, query).values()), 0.0)


def _vector(url: str, query: str) -> dict[tuple[tuple[str, str], ...], float]:
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=60).json()
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in answer["data"]["result"]}


def _series(url: str) -> dict[str, float]:
    """Return how many series the rules record: of all SLOs, and of one without and with groups."""
    by_slo = {
        dict(labels).get("slo", ""): count
        for labels, count in _vector(url, 'count by (slo) ({__name__=~"slo:.+"})').items()
    }
    return {
        "recorded": sum(by_slo.values()),
        "of_one": max(count for slo, count in by_slo.items() if slo.endswith("-availability")),
        "of_one_grouped": max(count for slo, count in by_slo.items() if slo.endswith("-routes")),
        "groups": len(ROUTES),
        "alerts": _value(url, 'count({__name__=~"ALERTS.*"})'),
    }


def _slowest(url: str) -> list[tuple[str, float]]:
    """Return the rules, by name, that take the most time in one evaluation of all groups."""
    took: dict[str, float] = defaultdict(float)
    for group in requests.get(f"{url}/api/v1/rules", timeout=60).json()["data"]["groups"]:
        for rule in group["rules"]:
            took[rule["name"]] += rule["evaluationTime"]
    return sorted(took.items(), key=lambda one: -one[1])[:SLOWEST]
