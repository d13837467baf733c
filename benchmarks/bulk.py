"""Many services that send to the sandbox's real servers what healthy ones send: what an audit has to judge.

Each is a scrape target of its own, with some 35 series under OpenTelemetry's names, its probe among them; log
lines and spans are pushed. Every service calls the two after it, so traces cross services.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any

import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from release_watch.catalog.models import Service
from sandbox.layout import Layout
from sandbox.processes import replace
from sandbox.servers.server import post
from sandbox.shop.logs import push_body
from sandbox.shop.topology import ENVIRONMENT

VERSION = "1.1.0"
DURATION = "http_server_request_duration_seconds"
ENDPOINTS = ("GET /orders/{id}", "POST /orders")
SCRAPE_INTERVAL = "15s"
REQUESTS_PER_SECOND = 3
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "+Inf")
LINES = 20
"""Log lines of a service, over the time that it has run."""
TRACES = 5
"""Traces that begin in a service; each goes through three."""
AT_A_TIME = 50
"""Services whose logs or spans are pushed with one request."""
PATIENCE = timedelta(seconds=60)


def names(count: int) -> tuple[str, ...]:
    """Return the names of so many services."""
    return tuple(f"service-{number:04d}" for number in range(count))


def service(name: str) -> Service:
    """Return a service as the catalogue describes it, with all four signals."""
    return Service.model_validate(
        {
            "name": name,
            "tier": "critical",
            "owner": "team",
            "endpoints": ENDPOINTS,
            "signals": {
                "metrics": {"selector": f'job="bulk/{name}"'},
                "logs": {"selector": f'{{service_name="{name}"}}'},
                "traces": {"service_name": name},
                "synthetics": {"selector": f'job="blackbox",service="{name}"'},
            },
        }
    )


def metrics_page(name: str, seconds: float) -> str:
    """Return the page of a service that has run for so many seconds, its probe included."""
    requests_each = int(10 + REQUESTS_PER_SECOND * seconds)
    lines = [f'target_info{{service_name="{name}",service_version="{VERSION}"}} 1']
    for endpoint, status in ((ENDPOINTS[0], 200), (ENDPOINTS[1], 200), (ENDPOINTS[1], 500)):
        method, route = endpoint.split()
        labels = f'http_request_method="{method}",http_route="{route}",http_response_status_code="{status}"'
        count = requests_each if status == 200 else requests_each // 100
        for place, bound in enumerate(BUCKETS, start=1):
            lines.append(f'{DURATION}_bucket{{{labels},le="{bound}"}} {count * place // len(BUCKETS)}')
        lines += [f"{DURATION}_count{{{labels}}} {count}", f"{DURATION}_sum{{{labels}}} {count * 0.04:.3f}"]
    probe = f'job="blackbox",service="{name}",instance="http://{name}/healthz"'
    lines += [
        "process_resident_memory_bytes 80000000",
        f"process_cpu_seconds_total {seconds / 20:.2f}",
        f"probe_success{{{probe}}} 1",
        f"probe_duration_seconds{{{probe}}} 0.02",
        f"probe_http_status_code{{{probe}}} 200",
    ]
    return "\n".join(lines) + "\n"


class Bulk:
    """So many services that run since ``begun``, sending to the servers of one sandbox."""

    def __init__(self, layout: Layout, endpoints: dict[str, Any], count: int) -> None:
        self.names = names(count)
        self.begun = datetime.now(UTC)
        self._layout = layout
        self._endpoints = endpoints

    @contextmanager
    def scraped(self) -> Iterator[None]:
        """Serve the metrics and have Prometheus scrape them inside the block."""
        handler = type("Handler", (_Pages,), {"begun": time.monotonic()})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._have_scraped(server.server_port)
            yield
            server.shutdown()

    def _have_scraped(self, port: int) -> None:
        targets = self._layout.run / "targets" / "bulk.json"
        groups = [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {
                    "__metrics_path__": f"/{name}",
                    "job": f"bulk/{name}",
                    "service": name,
                    "version": VERSION,
                    "environment": ENVIRONMENT,
                },
            }
            for name in self.names
        ]
        replace(targets, json.dumps(groups))
        file = self._layout.data("prometheus") / "prometheus.yml"
        config = yaml.safe_load(file.read_text())
        config["global"] |= {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": "10s"}
        config["scrape_configs"].append(
            {
                "job_name": "bulk",
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}],
            }
        )
        replace(file, yaml.safe_dump(config, sort_keys=False))
        post(f"{self._endpoints['prometheus']}/-/reload")

    def push(self) -> None:
        """Push log lines and traces of every service, spread over the time from its start until now."""
        now = datetime.now(UTC)
        for first in range(0, len(self.names), AT_A_TIME):
            together = self.names[first : first + AT_A_TIME]
            streams = [s for name in together for s in _streams(name, self._moments(now, LINES))]
            _send(f"{self._endpoints['loki']}/loki/api/v1/push", json={"streams": streams})
            spans = [s for name in together for s in self._spans(name, self._moments(now, TRACES))]
            _send(
                f"{self._endpoints['tempo']}/v1/traces",
                data=ExportTraceServiceRequest(resource_spans=spans).SerializeToString(),
                headers={"Content-Type": "application/x-protobuf"},
            )

    def _moments(self, now: datetime, count: int) -> list[int]:
        """Return times in nanoseconds, the newest just before ``now``."""
        step = (now - self.begun) / count
        return [int((now - step * (number + 0.1)).timestamp() * 1e9) for number in range(count)]

    def _spans(self, name: str, moments: Sequence[int]) -> Iterator[ResourceSpans]:
        first = self.names.index(name)
        for moment, endpoint in zip(moments, cycle(ENDPOINTS), strict=False):
            method, route = endpoint.split()
            trace_id, parent = secrets.token_bytes(16), b""
            for step in range(3):
                span_id = secrets.token_bytes(8)
                begin = moment + step * 5_000_000
                span = Span(
                    trace_id=trace_id,
                    span_id=span_id,
                    parent_span_id=parent,
                    name=endpoint,
                    kind=Span.SPAN_KIND_SERVER,
                    start_time_unix_nano=begin,
                    end_time_unix_nano=begin + 30_000_000 - step * 10_000_000,
                    attributes=_attributes({"http.request.method": method, "http.route": route}),
                )
                parent = span_id
                owner = self.names[(first + step) % len(self.names)]
                yield _resource_spans(owner, span)


class _Pages(BaseHTTPRequestHandler):
    """Answers ``/<service>`` with the page of that service."""

    protocol_version = "HTTP/1.1"
    begun: float

    def do_GET(self) -> None:
        """Answer a scrape."""
        page = metrics_page(self.path.removeprefix("/"), time.monotonic() - self.begun).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def _streams(name: str, moments: Sequence[int]) -> list[dict[str, Any]]:
    labels = {"service_name": name, "version": VERSION, "environment": ENVIRONMENT}
    text = json.dumps({"message": "GET /orders/{id} 200", "status": 200, "duration_ms": 12.5})
    lines = [("error" if number == 1 else "info", at, text) for number, at in enumerate(moments)]
    body: Any = push_body(labels, lines)["streams"]
    return list(body)


def _attributes(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]


def _resource_spans(name: str, span: Span) -> ResourceSpans:
    resource = {"service.name": name, "service.version": VERSION, "deployment.environment.name": ENVIRONMENT}
    return ResourceSpans(
        resource=Resource(attributes=_attributes(resource)), scope_spans=[ScopeSpans(spans=[span])]
    )


def _send(url: str, **content: Any) -> None:
    answer = requests.post(url, timeout=PATIENCE.total_seconds(), **content)
    if answer.status_code >= 300:
        raise SystemExit(f"{url} answered {answer.status_code}: {answer.text[:300]}")
