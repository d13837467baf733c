"""Cases judged in several processes, with the results in the order of the cases."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

CHUNK = 8
"""Cases that are handed over at once."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def each(task: Callable[[In], Out], items: Sequence[In], jobs: int) -> Iterator[Out]:
    """Yield ``task`` of each item, in their order; ``task``, items and results must be picklable.

    Should a process end before its time (the system is short of memory), the rest is done in this one.
    """
    if jobs <= 1 or len(items) <= CHUNK:
        yield from map(task, items)
        return
    done = 0
    try:
        # Forking would copy threads' locks in whatever state they are: Arrow has threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(jobs, -(-len(items) // CHUNK)), mp_context=context) as pool:
            for result in pool.map(task, items, chunksize=CHUNK):
                yield result
                done += 1
    except BrokenProcessPool as error:
        sys.stderr.write(f"a process ended before its time, going on with one: {error}\n")
        yield from map(task, items[done:])
