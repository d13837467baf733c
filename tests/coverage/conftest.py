from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from release_watch.catalog.models import Service
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer
from tests.coverage.fake_loki import FakeLoki
from tests.coverage.fake_tempo import FakeTempo
from tests.coverage.promql import MemoryPrometheus

DEPLOYED = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
AT = DEPLOYED + timedelta(minutes=10)
VERSION = "1.1.0"
COUNTER = "http_server_request_duration_seconds_count"


class FakeServers:
    """Telemetry of services as the servers would answer it: change it, then audit."""

    base_url = "http://server.example"

    def __init__(self) -> None:
        self.requests: dict[str, datetime] = {}
        self.versions: dict[str, str] = {}
        self.target_info: dict[str, str] = {}
        self.routes: dict[str, list[tuple[str, str]]] = {}
        self.lines: dict[str, tuple[str, int]] = {}
        self.traces: dict[str, tuple[str, datetime]] = {}
        self.probes: dict[str, tuple[datetime, float]] = {}
        self.broken: dict[str, Exception] = {}
        self.asked: list[str] = []

    def healthy(self, *services: str) -> None:
        """Give these services every signal, a second old."""
        fresh = AT - timedelta(seconds=1)
        for name in services:
            self.requests[name] = fresh
            self.versions[name] = VERSION
            self.lines[name] = (VERSION, 7)
            self.traces[name] = (VERSION, fresh)
            self.probes[name] = (fresh, 1.0)

    # -- the Backends of the audit
    def metrics(self, _service: Service | None = None) -> FakeServers:
        self._raise("metrics")
        return self

    def logs(self, _service: Service | None = None) -> Loki:
        self._raise("logs")
        return Loki(self)

    def traces_of(self, _service: Service | None = None) -> Tempo:
        self._raise("traces")
        return Tempo(self)

    def _raise(self, backend: str) -> None:
        if backend in self.broken:
            raise self.broken[backend]

    # -- Metrics
    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.asked.append(query)
        if "probe_success" in query:
            return [
                Sample(
                    {"job": "blackbox", "service": name},
                    AT,
                    best if "max_over_time" in query else seen.timestamp(),
                )
                for name, (seen, best) in self.probes.items()
            ]
        return self._prometheus().instant(query, at)

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.asked.append(query)
        return self._prometheus().range(query, start, end, step)

    def _prometheus(self) -> MemoryPrometheus:
        """Return the request series of the services, and what names their version beside them."""
        prometheus = MemoryPrometheus()
        for name, seen in self.requests.items():
            job = {"job": f"shop/{name}", "instance": name}
            labels = {**job, "version": self.versions.get(name, ""), "http_response_status_code": "200"}
            for method, route in self.routes.get(name, [("", "")]):
                endpoint = {"http_request_method": method, "http_route": route}
                prometheus.add(COUNTER, seen, **labels, **endpoint)
            for bound in ("0.1", "0.5", "1", "+Inf"):
                prometheus.add(COUNTER.replace("_count", "_bucket"), seen, **labels, le=bound)
            if name in self.target_info:
                prometheus.add("target_info", seen, **job, service_version=self.target_info[name])
        return prometheus

    # -- Transport of Loki and Tempo
    def request(self, method: str, path: str, *, params: Any = None, **_: object) -> Answer:
        server = self._tempo() if path == "/api/search" else self._loki()
        answer = server.request(method, path, params=params)
        self.asked += server.asked
        return answer

    def _loki(self) -> FakeLoki:
        loki = FakeLoki()
        for name, (version, count) in self.lines.items():
            for _ in range(count):
                loki.write({"service_name": name, "version": version}, AT - timedelta(seconds=1))
        return loki

    def _tempo(self) -> FakeTempo:
        tempo = FakeTempo()
        for name, (version, seen) in self.traces.items():
            tempo.send(name, seen, version)
            for method, route in self.routes.get(name, []):
                tempo.send(name, seen, version, name=f"{method} {route}")
        return tempo


class FakeBackends:
    """The part of Backends that an audit uses."""

    def __init__(self, servers: FakeServers) -> None:
        self.metrics = servers.metrics
        self.logs = servers.logs
        self.traces = servers.traces_of


@pytest.fixture
def servers() -> FakeServers:
    return FakeServers()


@pytest.fixture
def backends(servers: FakeServers) -> FakeBackends:
    return FakeBackends(servers)


@pytest.fixture
def make_service() -> Callable[..., Service]:
    def make(name: str, *, tier: str = "critical", without: tuple[str, ...] = ()) -> Service:
        signals = {
            "metrics": {"selector": f'job="shop/{name}"'},
            "logs": {"selector": f'{{service_name="{name}"}}'},
            "traces": {"service_name": name},
            "synthetics": {"selector": f'job="blackbox",service="{name}"'},
        }
        for signal in without:
            del signals[signal]
        return Service.model_validate({"name": name, "tier": tier, "owner": "team", "signals": signals})

    return make


@pytest.fixture
def make_release() -> Callable[..., Release]:
    def make(*services: str) -> Release:
        return Release(
            deployment_id="dep-1",
            release_id="shop-1.1.0",
            version=VERSION,
            environment="production",
            services=services,
            deployed_at=DEPLOYED,
            evidence_uri="file:///evidence",
        )

    return make


@pytest.fixture(params=["not configured", "down"])
def outage(request: pytest.FixtureRequest) -> Exception:
    if request.param == "down":
        return BackendError("Loki", "http://server.example did not answer")
    return NotConfiguredError("loki_default", "logs of checkout")
