"""The process that does the night's work: ``python -m benchmarks.night_process`` prints JSON.

It has the Airflow connections of the environment and the artifact root, as the task has. HTTP requests are
counted where all of them pass, in ``requests.Session.send``, by server, by what they ask for, and by the part
of the night in which they are made.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import requests

from benchmarks.audit_process import memory_bytes
from release_watch.assurance import nightly
from release_watch.orchestration.steps import night

BACKENDS = {
    "PROMETHEUS": "Prometheus",
    "ALERTMANAGER": "Alertmanager",
    "LOKI": "logs",
    "TEMPO": "traces",
    "TICKETS": "tickets",
}
_KINDS = ((r"/api/traces/.*", "/api/traces/<id>"), (r"/rest/data/issue/.*", "/rest/data/issue/<id>"))
_SUBJECT = re.compile(r"(?<=SLO) .*| of .*")
_NUMBER = re.compile(r"\d+")


class Calls:
    """What passed through ``requests.Session.send``, retries included, and in which part of the night."""

    def __init__(self) -> None:
        self.made: Counter[tuple[str, str, str]] = Counter()
        self.seconds = 0.0
        self.received_bytes = 0
        self.phases: dict[str, float] = {}
        self._phase = "rest"
        self._began = time.perf_counter()

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Count what is done inside the block as this part of the night, and as no other."""
        outer = self._phase
        self._switch(phase)
        try:
            yield
        finally:
            self._switch(outer)

    def _switch(self, phase: str) -> None:
        now = time.perf_counter()
        self.phases[self._phase] = self.phases.get(self._phase, 0.0) + now - self._began
        self._phase, self._began = phase, now

    def wrapped(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with all that it does counted as this part of the night."""

        def counted(*args: Any, **options: Any) -> Any:
            with self.during(phase):
                return function(*args, **options)

        return counted

    def count(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        """Return ``send`` with its requests counted here."""
        places = {_place(name): words for name, words in BACKENDS.items()}

        def counted(session: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            address = urlsplit(str(request.url))
            backend = _backend(address.netloc, address.path, places)
            key = (self._phase, backend, f"{request.method} {_kind(address.path)}")
            self.made[key] += 1
            began = time.perf_counter()
            try:
                response = send(session, request, **options)
                retries = getattr(response.raw, "retries", None)
                self.made[key] += len(retries.history) if retries else 0
                self.received_bytes += len(response.content)
            finally:
                self.seconds += time.perf_counter() - began
            return response

        return counted


def _place(name: str) -> str:
    variable = next(key for key in os.environ if key.startswith(f"AIRFLOW_CONN_{name}_"))
    return urlsplit(str(json.loads(os.environ[variable])["host"])).netloc


def _backend(netloc: str, path: str, places: dict[str, str]) -> str:
    """Return whose call it is; logs and traces are one server here."""
    if places.get(netloc) in ("logs", "traces"):
        return "logs" if path.startswith("/loki/") else "traces"
    return places.get(netloc, netloc)


def _kind(path: str) -> str:
    for pattern, words in _KINDS:
        path = re.sub(pattern, words, path)
    return _NUMBER.sub("<n>", path) if path.startswith("/rest/") else path


def main() -> None:
    """Do the night and print what it took."""
    moment = datetime.now(UTC)
    store = night.night_store(moment)
    calls = Calls()
    before = memory_bytes("VmRSS")
    parts = {
        (night, "drill_alert_paths"): "drills",
        (nightly, "night"): "checks",
        (night, "amend_backlog"): "backlog",
        (night, "refresh_scorecards"): "scorecards",
    }
    with ExitStack() as patched:
        patched.enter_context(patch.object(requests.Session, "send", calls.count(requests.Session.send)))
        for (owner, name), phase in parts.items():
            patched.enter_context(patch.object(owner, name, calls.wrapped(phase, getattr(owner, name))))
        began = time.perf_counter()
        with calls.during("rest"):
            calls.phases.clear()
            report = night.check_active_releases(store, moment)
        seconds = time.perf_counter() - began
    written = len(store.read_bytes(night.REPORT))
    result = {
        "releases": len(report.releases),
        "seconds": seconds,
        "phases": dict(calls.phases),
        "calls": [
            {"phase": phase, "backend": backend, "kind": kind, "times": times}
            for (phase, backend, kind), times in sorted(calls.made.items())
        ],
        "http_seconds": calls.seconds,
        "received_bytes": calls.received_bytes,
        "memory_before_bytes": before,
        "memory_peak_bytes": memory_bytes("VmHWM"),
        "report_bytes": written,
        "drills": sum(len(results.drills) for results in report.drills),
        "needs_person": sum(release.needs_person for release in report.releases),
        "objectives": Counter(
            f"{o.verdict} {_SUBJECT.sub('', o.name)}"
            for release in report.releases
            for o in release.decision.objectives
        ),
        "first_line": report.lines[0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
