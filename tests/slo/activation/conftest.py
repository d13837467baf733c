"""A Prometheus stand-in with its rules folder, and no patience."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.slo import proof
from tests.slo.activation.stand_ins import PrometheusStandIn


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(proof, "SLOW_POLL_SECONDS", 0.01)


@pytest.fixture
def prometheus(tmp_path: Path) -> PrometheusStandIn:
    (tmp_path / "rules").mkdir()
    return PrometheusStandIn(tmp_path / "rules")
