"""The fault switches as one running service sees them."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

from sandbox.shop.distortion import HONEST, Distortion
from sandbox.shop.fault import Fault, faults_file, read_faults
from sandbox.shop.watched_file import WatchedFile

LEAK_LIMIT_BYTES = 160 * 1024 * 1024
MEGABYTE = 1024 * 1024


class Switches:
    """What is broken in this version of this service now."""

    def __init__(self, root: Path, service: str, version: str) -> None:
        self._service = service
        self._version = version
        self._file: WatchedFile[list[Fault]] = WatchedFile(faults_file(root), read_faults, [])
        self._leak: list[bytearray] = []

    def added_latency_seconds(self, route: str) -> float:
        """Returns the seconds to add to a request, spread by a tenth around what is set."""
        milliseconds = sum(_number(fault) for fault in self._on("latency", route))
        return milliseconds / 1000 * random.uniform(0.9, 1.1)

    def error_rate(self, route: str) -> float:
        """Returns the share of requests to fail."""
        return max((_number(fault) for fault in self._on("errors", route)), default=0.0)

    def dependency_is_dead(self) -> bool:
        """Tells whether calls to other services and to the database must fail."""
        return bool(self._on("dependency-dead"))

    def answers(self) -> bool:
        """Tells whether the service answers at all: requests, scrapes and probes."""
        return not self._on("no-answer")

    def exports(self, signal: str) -> bool:
        """Tells whether the service exports a signal: metrics, logs, traces or probe."""
        return all(fault.value != signal for fault in self._on("signal-off"))

    def target_is_dead(self) -> bool:
        """Tells whether the service is registered with a port where nobody listens."""
        return bool(self._on("dead-target"))

    def scrape_fails(self) -> bool:
        """Tells whether a scrape must fail now: in the second third of each period since this was set."""
        now = datetime.now(UTC)
        return any(
            length <= (now - datetime.fromisoformat(fault.set_at)).total_seconds() % (3 * length) < 2 * length
            for fault in self._on("gaps")
            if (length := _number(fault))
        )

    def distortion(self) -> Distortion:
        """Returns how the service's telemetry differs from what the service recorded."""
        if not self._file.content():
            return HONEST
        return Distortion(
            version=next((str(fault.value) for fault in self._on("old-version")), None),
            ahead_seconds=max((_number(fault) for fault in self._on("clock-skew")), default=0.0),
            uncounted=frozenset(fault.route or "" for fault in self._on("route-uncounted")),
            buckets=not self._on("no-histogram"),
            status=not self._on("no-status"),
            summed=not self._on("nan"),
            request_ids=int(max((_number(fault) for fault in self._on("label-explosion")), default=0)),
        )

    @property
    def leaked_bytes(self) -> int:
        """How much memory has leaked."""
        return sum(map(len, self._leak))

    def leak(self, seconds: float) -> None:
        """Takes the memory that leaks in so many seconds; gives all of it back once the fault is off."""
        rate = sum(_number(fault) for fault in self._on("memory"))
        if not rate:
            self._leak.clear()
        elif self.leaked_bytes < LEAK_LIMIT_BYTES:
            self._leak.append(bytearray(b"\x01") * int(rate * seconds * MEGABYTE))

    def _on(self, name: str, route: str | None = None) -> list[Fault]:
        faults = self._file.content()
        if not faults:
            return []
        now = datetime.now(UTC)
        return [
            fault
            for fault in faults
            if fault.name == name
            and fault.hits(self._service, self._version)
            and (route is None or fault.route in (None, route))
            and fault.is_on(now)
        ]


def _number(fault: Fault) -> float:
    return float(fault.value or 0.0)
