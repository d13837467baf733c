"""The audit of metrics against a real Prometheus that scrapes services whose metrics are wrong on purpose."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import pytest
import yaml

from release_watch.artifacts.models import CoverageCheck, CoverageStatus
from release_watch.catalog.models import MetricsSignal
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import now
from release_watch.coverage.metrics import check_metrics
from release_watch.coverage.questions import Question
from release_watch.release import Release
from release_watch.telemetry.metrics import Prometheus
from sandbox.ports import HOST
from sandbox.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

OTEL = "http_server_request_duration_seconds"
BOUNDS = ("0.1", "0.5", "1", "+Inf")
POLICY = CoveragePolicy(
    live_within=timedelta(seconds=6), max_gap=timedelta(seconds=4), max_series=200, max_clock_skew="PT30S"
)
HOLE = (3.0, 10.0)
"""Seconds after the first scrape between which one service shows nothing."""
YOUNG = 12.0
END = 14.0


def line(name: str, value: float | str, stamp: float | None = None, **labels: str) -> str:
    inner = ",".join(f'{k}="{v}"' for k, v in labels.items() if v)
    return f"{name}{{{inner}}} {value}" + ("" if stamp is None else f" {int(stamp * 1000)}")


def histogram(
    service: str,
    age: float,
    *,
    family: str = OTEL,
    bounds: tuple[str, ...] = BOUNDS,
    total: float | str = 1.0,
    stamp: float | None = None,
    **labels: str,
) -> list[str]:
    known = {
        "job": f"shop/{service}",
        "instance": "a",
        "version": "1.1.0",
        "http_response_status_code": "200",
    }
    every = {**known, "http_route": "/orders", "http_request_method": "POST", **labels}
    return [
        line(f"{family}_count", int(age) + 1, stamp, **every),
        line(f"{family}_sum", total, stamp, **every),
        *(line(f"{family}_bucket", int(age) + 1, stamp, **every, le=bound) for bound in bounds),
    ]


def target_info(service: str, version: str, instance: str = "a") -> str:
    return line("target_info", 1, job=f"shop/{service}", instance=instance, service_version=version)


def exploded(service: str, age: float) -> list[str]:
    labels = {"job": f"shop/{service}", "version": "1.1.0", "http_response_status_code": "200"}
    users = (line(f"{OTEL}_count", 1, **labels, user_id=f"u{number}") for number in range(300))
    return [*histogram(service, age), *users]


def summary(service: str, age: float) -> list[str]:
    family = "http_request_duration_seconds"
    known = {"job": f"shop/{service}", "version": "1.1.0"}
    return [
        *histogram(service, age, family=family, bounds=(), code="200"),
        line(family, 0.2, **known, quantile="0.99"),
    ]


def rpc(service: str, age: float) -> list[str]:
    called = {"rpc_service": "shop.Orders", "rpc_method": "Place", "rpc_grpc_status_code": "0"}
    return histogram(service, age, family="rpc_server_duration_milliseconds", **called)


def worker(service: str, age: float) -> list[str]:
    known = {"job": f"shop/{service}", "version": "1.1.0"}
    return [line("jobs_done_total", int(age), **known, result=result) for result in ("done", "failed")]


def started(service: str, age: float) -> list[str]:
    return [
        *histogram(service, age),
        line("process_start_time_seconds", time.time() + 300, job=f"shop/{service}"),
    ]


def hostile_labels(service: str, age: float) -> list[str]:
    odd = {"release_watch_part": "7", "http_route": r"/a\"}) or vector(1) #\n"}
    return [*histogram(service, age), *histogram(service, age, **odd)]


Page = Callable[[str, float], list[str]]

PAGES: dict[str, Page] = {
    "healthy": histogram,
    "by-target-info": lambda s, age: [*histogram(s, age, version=""), target_info(s, "1.1.0")],
    "two-target-infos": lambda s, age: [
        *histogram(s, age, version=""),
        target_info(s, "1.0.0"),
        target_info(s, "1.1.0"),
    ],
    "rpc": rpc,
    "worker": worker,
    "young": lambda s, age: histogram(s, age) if age > YOUNG else [],
    "replaced": lambda s, age: (
        histogram(s, age, version="1.0.0" if age < HOLE[0] else "1.1.0")
        if not HOLE[0] <= age < HOLE[1]
        else []
    ),
    "hostile-labels": hostile_labels,
    "not-released": lambda s, age: histogram(s, age, version="0.9.0"),
    "old-version": lambda s, age: histogram(s, age, version="1.0.0"),
    "old-target-info": lambda s, age: [*histogram(s, age, version=""), target_info(s, "1.0.0")],
    "unjoined": lambda s, age: [*histogram(s, age, version=""), target_info(s, "1.1.0", "b")],
    "silent": lambda s, age: histogram(s, age) if age < HOLE[0] else [],
    "only-count": lambda s, age: histogram(s, age, bounds=()),
    "summary": summary,
    "no-status": lambda s, age: histogram(s, age, http_response_status_code=""),
    "nan": lambda s, age: histogram(s, age, total="NaN"),
    "infinite": lambda s, age: histogram(s, age, total="+Inf"),
    "negative": lambda s, age: histogram(s, age, total=-1),
    "hole": lambda s, age: [] if HOLE[0] <= age < HOLE[1] else histogram(s, age),
    "exploded": exploded,
    "ahead": lambda s, age: histogram(s, age, stamp=time.time() + 60) + histogram(s, age, instance="b"),
    "starts-ahead": started,
    "dead-target": histogram,
    "route-missing": histogram,
}
GAPS: dict[str, dict[str, str]] = {
    "old-version": {"release": "FAIL"},
    "old-target-info": {"release": "FAIL"},
    "unjoined": {"release": "INCONCLUSIVE"},
    "silent": {"live": "FAIL", "release": "INCONCLUSIVE"},
    "only-count": {"histogram": "FAIL"},
    "summary": {"histogram": "FAIL"},
    "no-status": {"outcomes": "FAIL"},
    "nan": {"values": "FAIL"},
    "infinite": {"values": "FAIL"},
    "negative": {"values": "FAIL"},
    "exploded": {"cardinality": "FAIL"},
    "ahead": {"clock": "FAIL"},
    "starts-ahead": {"clock": "FAIL"},
    "dead-target": {"gaps": "FAIL"},
    "route-missing": {"endpoints": "FAIL"},
}


class _Pages(BaseHTTPRequestHandler):
    born: float | None = None
    scraped = threading.Event()

    def do_GET(self) -> None:
        if _Pages.born is None:
            _Pages.born = time.time()
            self.scraped.set()
        age = time.time() - _Pages.born
        lines = [text for service, page in PAGES.items() for text in page(service, age)]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write("\n".join([*lines, ""]).encode())

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture(scope="module")
def pages() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer((HOST, 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, pages: ThreadingHTTPServer) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the pages each second, and a target where nobody listens."""
    with Stack(tmp_path_factory.mktemp("metrics"), servers={"prometheus"}) as stack:
        file = stack.layout.data("prometheus") / "prometheus.yml"
        configuration = yaml.safe_load(file.read_text())
        configuration["scrape_configs"] += [
            {
                "job_name": "pages",
                "honor_labels": True,
                "static_configs": [{"targets": [f"{HOST}:{pages.server_port}"]}],
            },
            {
                "job_name": "dead",
                "static_configs": [{"targets": [f"{HOST}:9"], "labels": {"job": "shop/dead-target"}}],
            },
        ]
        file.write_text(yaml.safe_dump(configuration))
        url = stack.endpoints["prometheus"]
        with urlopen(Request(f"{url}/-/reload", data=b"", method="POST"), timeout=10):
            assert _Pages.scraped.wait(20), "Prometheus scrapes no page"
        yield Prometheus(url)


