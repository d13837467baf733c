"""The audit of the shop on real servers: it finds what is broken in its telemetry, and nothing else."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Signal
from release_watch.catalog.config import load_config
from release_watch.catalog.models import Service
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.audit import audit
from release_watch.release import Release
from release_watch.telemetry.prometheus_api import targets
from release_watch.verdict import Verdict
from sandbox import faults
from sandbox.shop import fleet
from sandbox.shop.topology import SHOP, endpoints_of
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends

REPOSITORY = Path(__file__).parents[2]
OLD, NEW = "1.0.0", "1.1.0"
SEED = 27412
"""Draws every kind of fault, and few of those that Prometheus takes five seconds to notice."""
COMBINATIONS = 10
MOST_FAULTS = 4
DAY_SECONDS, PEAK_VISITS = 2.0, 14.0
"""A day so short that the load is the same all the time."""
POLICY = CoveragePolicy(
    live_within=timedelta(seconds=60),
    max_gap=timedelta(seconds=3),
    max_series=600,
    max_clock_skew=timedelta(seconds=3),
)
SILENT_AFTER = timedelta(seconds=6)
SWITCHED_SECONDS = 3.5
"""Until a switch is in every sample: the services look once a second, and are scraped as often."""
AHEAD_SECONDS = 8.0
GAP_SECONDS = 4.0
PATIENCE_SECONDS = 40.0
POLL_SECONDS = 0.5
SCRAPED_SECONDS = 1.0
ARRIVES_SECONDS = 3.0
"""Log lines and spans are sent every two seconds."""
STAYS_SECONDS = 1.0

Gap = tuple[str, str, str, str]
"""Service, signal, check, and its status."""
FAIL, OPEN = CoverageStatus.FAIL, CoverageStatus.INCONCLUSIVE


class Kind(NamedTuple):
    """One way to break telemetry, and the checks that cannot pass then; ``off`` is the signal it loses."""

    switch: str
    value: float | str | None = None
    checks: frozenset[tuple[Signal, str, CoverageStatus]] = frozenset()
    off: Signal | None = None


def _off(signal: Signal, switched: str, **checks: CoverageStatus) -> Kind:
    lost = frozenset((signal, check, status) for check, status in checks.items())
    return Kind("signal-off", switched, lost, signal)


def _distorted(switch: str, check: str, *signals: Signal, value: float | str | None = None) -> Kind:
    return Kind(switch, value, frozenset((signal, check, FAIL) for signal in signals))


OFF = {
    "metrics off": _off(Signal.METRICS, "metrics", live=FAIL, release=OPEN),
    "logs off": _off(Signal.LOGS, "logs", live=FAIL, release=OPEN),
    "traces off": _off(Signal.TRACES, "traces", live=FAIL, release=FAIL),
    "probe off": _off(Signal.SYNTHETICS, "probe", live=FAIL, succeeds=FAIL),
}
KINDS = {
    **OFF,
    "old version": _distorted("old-version", "release", *Signal, value=OLD),
    "endpoint uncounted": _distorted("route-uncounted", "endpoints", Signal.METRICS),
    "no histogram": _distorted("no-histogram", "histogram", Signal.METRICS),
    "no status": _distorted("no-status", "outcomes", Signal.METRICS),
    "sum is NaN": _distorted("nan", "values", Signal.METRICS),
    "label explosion": _distorted("label-explosion", "cardinality", Signal.METRICS, value=100.0),
    "scrape gaps": _distorted("gaps", "gaps", Signal.METRICS, value=GAP_SECONDS),
    "clock skew": _distorted("clock-skew", "clock", Signal.LOGS, Signal.TRACES, value=AHEAD_SECONDS),
}


class Broken(NamedTuple):
    """One fault of one service."""

    service: str
    kind: str


Combination = tuple[Broken, ...]


def predicted(combination: Combination) -> set[Gap]:
    """The gaps that a combination must show: a signal that is off has nothing else to find fault with."""
    gaps: set[Gap] = set()
    off = {(broken.service, KINDS[broken.kind].off) for broken in combination}
    for service, name in combination:
        kind = KINDS[name]
        gaps |= {
            (service, signal, check, status)
            for signal, check, status in kind.checks
            if kind.off is signal or (service, signal) not in off
        }
    return gaps


def drawn(seed: int) -> list[Combination]:
    """Ten combinations of one to four faults, always the same for a seed."""
    chance = random.Random(seed)
    every = [Broken(service, kind) for service in sorted(SHOP) for kind in KINDS]
    return [tuple(chance.sample(every, chance.randint(1, MOST_FAULTS))) for _ in range(COMBINATIONS)]


def each_signal_off() -> list[Combination]:
    """Every signal of every service, in two rounds: in each, every service loses two others."""
    kinds = list(OFF)
    return [
        tuple(
            Broken(service, kinds[(number + shift) % len(kinds)])
            for number, service in enumerate(sorted(SHOP))
            for shift in shifts
        )
        for shifts in ((0, 1), (2, 3))
    ]


def in_words(combination: Combination) -> str:
    return ", ".join(f"{broken.service} {broken.kind}" for broken in combination)


@dataclass
class Shop:
    """The running shop, and the release that is audited: its telemetry counts from ``deployed_at`` on."""

    root: Path
    backends: DirectBackends
    services: tuple[Service, ...]
    deployed_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    skewed: bool = False

    def audited(self, policy: CoveragePolicy = POLICY) -> InstrumentationAudit:
        release = Release(
            deployment_id=f"deploy-{NEW}",
            release_id=f"shop-{NEW}",
            version=NEW,
            environment="production",
            services=tuple(SHOP),
            deployed_at=self.deployed_at,
            evidence_uri="file:///evidence",
        )
        wanted = {name: [f"{e.method} {e.path}" for e in endpoints_of(name, NEW)] for name in SHOP}
        return audit(
            release,
            self.services,
            self.backends,
            endpoints=wanted,
            policy=policy,
            at=datetime.now(UTC),
        )

    def has_only(self, combination: Combination) -> None:
        """Mend everything, break this, and let the release begin when every sample shows it."""
        faults.clear_faults(self.root)
        # Scrapes work at first, then fail: the release has to begin before they do.
        later = [broken for broken in combination if broken.kind == "scrape gaps"]
        self.break_them(broken for broken in combination if broken not in later)
        time.sleep(self._skewed_seconds(combination) + SWITCHED_SECONDS)
        self._wait_for_targets(combination)
        self.break_them(later)
        self.deployed_at = datetime.now(UTC)

    def break_them(self, broken: Iterable[Broken]) -> None:
        """Turn these faults on, and leave the release as it is."""
        for service, name in broken:
            kind = KINDS[name]
            route = endpoints_of(service, NEW)[-1].path if kind.switch == "route-uncounted" else None
            lasts = 5 * GAP_SECONDS if kind.switch == "gaps" else None
            faults.set_fault(
                self.root, kind.switch, service=service, value=kind.value, route=route, seconds=lasts
            )

    def _skewed_seconds(self, combination: Combination) -> float:
        """How long lines and spans of an earlier combination still bear times to come."""
        before, self.skewed = self.skewed, any(broken.kind == "clock skew" for broken in combination)
        return AHEAD_SECONDS if before and not self.skewed else 0.0

    def _wait_for_targets(self, combination: Combination) -> None:
        """Wait until Prometheus scrapes what it is told to: it takes new targets only every five seconds."""
        versions = {name: OLD if Broken(name, "old version") in combination else NEW for name in SHOP}
        probed = {name for name in SHOP if Broken(name, "probe off") not in combination}
        wanted = {(f"shop/{name}", name, version) for name, version in versions.items()}
        wanted |= {("blackbox", name, versions[name]) for name in probed}
        deadline = time.monotonic() + PATIENCE_SECONDS
        waited = False
        while self._targets() != wanted:
            assert time.monotonic() < deadline, f"Prometheus scrapes {self._targets()}, not {wanted}"
            time.sleep(POLL_SECONDS)
            waited = True
        time.sleep(SCRAPED_SECONDS if waited else 0)

    def _targets(self) -> set[tuple[str, str, str]]:
        labels = [target.labels for target in targets(self.backends.prometheus())]
        return {(of["job"], of["service"], of["version"]) for of in labels if "service" in of}

    def settled(self, expected: set[Gap], policy: CoveragePolicy = POLICY) -> set[Gap]:
        """The gaps when they are those expected, or when patience is at its end; and a moment later still."""
        time.sleep(ARRIVES_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while gaps(self.audited(policy)) != expected and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        time.sleep(STAYS_SECONDS)
        return gaps(self.audited(policy))


def gaps(found: InstrumentationAudit) -> set[Gap]:
    """Every check that did not pass."""
    return {
        (entry.service, signal, check.name, check.status)
        for entry in found.services
        for signal, judged in entry.signals.items()
        for check in judged.checks
        if check.status is not CoverageStatus.PASS
    }


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not arrived is a gap from the first second on: here it is the test that has the patience."""
    monkeypatch.setattr("release_watch.coverage.patience.ARRIVAL", timedelta(0))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop under load on servers of its own: all services but payments have been replaced."""
    root = tmp_path_factory.mktemp("audited-shop")
    with Stack(root, ("telemetry_store", "blackbox", "prometheus")) as stack:
        fleet.start(root, version=OLD, day=DAY_SECONDS, peak=PEAK_VISITS, tethered=True)
        try:
            fleet.deploy(root, NEW, [name for name in SHOP if name != "payments"])
            services = load_config(REPOSITORY / "include" / "config").catalog.select(tuple(SHOP))
            yield Shop(root, DirectBackends(stack.endpoints), services)
        finally:
            fleet.stop(root)


@pytest.mark.usefixtures("at_once")
def test_a_service_that_the_deployment_left_out_is_found_by_its_old_version(shop: Shop) -> None:
    left_out = {("payments", signal, "release", FAIL) for signal in Signal}
    expected = {*left_out, ("payments", Signal.METRICS, "endpoints", FAIL)}

    assert shop.settled(expected) == expected

    said = next(s for s in shop.audited().services if s.service == "payments").signals[Signal.METRICS]
    assert [check.observed for check in said.checks if check.name == "release"] == [f"only version {OLD}"]


def test_the_healthy_shop_passes_every_check_right_after_its_deployment(shop: Shop) -> None:
    fleet.deploy(shop.root, NEW)
    shop.deployed_at = datetime.now(UTC)

    assert shop.settled(set()) == set()

    found = shop.audited()
    assert found.verdict is Verdict.GO
    assert {service.score for service in found.services} == {1.0}


FIRST, SECOND = each_signal_off()


@pytest.mark.usefixtures("at_once")
def test_half_of_the_signals_falling_silent_some_time_after_the_deployment_are_found(shop: Shop) -> None:
    quick = POLICY.model_copy(update={"live_within": SILENT_AFTER, "max_gap": POLICY.live_within})
    shop.break_them(FIRST)
    assert shop.settled(predicted(FIRST), quick) == predicted(FIRST)


@pytest.mark.usefixtures("at_once")
def test_the_other_half_missing_from_the_deployment_on_are_found(shop: Shop) -> None:
    shop.has_only(SECOND)
    assert shop.settled(predicted(SECOND)) == predicted(SECOND)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "combination",
    [
        pytest.param(combination, id=f"seed {SEED} number {number}: {in_words(combination)}")
        for number, combination in enumerate(drawn(SEED), start=1)
    ],
)
def test_any_combination_of_faults_is_found_and_nothing_else(shop: Shop, combination: Combination) -> None:
    shop.has_only(combination)
    expected = predicted(combination)
    assert shop.settled(expected) == expected
