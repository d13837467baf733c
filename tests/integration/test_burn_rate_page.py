"""Pages of burning error budgets in real servers: when they come, when they go, and when they must not go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import pytest

from release_watch.slo.activation import activate
from release_watch.slo.rulefile import to_yaml
from release_watch.slo.windows import BurnWindow, burn_windows, time_to_detect, time_to_reset
from sandbox.backfill import backfill
from sandbox.stack import Stack
from tests.integration.burning import EVALUATION, OBJECTIVE, Service, Target
from tests.integration.direct import DirectBackends

SCRAPE_SECONDS = 1.0
EARLY_SECONDS = SCRAPE_SECONDS + EVALUATION.total_seconds()
START_SECONDS = 20
"""Until the pages are due: the servers run by then, or a little later."""
FEW_ERRORS = Decimal("0.016")
"""Few enough that the page, by the closed form, resolves half a minute after them; many enough to come."""
OUTAGE_SECONDS = 60
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.5
EVALUATIONS = 4

Seen = TypeVar("Seen")


class World(NamedTuple):
    """Running servers, and three services: of two, ``burst`` and ``outage``, the page is due at ``due``."""

    backends: DirectBackends
    burst: Service
    outage: Service
    lost: Service
    outage_target: Target
    due: float

    def samples(self, query: str) -> list[tuple[float, float]]:
        """Return every sample that Prometheus itself stored of one series, with its time."""
        answer = self.backends.prometheus().request("GET", "/api/v1/query", params={"query": f"{query}[10m]"})
        found = answer.body["data"]["result"]
        samples = [(moment, float(value)) for one in found for moment, value in one["values"]]
        return [sample for sample in samples if sample[0] > self.due - START_SECONDS]

    def pages(self, service: Service) -> list[float]:
        """Return the times of evaluations at which the page fired."""
        of_page = f'alertname="SloBurnRatePage",alertstate="firing",slo="{service.name}"'
        return [at for at, _ in self.samples(f"ALERTS{{{of_page}}}")]

    def evaluations(self, service: Service) -> list[float]:
        """Return the times at which the rules ran; what is recorded here stands in the page's group."""
        return [at for at, _ in self.samples(f'slo:error_ratio:rate1h{{slo="{service.name}"}}')]

    def scrapes(self, service: Service) -> list[tuple[float, float]]:
        """Return when the service was scraped, and 1, or 0 where it did not answer."""
        return self.samples(f'up{{job="{service.name}"}}')

    def told(self, service: Service, status: str) -> list[Mapping[str, Any]]:
        """Return the pages of a service, ``firing`` or ``resolved``, of which on-call was told."""
        receipts = self.backends.transport("receiver").request("GET", "/receipts").body
        return [
            alert
            for receipt in receipts
            for alert in receipt["notification"]["alerts"]
            if alert["labels"].get("slo") == service.name
            and (alert["labels"]["alertname"], alert["status"]) == ("SloBurnRatePage", status)
        ]

    def latest(self, service: Service, due: float) -> float:
        """Return the first evaluation that can have seen what had happened by ``due``."""
        scraped = awaited(
            lambda: [at for at, up in self.scrapes(service) if up and at > due + SCRAPE_SECONDS]
        )
        return awaited(lambda: [at for at in self.evaluations(service) if at > scraped[0]])[0]


def awaited(look: Callable[[], Sequence[Seen]], number: int = 1) -> Sequence[Seen]:
    """Return what there is to be seen once there is enough of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := look()) < number:
        assert time.monotonic() < deadline, f"{len(found)} of {number} within {PATIENCE_SECONDS} s"
        time.sleep(POLL_SECONDS)
    return found


def fast_arm() -> BurnWindow:
    return burn_windows("shop", OBJECTIVE, 30)[0]


def predicted(share: Decimal) -> float:
    """Return after how many seconds of errors the fast arm of the page fires."""
    length = time_to_detect(fast_arm(), OBJECTIVE, share)
    assert length is not None
    return length.total_seconds()


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two services fail since just as long before ``due`` as it takes; of the third only a past is left.

    Its short window runs empty, too, when the others' pages are due.
    """
    stack = Stack(tmp_path_factory.mktemp("burn"), ["prometheus", "alertmanager"])
    due = time.time() + START_SECONDS
    vanished = due - fast_arm().short.total_seconds()
    burst = Service("burst", due - predicted(FEW_ERRORS), FEW_ERRORS)
    outage = Service("outage", due - predicted(Decimal(1)), Decimal(1))
    lost = Service("lost", vanished - OUTAGE_SECONDS, Decimal(1), vanished)
    services = (burst, outage, lost)
    backfill(stack.layout, (line for service in services for line in service.past(time.time())))
    stack.layout.make()
    with ExitStack() as running:
        for service in (burst, outage):
            target = Target(service, stack.layout.service_targets)
            running.callback(target.stop)
        running.enter_context(stack)
        backends = DirectBackends(stack.endpoints)
        rules = [group for service in services for group in service.rules()]
        activate(to_yaml(rules), "burning", backends, timeout=timedelta(seconds=PATIENCE_SECONDS))
        yield World(backends, burst, outage, lost, target, due)


def test_a_burst_of_errors_pages_and_resolves_when_the_closed_forms_say(world: World) -> None:
    fired = seconds(awaited(lambda: world.told(world.burst, "firing"))[0]["startsAt"])
    healed = world.burst.heal()
    assert fired >= world.due - EARLY_SECONDS
    assert fired <= world.latest(world.burst, world.due)

    resolved = seconds(awaited(lambda: world.told(world.burst, "resolved"))[0]["endsAt"])
    due = healed + time_to_reset(fast_arm(), FEW_ERRORS).total_seconds()
    assert resolved >= due - EARLY_SECONDS
    assert resolved <= world.latest(world.burst, due)


def test_an_outage_pages_when_the_closed_form_says_and_goes_on_when_its_target_vanishes(world: World) -> None:
    fired = seconds(awaited(lambda: world.told(world.outage, "firing"))[0]["startsAt"])
    assert fired >= world.due - EARLY_SECONDS
    assert fired <= world.latest(world.outage, world.due)

    world.outage_target.stop()
    gone = awaited(lambda: [at for at, up in world.scrapes(world.outage) if not up])[0]
    since = awaited(lambda: [at for at in world.evaluations(world.outage) if at > gone], EVALUATIONS)
    assert set(since) <= set(world.pages(world.outage))
    assert world.told(world.outage, "resolved") == []


def test_a_page_of_a_target_that_vanished_goes_on_when_its_short_window_is_empty(world: World) -> None:
    empty = world.due + SCRAPE_SECONDS
    awaited(lambda: [at for at in world.evaluations(world.lost) if at > empty], EVALUATIONS)

    short = world.samples(f'slo:error_ratio:rate5m{{slo="{world.lost.name}"}}')
    assert [at for at, _ in short if at > empty] == []
    evaluations = world.evaluations(world.lost)
    assert set(evaluations) <= set(world.pages(world.lost))
    assert world.told(world.lost, "resolved") == []
