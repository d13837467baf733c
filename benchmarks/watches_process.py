"""A triggerer without its database: ``python -m benchmarks.watches_process SIDE COUNT SECONDS URL``.

Airflow's own ``TriggerRunner`` makes the triggers of their class path and arguments, and runs each as it does
in a triggerer; only the supervisor, which has them from the database, is not there. Meanwhile a task of the
same event loop sleeps again and again and notes how much later than asked it wakes up. Prints JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import psutil
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.models.trigger import Trigger
from airflow.triggers.base import BaseTrigger

from benchmarks.watches import SIDES

NAP_SECONDS = 0.01
BLOCKED_SECONDS = 0.2
"""From this on Airflow itself logs that its event loop was blocked."""
REST_SECONDS = 3.0


class Lag:
    """How late a task wakes up, and how long Python's garbage collection stops everything at most."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._collecting = self._collected = 0.0
        gc.callbacks.append(self._note_collection)

    def _note_collection(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting = now
        else:
            self._collected = max(self._collected, now - self._collecting)

    async def note(self) -> None:
        """Sleep and note until cancelled."""
        while True:
            due = time.perf_counter() + NAP_SECONDS
            await asyncio.sleep(NAP_SECONDS)
            self.late.append(time.perf_counter() - due)

    def taken(self) -> dict[str, float]:
        """Return in milliseconds what was noted since the last time this was asked for."""
        late, self.late = sorted(self.late), []
        collected, self._collected = self._collected, 0.0
        return {
            "collection_ms": 1e3 * collected,
            "median_ms": 1e3 * late[len(late) // 2],
            "p99_ms": 1e3 * late[int(0.99 * len(late))],
            "highest_ms": 1e3 * late[-1],
            "blocked": sum(one > BLOCKED_SECONDS for one in late),
        }


def _workload(number: int, trigger: BaseTrigger) -> RunTrigger:
    path, arguments = trigger.serialize()
    return RunTrigger(id=number, classpath=path, encrypted_kwargs=Trigger.encrypt_kwargs(arguments))


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _cpu() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


async def _create(runner: TriggerRunner, wanted: Iterable[RunTrigger]) -> None:
    runner.to_create.extend(wanted)
    await runner.create_triggers()  # type: ignore[no-untyped-call]


async def measured(side: str, count: int, seconds: float, url: str) -> dict[str, Any]:
    """Return what so many waiting triggers cost; the first is made before, so that imports do not count."""
    runner = TriggerRunner()  # type: ignore[no-untyped-call]
    make, lag = SIDES[side], Lag()
    await _create(runner, [_workload(0, make(0, url))])
    wanted = [_workload(number, make(number, url)) for number in range(1, count + 1)]
    await asyncio.sleep(REST_SECONDS)
    before = _memory()
    noting = asyncio.create_task(lag.note())
    await asyncio.sleep(REST_SECONDS)
    lag.taken()
    began, cpu = time.perf_counter(), _cpu()
    await _create(runner, wanted)
    made = time.perf_counter() - began
    await asyncio.sleep(REST_SECONDS)
    starting, started_cpu = lag.taken(), _cpu() - cpu
    began, cpu = time.perf_counter(), _cpu()
    await asyncio.sleep(seconds)
    waiting, share = lag.taken(), (_cpu() - cpu) / (time.perf_counter() - began)
    noting.cancel()
    return {
        "triggers": count,
        "running": sum(not entry["task"].done() for entry in runner.triggers.values()) - 1,
        "make_seconds": made,
        "start_cpu_seconds": started_cpu,
        "starting": starting,
        "waiting": waiting,
        "waiting_cpu_share": share,
        "memory_before_bytes": before,
        "memory_bytes": _memory(),
    }


async def _printed(side: str, count: int, seconds: float, url: str) -> None:
    print(json.dumps(await measured(side, count, seconds, url)), flush=True)
    os._exit(0)  # a thousand triggers need not be cancelled one by one


def main() -> None:
    """Measure and print."""
    side, count, seconds, url = sys.argv[1:]
    asyncio.run(_printed(side, int(count), float(seconds), url))


if __name__ == "__main__":
    main()
