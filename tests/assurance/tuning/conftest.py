"""Prometheus' promtool, which runs rules over made-up series."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.layout import default_tools
from sandbox.packages import fetch_programs


@pytest.fixture(scope="session")
def promtool() -> Path:
    return fetch_programs(default_tools(), print)["promtool"]
