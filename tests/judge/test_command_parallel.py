"""Work in several processes: nothing is lost and nothing is doubled, whatever becomes of them."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from release_watch.judge.command.parallel import CHUNK, each


def double(number: int) -> int:
    return 2 * number


def killed_elsewhere(number: int) -> int:
    """End the process at once, as the kernel does where memory runs out, unless it is the first one."""
    if number > CHUNK and multiprocessing.parent_process() is not None:
        os._exit(137)
    return double(number)


def test_no_more_processes_than_there_is_work_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("release_watch.judge.command.parallel.ProcessPoolExecutor", None)

    assert list(each(double, range(CHUNK), 16)) == [double(number) for number in range(CHUNK)]


def test_what_a_killed_process_leaves_undone_is_done_here(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = range(3 * CHUNK)

    assert list(each(killed_elsewhere, numbers, 2)) == [double(number) for number in numbers]
    assert "a process ended before its time, going on with one" in capsys.readouterr().err
