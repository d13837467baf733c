"""Four days of a shop with the load of a day, its noise, and a new version of everything every few hours.

The series are those that the sandbox's shop exports, once a minute: requests with their durations by status,
memory, CPU, orders, and the probe. Traffic follows the day and differs from day to day; what is left of it,
durations and CPU wander as an autoregressive process does; a thousandth of the requests fails, in clusters;
a new process takes half an hour until its memory is what it will be. None of the versions is worse than the
one before.

Beside a release there can be one of the same moment that breaks something in one service: a *twin*, whose
series of that service are under a job of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sandbox.shop.telemetry import DURATION_BUCKETS
from sandbox.shop.topology import SHOP

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

STEP = timedelta(minutes=1)
DAY = 1440
BEFORE = timedelta(hours=48)
APART = timedelta(hours=2, minutes=30)
"""From one deployment to the next: they fall on all times of day."""
TAKING_OVER = 1
"""Minutes from the replacement of one service to that of the next; the last is the deployment's own."""
DURATION = "http_server_request_duration_seconds"
PEAK = {"storefront": 9.0, "checkout": 3.0, "payments": 3.0, "catalogue": 6.0}
"""Requests per second at noon."""
MEDIAN_SECONDS = {"storefront": 0.06, "checkout": 0.055, "payments": 0.03, "catalogue": 0.008}
NIGHT_SHARE = 0.35
FAILING = 0.001


@dataclass(frozen=True)
class Life:
    """What one version of one service does, minute by minute from its start.

    Attributes:
        first: The minute of the history in which it starts.
        requests: Answered requests.
        failing: Share of them that fails.
        seconds: Median duration of a request.
        memory: Bytes held.
        cpu: Cores used.
    """

    first: int
    requests: npt.NDArray[np.int64]
    failing: Floats
    seconds: Floats
    memory: Floats
    cpu: Floats


Fault = Callable[[Life], Life]


def _slow(life: Life) -> Life:
    return replace(life, seconds=life.seconds + 0.3)


def _failing(life: Life) -> Life:
    return replace(life, failing=life.failing + 0.05)


def _leaking(life: Life) -> Life:
    return replace(life, memory=life.memory + 2e6 * np.arange(len(life.memory)))