def signal(service: str) -> MetricsSignal:
    own = {"counter": "jobs_done_total", "errors": 'result="failed"'} if service == "worker" else {}
    return MetricsSignal(selector=f'job="shop/{service}"', **own)


@pytest.fixture(scope="module")
def found(prometheus: Prometheus) -> dict[str, list[CoverageCheck]]:
    """What one audit of all services says."""
    born = _Pages.born
    assert born is not None
    released = tuple(service for service in PAGES if service != "not-released")
    release = Release(
        deployment_id="d-1",
        release_id="r-1",
        version="1.1.0",
        environment="production",
        services=released,
        deployed_at=datetime.fromtimestamp(born, UTC),
        evidence_uri="file:///evidence",
    )
    endpoints = {
        "healthy": ["POST /orders"],
        "rpc": ["POST /shop.Orders/Place"],
        "route-missing": ["POST /orders", "GET /refunds"],
    }
    time.sleep(max(0.0, born + END - time.time()))
    question = Question(release, now(), POLICY, endpoints)
    return check_metrics({service: signal(service) for service in PAGES}, prometheus, question)


@pytest.mark.parametrize("service", PAGES)
def test_each_service_has_exactly_its_gap(found: dict[str, list[CoverageCheck]], service: str) -> None:
    gaps = {check.name: str(check.status) for check in found[service] if check.status != CoverageStatus.PASS}

    assert gaps == GAPS.get(service, {}), [check for check in found[service] if check.name in gaps]


def test_every_query_that_an_audit_shows_can_be_asked(
    found: dict[str, list[CoverageCheck]], prometheus: Prometheus
) -> None:
    queries = {check.query for checks in found.values() for check in checks}

    for query in queries:
        assert query is not None
        prometheus.instant(query, now())


def test_an_exploded_label_and_the_length_of_a_hole_are_named(found: dict[str, list[CoverageCheck]]) -> None:
    observed = {s: {check.name: check.observed for check in checks} for s, checks in found.items()}

    assert "label user_id has 300 values" in observed["exploded"]["cardinality"]
    assert re.match("one hole, about ([6-9]|10) s without a sample, until", observed["hole"]["gaps"])
    assert observed["dead-target"]["gaps"] == "1 targets have failed every scrape for 4 s"
