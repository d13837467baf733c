"""The process that audits: ``python -m benchmarks.audit_process SERVICES BEGUN REPETITIONS`` prints JSON.

It has the Airflow connections of the environment, as a task has. HTTP requests are counted, and timed until
their body is read, where all of them pass: in ``requests.Session.send``.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.bulk import ENDPOINTS, VERSION, names, service
from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Signal
from release_watch.catalog.models import Service, Signals
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.audit import audit
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.release import Release
from sandbox.shop.topology import ENVIRONMENT

SETTLED_WITHIN_SECONDS = 120.0
"""How long the servers may take until they show what was pushed to them."""


class Calls:
    """What passed through ``requests.Session.send``: how many requests, with retries, and how long."""

    def __init__(self) -> None:
        self.paths: Counter[str] = Counter()
        self.seconds = 0.0
        self.received_bytes = 0

    def count(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        """Return ``send`` with its requests counted here."""

        def counted(session: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            path = urlsplit(str(request.url)).path
            self.paths[path] += 1
            began = time.perf_counter()
            try:
                response = send(session, request, **options)
                retries = getattr(response.raw, "retries", None)
                self.paths[path] += len(retries.history) if retries else 0
                self.received_bytes += len(response.content)
            finally:
                self.seconds += time.perf_counter() - began
            return response

        return counted


class Auditor:
    """Audits the services of the benchmark, again and again."""

    def __init__(self, count: int, begun: datetime) -> None:
        self._services = [service(name) for name in names(count)]
        self._backends = AirflowBackends(ENVIRONMENT)
        self._release = Release(
            deployment_id="bulk",
            release_id="bulk",
            version=VERSION,
            environment=ENVIRONMENT,
            services=names(count),
            deployed_at=begun,
            evidence_uri="file:///evidence",
        )

    def audited(self, only: Signal | None = None) -> tuple[dict[str, Any], InstrumentationAudit]:
        """Return what one audit took, and the audit; with ``only`` no other signal is mapped."""
        services = self._services if only is None else [_with_only(only, s) for s in self._services]
        calls, send = Calls(), requests.Session.send
        requests.Session.send = calls.count(send)  # type: ignore[method-assign]
        began = time.perf_counter()
        try:
            found = audit(
                self._release,
                services,
                self._backends,
                endpoints={s.name: ENDPOINTS for s in services},
                policy=CoveragePolicy(),
                at=datetime.now(UTC),
            )
        finally:
            requests.Session.send = send  # type: ignore[method-assign]
        taken = {
            "seconds": time.perf_counter() - began,
            "calls": sum(calls.paths.values()),
            "paths": dict(sorted(calls.paths.items())),
            "http_seconds": calls.seconds,
            "received_bytes": calls.received_bytes,
        }
        return taken, found

    def settled(self) -> dict[str, Any]:
        """Return what the first audit took, when the servers show all that was pushed.

        Raises:
            SystemExit: a service still has a gap after two minutes: they are healthy, all of them.
        """
        first, found = self.audited()
        deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
        while gaps(found) and time.monotonic() < deadline:
            time.sleep(2)
            found = self.audited()[1]
        expect_no_gap(found)
        return first

    def measured(self, repetitions: int) -> dict[str, Any]:
        """Return what each of so many audits took, and how many checks the last one decided."""
        runs = []
        for _ in range(repetitions):
            taken, found = self.audited()
            runs.append(taken)
            checks = [c for s in found.services for a in s.signals.values() for c in a.checks]
            expect_no_gap(found)
            del found  # the next must not stand beside it in memory
        passed = sum(check.status is CoverageStatus.PASS for check in checks)
        return {"runs": runs, "checks": len(checks), "passed": passed}


def expect_no_gap(found: InstrumentationAudit) -> None:
    """End the measurement if an audit finds fault with the services: they are healthy, all of them."""
    if missing := gaps(found):
        raise SystemExit(f"Of healthy services the audit says: {'; '.join(missing[:10])}")


def gaps(found: InstrumentationAudit) -> list[str]:
    """Return every check that did not pass, in words; but for endpoints that no answered trace was of."""
    return [
        f"{entry.service} {signal} {check.name} {check.status}: {check.observed}"
        for entry in found.services
        for signal, audited in entry.signals.items()
        for check in audited.checks
        if check.status is not CoverageStatus.PASS
        if (signal, check.name, check.status) != (Signal.TRACES, "endpoints", CoverageStatus.INCONCLUSIVE)
    ]


def _with_only(signal: Signal, full: Service) -> Service:
    return full.model_copy(update={"signals": Signals(**{signal: getattr(full.signals, signal)})})


def memory_bytes(name: str) -> int:
    """Return a size of this process as Linux tells it: ``VmRSS`` now, ``VmHWM`` the highest it was."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"/proc/self/status has no {name}, so memory cannot be measured here")
    return int(found[1]) * 1024


def main(arguments: Sequence[str]) -> None:
    """Audit and print what it took."""
    count, repetitions = int(arguments[0]), int(arguments[2])
    auditor = Auditor(count, datetime.fromisoformat(arguments[1]))
    before = memory_bytes("VmRSS")
    first = auditor.settled()
    measured = auditor.measured(repetitions)
    peak = memory_bytes("VmHWM")
    result = {
        "services": count,
        "first": first,
        **measured,
        "alone": {signal: [auditor.audited(signal)[0] for _ in range(repetitions)] for signal in Signal},
        "memory_before_bytes": before,
        "memory_peak_bytes": peak,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
