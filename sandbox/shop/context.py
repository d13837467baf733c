"""What the handlers of a service work with: telemetry, logs, switches, and the way to other services."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode

from sandbox.shop.logs import LogShipper
from sandbox.shop.state import ShopState, read_state, state_file
from sandbox.shop.switches import Switches
from sandbox.shop.targets import DEAD_ADDRESS
from sandbox.shop.telemetry import Telemetry
from sandbox.shop.topology import FIRST_VERSION
from sandbox.shop.watched_file import WatchedFile

CALL_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
DEAD_URL = f"http://{DEAD_ADDRESS}"


class DownstreamError(Exception):
    """A service that this one needs does not answer, or answers with an error."""


@dataclass
class ServiceContext:
    """One running service."""

    root: Path
    name: str
    version: str
    telemetry: Telemetry
    logs: LogShipper
    switches: Switches
    session: aiohttp.ClientSession | None = None
    where: WatchedFile[ShopState] = field(init=False)

    def __post_init__(self) -> None:
        empty = ShopState(FIRST_VERSION, FIRST_VERSION, {})
        self.where = WatchedFile(state_file(self.root), lambda _: read_state(self.root), empty)

    async def call(
        self, service: str, method: str, path: str, *, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Calls another service and returns its JSON answer; the trace context goes along.

        Raises:
            web.HTTPNotFound: The other service does not know what was asked for.
            DownstreamError: It cannot be reached, takes too long or answers with an error.
        """
        started = time.perf_counter()
        attributes: dict[str, str | int] = {"http.request.method": method, "server.address": service}
        with self.telemetry.tracer.start_as_current_span(
            f"{method} {service}", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            try:
                status, answer = await self._exchange(service, method, path, body)
            except (aiohttp.ClientError, TimeoutError, KeyError) as error:
                attributes["error.type"] = type(error).__name__
                span.set_status(StatusCode.ERROR)
                raise DownstreamError(f"{service} cannot be reached: {type(error).__name__}") from error
            finally:
                self.telemetry.instruments.client_duration.record(time.perf_counter() - started, attributes)
            span.set_attribute("http.response.status_code", status)
            if status == 404:
                raise web.HTTPNotFound(text=f"{service} does not know {path}")
            if status >= 400:
                span.set_status(StatusCode.ERROR)
                raise DownstreamError(f"{service} answered {status}")
            return answer

    async def _exchange(
        self, service: str, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any]]:
        headers: dict[str, str] = {}
        inject(headers)
        url = DEAD_URL if self.switches.dependency_is_dead() else self.where.content().instances[service].url
        if self.session is None:
            raise aiohttp.ClientConnectionError("the service is not started")
        async with self.session.request(
            method, f"{url}{path}", json=body, headers=headers, timeout=CALL_TIMEOUT
        ) as response:
            answer: dict[str, Any] = (
                await response.json() if response.content_type == "application/json" else {}
            )
            return response.status, answer
