"""Two days of raw series of many services, as a Prometheus that scrapes once a minute has them.

Every service has those of ``benchmarks.bulk``: requests of three kinds with nine buckets each, memory, CPU
and a probe. Traffic follows the day; latency and the share of errors are steady.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bulk import BUCKETS, DURATION, REQUESTS_PER_SECOND, VERSION
from sandbox.backfill import LONGEST_BLOCK

if TYPE_CHECKING:
    import numpy.typing as npt

STEP = timedelta(minutes=1)
LENGTH = timedelta(hours=48)
BEFORE = timedelta(minutes=10)
"""Rates at the beginning of the window reach back before it."""
KINDS = (("/orders/{id}", "200", 0.7), ("/orders", "200", 0.295), ("/orders", "500", 0.005))
"""Route, status, and share of the requests."""
SERIES = len(KINDS) * (len(BUCKETS) + 1) + 3
"""Of a service."""


def window(now: datetime) -> tuple[datetime, datetime]:
    """Return two days that lie within one block of Prometheus' database."""
    block = LONGEST_BLOCK.total_seconds()
    start = (now.timestamp() // block - 1) * block + 2 * BEFORE.total_seconds()
    begin = datetime.fromtimestamp(start, UTC)
    return begin, begin + LENGTH


def samples(span: tuple[datetime, datetime]) -> int:
    """Return how many samples each raw series has."""
    return int((span[1] - span[0] + BEFORE) / STEP) + 1


def lines(services: Sequence[str], span: tuple[datetime, datetime]) -> Iterator[str]:
    """Yield the samples of these services for a backfill."""
    first = int((span[0] - BEFORE).timestamp())
    seconds = [first + number * 60 for number in range(samples(span))]
    times = [f" {second}" for second in seconds]
    hours = np.array(seconds) / 3600
    for service in services:
        random = np.random.default_rng(sum(service.encode()) * 7919 + len(service) + hash_of(service))
        for name, values in _series(service, hours, random):
            yield from (f"{name} {value}{time}" for value, time in zip(values, times, strict=True))


def hash_of(name: str) -> int:
    """Return a number that is the same for a name in every process."""
    return int.from_bytes(name.encode(), "big") % 1_000_003


def _series(
    service: str, hours: npt.NDArray[np.float64], random: np.random.Generator
) -> Iterator[tuple[str, list[object]]]:
    labels = f'job="bulk/{service}",version="{VERSION}"'
    day = 0.5 + 0.5 * np.sin(2 * np.pi * (hours % 24) / 24)
    bounds = np.array([float(bound) for bound in BUCKETS[:-1]])
    for route, status, share in KINDS:
        requests = random.poisson(60 * REQUESTS_PER_SECOND * share * (0.35 + day))
        median = 0.02 * random.lognormal(0, 0.1, len(hours))
        below = 1 / (1 + (median[:, None] / bounds[None, :]) ** 2.5)  # log-logistic
        kind = f'{labels},http_route="{route}",http_response_status_code="{status}"'
        within = np.cumsum(random.binomial(requests[:, None], below), axis=0)
        total = np.cumsum(requests)
        within = np.minimum.accumulate(np.column_stack([within, total])[:, ::-1], axis=1)[:, ::-1]
        for place, bound in enumerate(BUCKETS):
            yield f'{DURATION}_bucket{{{kind},le="{bound}"}}', within[:, place].tolist()
        yield f"{DURATION}_count{{{kind}}}", total.tolist()
    busy = np.cumsum(60 * 0.05 * (0.35 + day) * random.lognormal(0, 0.1, len(hours)))
    yield f"process_cpu_seconds_total{{{labels}}}", busy.round(2).tolist()
    memory = 80e6 + 1e6 * random.normal(0, 1, len(hours)).cumsum().clip(-20, 20)
    yield f"process_resident_memory_bytes{{{labels}}}", memory.astype(int).tolist()
    yield f'probe_success{{job="blackbox",service="{service}"}}', [1] * len(hours)
