"""Structured logs of one service, sent in small batches to a Loki-compatible server."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping

import aiohttp
from opentelemetry import trace

from sandbox.shop.distortion import HONEST, Distortion
from sandbox.shop.topology import ENVIRONMENT

FLUSH_SECONDS = 2.0
MOST_WAITING_LINES = 1000
TO_STDOUT = ("warning", "error")


class LogShipper:
    """Keeps log lines and pushes them every two seconds; the oldest are dropped while the server is away."""

    def __init__(
        self,
        service: str,
        version: str,
        *,
        loki_url: str | None,
        enabled: Callable[[], bool],
        distortion: Callable[[], Distortion] = lambda: HONEST,
    ) -> None:
        self._labels = {"service_name": service, "version": version, "environment": ENVIRONMENT}
        self._url = f"{loki_url}/loki/api/v1/push" if loki_url else None
        self._enabled = enabled
        self._distortion = distortion
        self._lines: deque[tuple[str, int, str]] = deque(maxlen=MOST_WAITING_LINES)
        self._failing = False

    def write(self, level: str, message: str, **fields: object) -> None:
        """Takes one line; `fields` are added to its JSON object, and the trace."""
        nanoseconds = time.time_ns() + self._distortion().ahead_nanoseconds
        line: dict[str, object] = {"level": level, "message": message, **fields}
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
            line["span_id"] = f"{span.span_id:016x}"
            line["trace_flags"] = (
                f"{span.trace_flags:02x}"  # 01: the trace was sampled, so it can be looked up
            )
        text = json.dumps(line)
        if level in TO_STDOUT:
            print(text, flush=True)
        if self._url and self._enabled():
            self._lines.append((level, nanoseconds, text))

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Pushes until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush(session)

    async def flush(self, session: aiohttp.ClientSession) -> None:
        """Pushes what waits; what cannot be delivered waits for the next time."""
        if not self._lines or not self._url:
            return
        lines = list(self._lines)
        self._lines.clear()
        labels = {**self._labels, "version": self._distortion().version or self._labels["version"]}
        try:
            async with session.post(self._url, json=push_body(labels, lines)) as response:
                response.raise_for_status()
            self._failing = False
        except (aiohttp.ClientError, TimeoutError) as error:
            self._lines = deque([*lines, *self._lines], maxlen=MOST_WAITING_LINES)
            if not self._failing:
                print(f"logs cannot be pushed to {self._url}: {error!r}", file=sys.stderr, flush=True)
            self._failing = True


def push_body(labels: Mapping[str, str], lines: list[tuple[str, int, str]]) -> dict[str, object]:
    """Returns the body of Loki's push API: one stream per level, times in nanoseconds as text."""
    streams: dict[str, list[list[str]]] = {}
    for level, nanoseconds, text in lines:
        streams.setdefault(level, []).append([str(nanoseconds), text])
    return {"streams": [{"stream": dict(labels, level=level), "values": v} for level, v in streams.items()]}
