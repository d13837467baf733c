from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.catalog.models import Service
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer

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
    def instant(self, query: str, _at: datetime | None = None) -> list[Sample]:
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
        if "target_info" in query:
            return [
                Sample(
                    {"job": f"shop/{name}", "service_version": version}, AT, self.requests[name].timestamp()
                )
                for name, version in self.target_info.items()
            ]
        if query.startswith("count"):
            return [
                Sample({"job": f"shop/{name}", "http_request_method": method, "http_route": route}, AT, 1.0)
                for name, routes in self.routes.items()
                for method, route in routes
            ]
        return [
            Sample({"job": f"shop/{name}", "version": self.versions.get(name, "")}, AT, seen.timestamp())
            for name, seen in self.requests.items()
        ]

    # -- Transport of Loki and Tempo
    def request(self, _method: str, path: str, *, params: Any = None, **_: object) -> Answer:
        self.asked.append(str(params.get("query") or params.get("tags")))
        if path == "/api/search":
            return Answer(200, {"traces": self._found(params["tags"])})
        result = [
            {"metric": {"service_name": name, "version": version}, "values": [[AT.timestamp(), str(count)]]}
            for name, (version, count) in self.lines.items()
        ]
        return Answer(200, {"status": "success", "data": {"result": result}})

    def _found(self, tags: str) -> list[dict[str, str]]:
        return [
            {"traceID": name, "startTimeUnixNano": f"{int(seen.timestamp())}000000000"}
            for name, (version, seen) in self.traces.items()
            if f'service.name="{name}"' in tags and ("service.version" not in tags or f'"{version}"' in tags)
        ]


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
