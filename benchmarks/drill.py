"""What a full drill takes from its rule's activation to its delivery, against the floor of the servers."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import yaml

from release_watch.clock import now, parse_duration
from release_watch.drills.drill import fire
from release_watch.drills.plan import DrillRoute, external_labels
from release_watch.drills.receipts import Receipts
from release_watch.drills.routing import Way
from release_watch.drills.rulefile import EVALUATION, SETTLE, alert_test_of
from release_watch.drills.sweep import clean_up
from release_watch.release import Release
from sandbox.processes import replace
from sandbox.servers.server import get_json, post
from sandbox.shop.topology import ENVIRONMENT
from sandbox.stack import Stack

if TYPE_CHECKING:
    from release_watch.orchestration.hooks.backends import AirflowBackends

NAME = "drill"
SUMMARY = "a full drill from the activation of its rule to its delivery, against what the servers allow"
BOUND = 1.5
"""How many times the floor a drill may take."""
DISCOVERY_SECONDS = 5.0
"""``updatert`` of Prometheus' discovery.Manager: so long after a reload it may know no Alertmanager."""
SERVERS = ("alertmanager", "prometheus")
DELIVER_WITHIN = timedelta(minutes=2)
POLL_SECONDS = 0.05
REST_SECONDS = 2.0
"""Between drills; plus a little more each time, so that they meet the servers' clocks at all phases."""
SLOW = {"group_wait": "10s", "scrape_and_evaluation": "15s"}
RELEASE = Release(
    deployment_id="bench",
    release_id="bench",
    version="1.0.0",
    environment=ENVIRONMENT,
    services=("checkout",),
    deployed_at=datetime(2026, 1, 5, tzinfo=UTC),
    evidence_uri="file:///evidence",
)
LABELS = {"alertname": "ErrorBudgetBurn", "service": "checkout", "severity": "page", "slo": "availability"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--drills", type=int, default=8, help="drills of each set-up (default: 8)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what drills took in the sandbox as it is, and with slower intervals."""
    from release_watch.orchestration.hooks.backends import AirflowBackends

    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        root = Path(temporary)
        receipts = Receipts.under(root / "artifacts")
        with (
            recorded_at(receipts) as url,
            Stack(root, SERVERS, airflow_url=url) as stack,
            patch.dict(os.environ, _environment(stack.endpoints)),
        ):
            backends = AirflowBackends(ENVIRONMENT)
            fast = _set_up("the sandbox's", stack, backends, receipts, options.drills)
            _slow_down(stack)
            slow = _set_up("slower", stack, backends, receipts, options.drills)
    return {
        "bound": BOUND,
        "settle_seconds": SETTLE.total_seconds(),
        "discovery_seconds": DISCOVERY_SECONDS,
        "set_ups": [fast, slow],
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the tables for docs/performance.md."""
    lines = [
        "| intervals: scrape and evaluation, `group_wait` | drills | floor, s | activation to delivery, s "
        "| ratio to the floor | ratio, with an evaluation in the floor | calling `fire` to delivery, s |",
        "|---|---:|---:|---|---|---:|---|",
    ]
    for row in result["set_ups"]:
        taken = row["seconds"]
        ratios = " / ".join(f"{value / row['floor']:.2f}" for value in _spread(taken))
        with_evaluation = statistics.median(taken) / row["floor_with_evaluation"]
        lines.append(
            f"| {_intervals(row)} | {len(taken)} | {row['floor']:.1f} | {_told(taken)} | **{ratios}** "
            f"| {with_evaluation:.2f} | {_told(row['whole_seconds'])} |"
        )
    worst = max(max(row["seconds"]) / row["floor"] for row in result["set_ups"])
    met = "is met by every drill" if worst <= result["bound"] else "**is missed**"
    lines += [
        "",
        f"The bound of {result['bound']} {met}; the slowest took {worst:.2f} times the floor.",
        "",
        "| where the time goes | " + " | ".join(f"{_intervals(row)}: s" for row in result["set_ups"]) + " |",
        "|---|" + "---|" * len(result["set_ups"]),
    ]
    for name, words in PARTS.items():
        lines.append(f"| {words} | " + " | ".join(_told(row[name]) for row in result["set_ups"]) + " |")
    return "\n".join(lines)


PARTS = {
    "known_again": "a reload until Prometheus knows its Alertmanager again (reloads of their own)",
    "settle": "activation until the alert is due: the settle time",
    "evaluated": "due until the first evaluation after it",
    "delivered": "that evaluation until the receiver has it, `group_wait` included",
}


def _set_up(
    name: str, stack: Stack, backends: AirflowBackends, receipts: Receipts, drills: int
) -> dict[str, Any]:
    """Return what drills took with the intervals that the servers have now."""
    intervals = _configured(stack)
    print(f"drill: {drills} drills with {name} intervals", flush=True)
    known = [_known_again(stack.endpoints["prometheus"], number) for number in range(drills)]
    labels = {**external_labels(backends.prometheus()), **LABELS}
    route = DrillRoute("checkout", "page", labels, Way(("oncall",), ("oncall",)), ("oncall",))
    taken = [_drill(route, stack, backends, receipts, number) for number in range(drills)]
    floor = DISCOVERY_SECONDS + parse_duration(f"PT{intervals['group_wait'].upper()}").total_seconds()
    evaluation = parse_duration(f"PT{EVALUATION.upper()}").total_seconds()
    return {
        "name": name,
        **intervals,
        "floor": floor,
        "floor_with_evaluation": floor + evaluation,
        "known_again": known,
        **{part: [round(one[part], 3) for one in taken] for part in taken[0]},
    }


def _drill(
    route: DrillRoute, stack: Stack, backends: AirflowBackends, receipts: Receipts, number: int
) -> dict[str, float]:
    """Make one drill, leave nothing of it, and return how long its parts took."""
    called = now()
    (result,) = fire([route], RELEASE, backends, receipts, deliver_within=DELIVER_WITHIN)
    test_id = alert_test_of(result.drill_id)
    try:
        fired, delivered = result.hops.fired, result.hops.delivered
        if fired.at is None or delivered.at is None or delivered.latency is None:
            raise SystemExit(f"A drill of healthy servers was not delivered: {result.diagnosis}")
        due = delivered.at - timedelta(seconds=delivered.latency)
        active = _active_at(stack.endpoints["prometheus"], result.drill_id)
    finally:
        clean_up([test_id], backends, now())
    time.sleep(REST_SECONDS + 0.7 * number % DISCOVERY_SECONDS)
    settle = SETTLE.total_seconds()
    return {
        "seconds": settle + delivered.latency,
        "whole_seconds": (delivered.at - called).total_seconds(),
        "settle": settle,
        "evaluated": (active - due).total_seconds(),
        "delivered": (delivered.at - active).total_seconds(),
    }


def _active_at(prometheus: str, drill_id: str) -> datetime:
    """Return the time of the evaluation that fired a drill."""
    for alert in get_json(f"{prometheus}/api/v1/alerts")["data"]["alerts"]:
        if alert["labels"].get("drill_id") == drill_id:
            return datetime.fromisoformat(alert["activeAt"])
    raise SystemExit(f"Prometheus does not hold the alert of {drill_id} any more")


def _known_again(prometheus: str, number: int) -> float:
    """Reload Prometheus and return how long it knew no Alertmanager afterwards."""
    time.sleep(0.7 * number % DISCOVERY_SECONDS)
    began = time.monotonic()
    post(f"{prometheus}/-/reload")
    while not get_json(f"{prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]:
        time.sleep(POLL_SECONDS)
    return round(time.monotonic() - began, 3)


def _configured(stack: Stack) -> dict[str, str]:
    """Return the intervals of the servers, as their configuration has them."""
    prometheus, alertmanager = (yaml.safe_load(file.read_text()) for file in _files(stack))
    return {
        "scrape_and_evaluation": prometheus["global"]["evaluation_interval"],
        "group_wait": alertmanager["route"]["group_wait"],
    }


def _slow_down(stack: Stack) -> None:
    prometheus, alertmanager = _files(stack)
    config = yaml.safe_load(prometheus.read_text())
    for interval in ("scrape_interval", "evaluation_interval"):
        config["global"][interval] = SLOW["scrape_and_evaluation"]
    replace(prometheus, yaml.safe_dump(config, sort_keys=False))
    config = yaml.safe_load(alertmanager.read_text())
    config["route"]["group_wait"] = SLOW["group_wait"]
    replace(alertmanager, yaml.safe_dump(config, sort_keys=False))
    for server in SERVERS:
        post(f"{stack.endpoints[server]}/-/reload")


def _files(stack: Stack) -> tuple[Path, Path]:
    run = stack.layout.run
    return run / "prometheus" / "prometheus.yml", run / "alertmanager" / "alertmanager.yml"


def _environment(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Return the Airflow connections and tools, as variables."""
    connections = {
        "prometheus": {"extra": {"rules_directory": endpoints["directories"]["rules"]}},
        "alertmanager": {},
    }
    return {
        **{
            f"AIRFLOW_CONN_{name}_default".upper(): json.dumps(
                {"conn_type": "http", "host": endpoints[name], **more}
            )
            for name, more in connections.items()
        },
        "RELEASE_WATCH_AMTOOL": endpoints["programs"]["amtool"],
    }


@contextmanager
def recorded_at(receipts: Receipts) -> Iterator[str]:
    """Serve inside the block what records Alertmanager's notices; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        """Records what Alertmanager posts, with the time at which it came."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take one notice."""
            came = now()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            receipts.record(json.loads(body), came)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _intervals(row: Mapping[str, Any]) -> str:
    return f"{row['scrape_and_evaluation']}, {row['group_wait']}"


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def _told(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in _spread(values))
