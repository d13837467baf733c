from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from release_watch.orchestration.run import ProtocolRun
from tests.orchestration.fakes import Clock, context
from tests.orchestration.server import Server, serving

TIMED = (
    "run",
    "operators.approval",
    "operators.drill",
    "sensors.acknowledgement",
    "steps.alert_test",
    "steps.drill_answers",
    "steps.rolling_back",
    "sensors.window",
    "sensors.remediation",
    "sensors.rollback",
    "sensors.signals",
    "triggers.signals",
    "notifiers.people",
    "steps.checks",
    "phases.closing",
    "steps.watching",
)


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artifact root of this test."""
    root = tmp_path / "artifacts"
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", str(root))
    return root


@pytest.fixture
def run() -> ProtocolRun:
    return ProtocolRun.of(context())


@pytest.fixture
def shadow_run() -> ProtocolRun:
    return ProtocolRun.of(context(mode="shadow"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of everything in orchestration."""
    clock = Clock()
    for module in TIMED:
        monkeypatch.setattr(f"release_watch.orchestration.{module}.now", clock)
    return clock


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between attempts; nothing waits in truth."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited
