from __future__ import annotations

from pathlib import Path

import pytest

from release_watch.telemetry.backends import ToolMissingError, find_tool


def make_tool(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_tool_is_taken_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = make_tool(tmp_path / "promtool")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RELEASE_WATCH_PROMTOOL", raising=False)

    assert find_tool("promtool") == tool


def test_a_tool_that_is_named_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tool(tmp_path / "amtool")
    named = make_tool(tmp_path / "amtool-0.27")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RELEASE_WATCH_AMTOOL", str(named))

    assert find_tool("amtool") == named


def test_a_missing_tool_says_how_to_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RELEASE_WATCH_PROMTOOL", str(tmp_path / "nowhere"))

    with pytest.raises(ToolMissingError, match="RELEASE_WATCH_PROMTOOL"):
        find_tool("promtool")
