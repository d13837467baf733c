"""Exactly what was started is ended: whole groups, also after a crash, never a stranger with the same pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import processes
from sandbox.layout import REPOSITORY


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(script: str) -> subprocess.Popen[bytes]:
        started.append(
            processes.start(
                "test",
                ["sh", "-c", script],
                folder=tmp_path,
                environment={"GIVEN": "yes"},
                log=tmp_path / "test.log",
                tethered=False,
            )
        )
        return started[-1]

    yield begin
    for child in started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def record_of(child: subprocess.Popen[bytes], mark: str | None = None) -> processes.Record:
    started = mark or processes.start_mark(child.pid) or "ended"
    return processes.Record("test", child.pid, started, "http://127.0.0.1:1", "/")


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_stopped_group_leaves_no_child_behind(start: Callable, tmp_path: Path):
    child = start("sleep 60 & echo $! > grandchild; wait")
    assert until(lambda: (tmp_path / "grandchild").exists() and (tmp_path / "grandchild").read_text().strip())
    grandchild = int((tmp_path / "grandchild").read_text())
    assert processes.stop([record_of(child)], {child.pid: child}) == ["test"]
    assert processes.start_mark(child.pid) is None
    assert processes.start_mark(grandchild) is None


def test_children_of_a_crashed_leader_are_ended_too(start: Callable, tmp_path: Path):
    child = start("sleep 60 & echo $! > grandchild; wait")
    assert until(lambda: (tmp_path / "grandchild").exists() and (tmp_path / "grandchild").read_text().strip())
    grandchild = int((tmp_path / "grandchild").read_text())
    record = record_of(child)
    child.kill()
    child.wait()
    processes.stop([record])
    assert processes.start_mark(grandchild) is None


def test_a_stranger_with_the_same_pid_is_left_alone(start: Callable):
    child = start("sleep 60")
    assert processes.stop([record_of(child, mark="long ago")]) == []
    assert child.poll() is None


def test_a_process_that_ignores_term_is_killed(
    start: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    child = start("trap '' TERM; touch deaf; while :; do sleep 0.05; done")
    assert until((tmp_path / "deaf").exists)
    processes.stop([record_of(child)], {child.pid: child})
    assert child.returncode == -signal.SIGKILL


def test_a_record_is_running_only_while_its_very_process_is(start: Callable):
    child = start("sleep 60")
    record = record_of(child)
    assert processes.is_running(record)
    child.kill()  # not reaped yet: a zombie runs no longer
    assert until(lambda: not processes.is_running(record))


def test_records_are_read_back_and_damaged_ones_left_out(tmp_path: Path):
    record = processes.Record("prometheus", 4711, "99", "http://127.0.0.1:1", "/-/ready")
    processes.write_record(tmp_path, record)
    (tmp_path / "half.json").write_text('{"name": "half"')
    assert processes.read_records(tmp_path) == [record]


def test_a_server_sees_little_of_the_callers_environment(
    start: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("READONLY", "yes")
    start("env > seen.part; mv seen.part seen")
    assert until((tmp_path / "seen").exists)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert "GIVEN=yes" in seen
    assert "READONLY=yes" not in seen


@pytest.mark.parametrize("mode", [0o600, 0o644], ids=oct)
def test_a_replaced_file_has_its_mode_and_leaves_no_part(tmp_path: Path, mode: int):
    for content in ("old", "new"):
        processes.replace(tmp_path / "file", content, mode)
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


TETHERED = """
import sys, time
from pathlib import Path
from sandbox import processes
folder = Path(sys.argv[1])
log = folder / "log"
child = processes.start("test", ["sleep", "60"], folder=folder, environment={}, log=log, tethered=True)
processes.replace(folder / "child", str(child.pid))
time.sleep(60)
"""


def test_a_tethered_server_dies_with_a_killed_parent(tmp_path: Path):
    parent = subprocess.Popen([sys.executable, "-c", TETHERED, str(tmp_path)], cwd=REPOSITORY)
    try:
        assert until((tmp_path / "child").exists)
    finally:
        parent.kill()
        parent.wait()
    child = int((tmp_path / "child").read_text())
    assert until(lambda: processes.start_mark(child) is None)
