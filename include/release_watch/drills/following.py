"""Following drills from hop to hop, as Prometheus, Alertmanager and the receivers tell of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from release_watch.artifacts.models import DrillResult, Hop, Hops
from release_watch.drills import alertmanager
from release_watch.drills.diagnosis import HopName, diagnose, meanwhile
from release_watch.drills.plan import PAGE, DrillRoute
from release_watch.drills.receipts import Receipt, Records, proof_of
from release_watch.drills.rulefile import alert_test_of
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry import prometheus_api
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from release_watch.drills.alertmanager import Notifications, RoutedAlert
    from release_watch.telemetry.backends import Backends

POLL_SECONDS = 0.25
"""How exactly the hops are timed that carry no time of their own."""
LATER_POLL_SECONDS = 2.0
FAST_FOR = timedelta(seconds=30)
"""What has not come by then is not timed to a quarter of a second, and the servers are asked less often."""

Kind = Literal["full", "direct"]
Hold = Callable[[DrillRoute], str | None]
"""Says why a route must not be drilled now, None if it may."""


@dataclass
class DrillRun:
    """One drill under way: the hops it has passed, and why it stopped if it did."""

    drill_id: str
    route: DrillRoute
    due: datetime
    kind: Kind = "full"
    forced_by: str | None = None
    asks: bool = True
    hops: dict[str, Hop] = field(default_factory=dict)
    verdict: Verdict = Verdict.INCONCLUSIVE
    diagnosis: str | None = None

    def __post_init__(self) -> None:
        if self.route.obstacle:  # a page that tells nobody is a fault, a ticket a flaw
            self.stop(Verdict.NO_GO if self.route.severity == PAGE else Verdict.WARN, self.route.obstacle)

    @property
    def open(self) -> bool:
        """Whether it is still on its way."""
        stopped = self.verdict is not Verdict.INCONCLUSIVE or self.diagnosis is not None
        return not stopped and self.next_hop is not None

    @property
    def delivered(self) -> bool:
        """Whether every receiver has it."""
        return "delivered" in self.hops

    @property
    def next_hop(self) -> HopName | None:
        """The first hop that is not proven yet, up to the receiver."""
        hops: tuple[HopName, ...] = ("fired", "accepted", "delivered")
        return next((hop for hop in hops if hop not in self.hops), None)

    def passed(self, hop: HopName, at: datetime, proof: str) -> None:
        """Record that a hop was seen, once.

        We poll, while receipts carry their own time: what came before a hop was there when the hop was.
        """
        if hop in self.hops:
            return
        for name, earlier in self.hops.items():
            if earlier.at is not None and earlier.at > at:
                self.hops[name] = self._hop(at, earlier.proof)
        self.hops[hop] = self._hop(at, proof)

    def _hop(self, at: datetime, proof: str | None) -> Hop:
        return Hop(at=at, latency=round((at - self.due).total_seconds(), 3), proof=proof)

    def stop(self, verdict: Verdict, diagnosis: str) -> None:
        """Record that it will not arrive, and why."""
        self.verdict, self.diagnosis = verdict, diagnosis

    def result(self, target: timedelta) -> DrillResult:
        """Return what is known of the drill."""
        return DrillResult(
            drill_id=self.drill_id,
            kind=self.kind,
            service=self.route.service,
            severity=self.route.severity,
            route=self.route.way.route,
            receiver=", ".join(self.route.expected) or None,
            receivers=self.route.expected,
            stands_for=self.route.stands_for,
            hops=Hops(**self.hops),
            acknowledged_by=None,
            target_seconds=target.total_seconds(),
            verdict=self.verdict,
            diagnosis=self.diagnosis,
            forced_by=self.forced_by,
            answer_needed=self.asks and self.route.severity == PAGE,
        )


def planned(
    routes: Sequence[DrillRoute],
    test_id: str,
    at: datetime,
    *,
    kind: Kind,
    hold: Hold | None,
    forced_by: str | None,
    asks: bool = True,
) -> list[DrillRun]:
    """Return a drill per route; one with an obstacle, or that ``hold`` has a reason against, is stopped."""
    runs = [
        DrillRun(f"{test_id}-{number}", route, at, kind, forced_by, asks)
        for number, route in enumerate(routes, start=1)
    ]
    for run in runs:
        if hold is not None and run.open and (reason := hold(run.route)) is not None:
            run.stop(Verdict.INCONCLUSIVE, f"Held back: {reason}")
    return runs


def follow(
    runs: Sequence[DrillRun],
    backends: Backends,
    receivers: Records,
    before: Notifications,
    *,
    due: datetime,
    deadline: datetime,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
) -> None:
    """Watch ``runs`` until each is delivered or stopped; diagnose those still on their way at ``deadline``.

    A server that does not answer stops the drills that are under way with ERROR.
    """
    for run in runs:
        run.due = due
    try:
        _stop_unloaded([run for run in runs if run.kind == "full"], backends)
        while (waiting := [run for run in runs if run.open]) and clock() < deadline:
            _look(waiting, backends, receivers, clock)
            if any(run.open for run in waiting):
                pause(POLL_SECONDS if clock() < due + FAST_FOR else LATER_POLL_SECONDS)
        for run in runs:
            if run.open and (hop := run.next_hop) is not None:
                missing = receivers.missing(run.drill_id, "firing", run.route.expected)
                run.stop(Verdict.NO_GO, _why(run, hop, backends, before, missing))
        _note_failures(runs, backends, before)
    except ReleaseWatchError as error:
        for run in runs:
            if run.open:
                run.stop(Verdict.ERROR, f"The drill could not be followed past {run.next_hop}: {error}")


def _stop_unloaded(runs: Sequence[DrillRun], backends: Backends) -> None:
    if not runs:
        return
    loaded = {rule.labels.get("drill_id") for rule in prometheus_api.rules(backends.prometheus())}
    for run in runs:
        if run.drill_id not in loaded:
            run.stop(Verdict.NO_GO, _why(run, "fired", backends))


def _look(
    waiting: Sequence[DrillRun], backends: Backends, receivers: Records, clock: Callable[[], datetime]
) -> None:
    server = backends.alertmanager()
    if any(run.kind == "full" for run in waiting):
        _see_fired(waiting, backends, clock)
    tests = "|".join(sorted({alert_test_of(run.drill_id) for run in waiting}))
    accepted = {
        alert.labels.get("drill_id"): alert
        for alert in alertmanager.alerts(server, [alertmanager.DRILL_FILTER, f'drill_id=~"({tests})-.*"'])
    }
    seen = clock()
    for run in waiting:
        if (routed := accepted.get(run.drill_id)) is not None:
            proof = _proof(f"{server.base_url}/api/v2/alerts", routed._asdict())
            _see_routed(run, routed, backends, seen, proof)
        if run.next_hop == "delivered" and run.open:
            _see_delivered(run, receivers)


def _see_fired(waiting: Sequence[DrillRun], backends: Backends, clock: Callable[[], datetime]) -> None:
    prometheus = backends.prometheus()
    firing = {
        alert.labels.get("drill_id"): alert
        for alert in prometheus_api.alerts(prometheus)
        if alert.state == "firing"
    }
    seen = clock()
    for run in waiting:
        if (fired := firing.get(run.drill_id)) is not None:
            entry = {"labels": fired.labels, "activeAt": fired.active_at.isoformat()}
            run.passed("fired", seen, _proof(f"{prometheus.base_url}/api/v1/alerts", entry))


def _see_delivered(run: DrillRun, receivers: Records) -> None:
    found: list[Receipt] = []
    for name in run.route.expected:
        receipt = receivers.find(run.drill_id, "firing", [name])
        if receipt is None:
            return
        found.append(receipt)
    if found:
        run.passed("delivered", max(receipt.at for receipt in found), proof_of(found))


def _see_routed(run: DrillRun, routed: RoutedAlert, backends: Backends, seen: datetime, proof: str) -> None:
    stays = routed.state == "suppressed" or run.route.misrouted
    if stays or not set(run.route.expected) <= set(routed.receivers):
        run.stop(Verdict.NO_GO, _why(run, "accepted", backends))
    elif routed.state == "active":
        run.passed("accepted", seen, proof)


def _why(
    run: DrillRun,
    hop: HopName,
    backends: Backends,
    before: Notifications | None = None,
    missing: Sequence[str] | None = None,
) -> str:
    return diagnose(
        run.route,
        hop,
        backends,
        drill_id=run.drill_id,
        before=before,
        missing=missing,
        direct=run.kind == "direct",
    )


def _note_failures(runs: Sequence[DrillRun], backends: Backends, before: Notifications) -> None:
    for run in runs:
        if run.delivered and run.diagnosis is None:
            run.diagnosis = meanwhile(run.route, backends, before)


def _proof(url: str, entry: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()
    return f"{url} sha256:{digest}"
