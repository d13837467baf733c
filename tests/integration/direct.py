"""The backends of a running stack without Airflow: plain requests, for domain tests on real servers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from release_watch.catalog.models import LogsSignal, MetricsSignal, Service, TracesSignal
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Metrics, Prometheus
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer

ATTEMPTS = 3
BACK_OFF_SECONDS = 0.2
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class DirectTransport:
    """Requests to one server; implements ``release_watch.transport.Transport``."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(headers or {})
        self._session.auth = auth

    @property
    def base_url(self) -> str:
        return self._base_url

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        repeatable = method.upper() in REPEATABLE or "Idempotency-Key" in (headers or {})
        for attempt in range(1, (ATTEMPTS if repeatable else 1) + 1):
            try:
                response = self._session.request(
                    method,
                    f"{self._base_url}/{path.lstrip('/')}",
                    params=params,
                    json=json,
                    headers=headers,
                    timeout=self._timeout,
                )
            except requests.RequestException as error:
                status, reason = None, str(error)
            else:
                if response.status_code < 500:
                    return Answer(response.status_code, _body(response))
                status, reason = (
                    response.status_code,
                    f"answered {response.status_code}: {response.text[:300]}",
                )
            if repeatable and attempt < ATTEMPTS:
                time.sleep(BACK_OFF_SECONDS * 2**attempt)
        raise BackendError(self._base_url, f"{method} {path}: {reason}", status=status)


class DirectBackends:
    """The servers of a sandbox by its endpoints; implements ``release_watch.telemetry.backends.Backends``."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._endpoints = endpoints
        self._transports: dict[str, DirectTransport] = {}

    def metrics(self, service: Service | None = None) -> Metrics:
        return Prometheus(
            self.transport(_server(service.signals.metrics if service else None, "prometheus")).base_url
        )

    def prometheus(self) -> DirectTransport:
        return self.transport("prometheus")

    def rules_directory(self) -> Path | None:
        return Path(self._endpoints["directories"]["rules"])

    def logs(self, service: Service | None = None) -> Loki:
        return Loki(self.transport(_server(service.signals.logs if service else None, "loki")))

    def traces(self, service: Service | None = None) -> Tempo:
        return Tempo(self.transport(_server(service.signals.traces if service else None, "tempo")))

    def alertmanager(self) -> DirectTransport:
        return self.transport("alertmanager")

    def grafana(self) -> DirectTransport:
        return self.transport("grafana")

    def oncall(self) -> DirectTransport:
        return self.transport("oncall")

    def tickets(self) -> DirectTransport:
        return self.transport("tickets")

    def orchestrator(self) -> DirectTransport:
        return self.transport("release_orchestrator")

    def promtool(self) -> Path:
        return Path(self._endpoints["programs"]["promtool"])

    def amtool(self) -> Path:
        return Path(self._endpoints["programs"]["amtool"])

    def transport(self, name: str) -> DirectTransport:
        """Return the transport to a server of the endpoints; one that does not run is not configured."""
        url = self._endpoints.get(name)
        if not url:
            raise NotConfiguredError(f"{name}_default", f"tests that need {name}")
        return self._transports.setdefault(name, DirectTransport(url))


def _server(signal: MetricsSignal | LogsSignal | TracesSignal | None, default: str) -> str:
    """Return the server behind a signal's connection: ``prometheus_default`` is ``prometheus``."""
    return signal.connection.removesuffix("_default") if signal else default


def _body(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