def _starved(life: Life) -> Life:
    return replace(life, requests=life.requests // 20)


FAULTS: dict[str, tuple[str, str, Fault]] = {
    "0.3 s slower": ("checkout", "latency_p95_seconds", _slow),
    "5 % fail": ("payments", "error_ratio", _failing),
    "leaks 2 MB a minute": ("catalogue", "memory_bytes", _leaking),
    "19 of 20 requests are lost": ("storefront", "throughput_rps", _starved),
}
"""What a twin does worse: its service, the metric that tells, and how."""


CALLED, CALLING = "catalogue", "storefront"
"""In an outage the first stops answering, and most requests of the second fail for it."""
DOWN = "down"
DOWN_AFTER = 20
"""Minutes from the start of the version to the outage."""


def _unanswered(life: Life) -> Life:
    """Return the life of a service that is not scraped any more either."""
    kept = {name: getattr(life, name)[:DOWN_AFTER] for name in vars(life) if name != "first"}
    return replace(life, **kept)


def _let_down(life: Life) -> Life:
    return replace(life, failing=life.failing + 0.6 * (np.arange(len(life.failing)) >= DOWN_AFTER))


OUTAGE: dict[str, Fault] = {CALLED: _unanswered, CALLING: _let_down}


@dataclass(frozen=True)
class Plan:
    """When the history begins, and how many deployments it has."""

    start: datetime
    deployments: int

    def deployed_at(self, number: int) -> datetime:
        """Return when deployment ``number`` (from 1) is complete."""
        return self.start + BEFORE + (number - 1) * APART

    @property
    def minutes(self) -> int:
        """How long the history is."""
        return int((self.deployed_at(self.deployments + 1) - self.start) / STEP)

    def starts(self, service: str) -> list[int]:
        """Return in which minute each version of a service starts; the first of all with the history."""
        later = (len(SHOP) - 1 - list(SHOP).index(service)) * TAKING_OVER
        moments = [self.deployed_at(number) - self.start for number in range(1, self.deployments + 1)]
        return [0, *(int(moment / STEP) - later for moment in moments)]


def plan(deployments: int, now: datetime) -> Plan:
    """Return the plan of a history that ends before the midnight before ``now`` and begins at one."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    whole = Plan(midnight, deployments)
    days = -(-whole.minutes // DAY)
    return replace(whole, start=midnight - timedelta(days=days))


def version(number: int) -> str:
    """Return the version that deployment ``number`` brings; 0 is what runs before the first."""
    return f"1.{number}.0"


def twin_job(service: str, fault: str) -> str:
    """Return the job of a service's series in the release that has this fault, or the outage."""
    return f"shop/{service}/{fault if fault == DOWN else list(FAULTS).index(fault)}"


def lines(what: Plan, seed: int, broken: Sequence[int] = ()) -> Iterator[str]:
    """Yield the samples for a backfill; the deployments ``broken`` have a twin of each fault."""
    for place, service in enumerate(SHOP):
        random, of_twins = (np.random.default_rng([seed, place, kind]) for kind in (0, 1))
        busy = _traffic(what.minutes, random)
        starts = [*what.starts(service), what.minutes]
        for number, (first, end) in enumerate(pairwise(starts)):
            life = _life(service, first, busy[first:end], random)
            yield from _samples(what.start, f"shop/{service}", service, version(number), life, random)
            if number in broken:
                for fault, worsen in _faults_of(service):
                    job, worse = twin_job(service, fault), worsen(life)
                    yield from _samples(what.start, job, service, version(number), worse, of_twins)
                if service == CALLED:
                    answered = (np.arange(end - first) < DOWN_AFTER).astype(int)
                    yield from _written(what.start, first, _probe(service, f"blackbox/{DOWN}"), answered)
        yield from _written(what.start, 0, _probe(service), np.ones(what.minutes, dtype=int))


def _faults_of(service: str) -> Iterator[tuple[str, Fault]]:
    yield from ((fault, worsen) for fault, (of, _, worsen) in FAULTS.items() if of == service)
    if service in OUTAGE:
        yield DOWN, OUTAGE[service]


def _probe(service: str, job: str = "blackbox") -> str:
    return f'probe_success{{job="{job}",service="{service}"}}'


def _wandering(count: int, spread: float, random: np.random.Generator) -> Floats:
    """Return an autoregressive process around 1 with this standard deviation, lag-one correlation 0.8."""
    shocks = random.normal(0, spread * np.sqrt(1 - 0.8**2), count)
    values = np.empty(count)
    last = random.normal(0, spread)
    for place, shock in enumerate(shocks):
        last = 0.8 * last + shock
        values[place] = last
    return np.exp(values)


def _traffic(minutes: int, random: np.random.Generator) -> Floats:
    """Return how busy the shop is in each minute: about 1 at noon."""
    minute = np.arange(minutes)
    height = (1 - np.cos(2 * np.pi * minute / DAY)) / 2
    days = random.normal(1, 0.05, minutes // DAY + 2)
    from_day_to_day = np.interp(minute / DAY, np.arange(len(days)), days)
    shape = NIGHT_SHARE + (1 - NIGHT_SHARE) * height**1.3
    busy: Floats = shape * from_day_to_day * _wandering(minutes, 0.06, random)
    return busy


def _life(service: str, first: int, busy: Floats, random: np.random.Generator) -> Life:
    count = len(busy)
    age = np.arange(count)
    requests = random.poisson(60 * PEAK[service] * busy)
    warm = 1 - np.exp(-age / 10)
    return Life(
        first=first,
        requests=requests,
        failing=FAILING * random.gamma(2.0, 0.5, count),
        seconds=MEDIAN_SECONDS[service] * (1 + 0.2 * busy) * _wandering(count, 0.04, random),
        memory=6e7 + 2.5e7 * warm * _wandering(count, 0.01, random) + 2e6 * ((age % 60) / 60),
        cpu=(0.02 + 0.01 * requests / 60) * _wandering(count, 0.06, random),
    )


def _samples(
    start: datetime, job: str, service: str, number: str, life: Life, random: np.random.Generator
) -> Iterator[str]:
    labels = f'job="{job}",service="{service}",version="{number}"'
    failed = random.binomial(life.requests, np.minimum(life.failing, 1.0))
    bounds = np.array(DURATION_BUCKETS)
    for status, requests in (("200", life.requests - failed), ("500", failed)):
        kind = f'{labels},http_response_status_code="{status}"'
        below = 1 / (1 + (life.seconds[:, None] / bounds[None, :]) ** 4)  # log-logistic
        shares = np.diff(below, prepend=0.0, append=1.0, axis=1)
        within = random.multinomial(requests, shares).cumsum(axis=1).cumsum(axis=0)
        for place, bound in enumerate([*(f"{bound:g}" for bound in DURATION_BUCKETS), "+Inf"]):
            yield from _written(
                start, life.first, f'{DURATION}_bucket{{{kind},le="{bound}"}}', within[:, place]
            )
        yield from _written(start, life.first, f"{DURATION}_count{{{kind}}}", within[:, -1])
    busy = (60 * life.cpu).cumsum().round(3)
    yield from _written(start, life.first, f"process_cpu_seconds_total{{{labels}}}", busy)
    held = life.memory.astype(np.int64)
    yield from _written(start, life.first, f"process_resident_memory_bytes{{{labels}}}", held)
    if service == "checkout":
        orders = (life.requests - failed).cumsum()
        yield from _written(start, life.first, f"shop_orders_total{{{labels}}}", orders)


def _written(start: datetime, first: int, series: str, values: npt.NDArray[np.generic]) -> Iterator[str]:
    begin = int(start.timestamp()) + 60 * first
    yield from (f"{series} {value} {begin + 60 * place}" for place, value in enumerate(values.tolist()))
