"""Made-up services with alerts that are worth tuning: minutes of requests and failures, and the incidents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup

MINUTE = 60
QUIET_ENDS = timedelta(hours=3)
REPORTED_AFTER = 8
"""Minutes from the first failure of an incident to its ticket."""


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble: how many minutes it lasts and how many requests a minute fail, least and most."""

    minutes: tuple[int, int]
    failing: tuple[int, int]
    incident: bool
    weight: int


@dataclass(frozen=True)
class Kind:
    """A kind of service: its traffic, its alert's threshold, and what happens to it before and after.

    ``later`` is what happens in the second half; nothing means the same as before.
    """

    name: str
    why: str
    requests_per_minute: int
    threshold: float
    before: tuple[Trouble, ...]
    later: tuple[Trouble, ...] = ()


_REAL = Trouble((25, 50), (15, 40), incident=True, weight=2)
_SHORT = Trouble((1, 3), (5, 9), incident=False, weight=5)
_LARGE = Trouble((2, 4), (15, 40), incident=False, weight=1)
_LONG = Trouble((15, 25), (5, 9), incident=False, weight=1)

KINDS = (
    Kind(
        "noisy",
        "one request in a hundred pages, and most bursts end by themselves",
        100,
        0.01,
        (_REAL, _SHORT, _LARGE, _LONG),
    ),
    Kind(
        "little traffic",
        "four requests a minute, so one failure is one in twenty",
        4,
        0.04,
        (
            Trouble((25, 50), (2, 4), incident=True, weight=1),
            Trouble((1, 1), (1, 1), incident=False, weight=6),
        ),
    ),
    Kind(
        "blind",
        "one request in five must fail, and incidents are milder",
        100,
        0.2,
        (
            Trouble((40, 90), (8, 16), incident=True, weight=2),
            Trouble((30, 60), (35, 60), incident=True, weight=1),
            Trouble((1, 3), (5, 9), incident=False, weight=3),
        ),
    ),
    Kind(
        "another world",
        "noisy, until short bursts become long ones: what no past can know",
        100,
        0.01,
        (_REAL, _SHORT),
        (_REAL, Trouble((25, 50), (15, 40), incident=False, weight=5)),
    ),
)


@dataclass(frozen=True)
class World:
    """A service of a kind, with its incidents and failures by minute (seconds since 1970)."""

    kind: Kind
    service: str
    failures: dict[int, int]
    incidents: tuple[Incident, ...]

    @property
    def rule(self) -> Rule:
        """The page that is tuned."""
        failed = f'http_requests_total{{job="{self.service}",code="500"}}'
        every = f'http_requests_total{{job="{self.service}"}}'
        return Rule(
            alert="HighErrorRate",
            expr=f"sum(rate({failed}[5m])) / sum(rate({every}[5m])) > {self.kind.threshold}",
            labels={"service": self.service, "severity": "page"},
        )

    @property
    def group(self) -> RuleGroup:
        """The group of the page."""
        return RuleGroup(name=f"symptoms-{self.service}", interval="1m", rules=(self.rule,))

    def within(self, start: datetime, end: datetime) -> list[Incident]:
        """Return the incidents that began in a part of the history."""
        return [one for one in self.incidents if start <= one.opened_at <= end]

    def lines(self, start: int, end: int) -> Iterator[str]:
        """Yield the samples of the service, ``series value seconds``, every minute."""
        for code in ("200", "500"):
            counted = 0
            for moment in range(start, end, MINUTE):
                failed = self.failures.get(moment, 0)
                counted += failed if code == "500" else self.kind.requests_per_minute - failed
                yield f'http_requests_total{{job="{self.service}",code="{code}"}} {counted} {moment}'


def world(kind: Kind, seed: int, start: int, middle: int, end: int) -> World:
    """Return the service of a kind that ``seed`` draws; times in seconds since 1970."""
    service = f"{kind.name.replace(' ', '-')}-{seed}"
    source = random.Random(f"{kind.name} {seed}")  # noqa: S311 - made-up telemetry
    failures: dict[int, int] = {}
    incidents: list[Incident] = []
    margin = int(QUIET_ENDS.total_seconds())
    moment = start + margin
    while moment < end - margin:
        kinds = kind.later if kind.later and moment >= middle else kind.before
        (trouble,) = source.choices(kinds, [one.weight for one in kinds])
        length = source.randint(*trouble.minutes)
        for minute in range(length):
            failures[moment + minute * MINUTE] = source.randint(*trouble.failing)
        if trouble.incident:
            opened, closed = (_at(moment, minutes) for minutes in (REPORTED_AFTER, length))
            name = f"{service}-{len(incidents) + 1}"
            incidents.append(Incident(name, "", "requests fail", service, opened, closed))
        moment += source.randint(150, 400) * MINUTE
    return World(kind, service, failures, tuple(incidents))


def _at(moment: int, minutes: int) -> datetime:
    return datetime.fromtimestamp(moment + minutes * MINUTE, UTC)
