"""Following drills from hop to hop, as Prometheus, Alertmanager and the receiver tell of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from release_watch.artifacts.models import DrillResult, Hop, Hops
from release_watch.drills import alertmanager
from release_watch.drills.diagnosis import HopName, diagnose, meanwhile
from release_watch.drills.rulefile import alert_test_of
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry import prometheus_api
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from release_watch.drills.alertmanager import Notifications, RoutedAlert
    from release_watch.drills.plan import DrillRoute
    from release_watch.drills.receipts import Receipts
    from release_watch.telemetry.backends import Backends

POLL_SECONDS = 0.25


@dataclass
class DrillRun:
    """One drill under way: the hops it has passed, and why it stopped if it did."""

    drill_id: str
    route: DrillRoute
    due: datetime
    hops: dict[str, Hop] = field(default_factory=dict)
    verdict: Verdict = Verdict.INCONCLUSIVE
    diagnosis: str | None = None

    def __post_init__(self) -> None:
        if self.route.obstacle:
            self.stop(Verdict.NO_GO, self.route.obstacle)

    @property
    def open(self) -> bool:
        """Whether it is still on its way."""
        return self.verdict is Verdict.INCONCLUSIVE and self.next_hop is not None

    @property
    def delivered(self) -> bool:
        """Whether a receiver has it."""
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
            kind="full",
            service=self.route.service,
            severity=self.route.severity,
            route=self.route.way.route,
            receiver=", ".join(self.route.expected) or None,
            hops=Hops(**self.hops),
            acknowledged_by=None,
            target_seconds=target.total_seconds(),
            verdict=self.verdict,
            diagnosis=self.diagnosis,
        )


def follow(
    runs: Sequence[DrillRun],
    backends: Backends,
    receipts: Receipts,
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
        _stop_unloaded(runs, backends)
        while (waiting := [run for run in runs if run.open]) and clock() < deadline:
            _look(waiting, backends, receipts, clock)
            if any(run.open for run in waiting):
                pause(POLL_SECONDS)
        for run in runs:
            if run.open and (hop := run.next_hop) is not None:
                run.stop(
                    Verdict.NO_GO, diagnose(run.route, hop, backends, drill_id=run.drill_id, before=before)
                )
        _note_failures(runs, backends, before)
    except ReleaseWatchError as error:
        for run in runs:
            if run.open:
                run.stop(Verdict.ERROR, f"The drill could not be followed past {run.next_hop}: {error}")


def _stop_unloaded(runs: Sequence[DrillRun], backends: Backends) -> None:
    loaded = {rule.labels.get("drill_id") for rule in prometheus_api.rules(backends.prometheus())}
    for run in runs:
        if run.drill_id not in loaded:
            run.stop(Verdict.NO_GO, diagnose(run.route, "fired", backends, drill_id=run.drill_id))


def _look(
    waiting: Sequence[DrillRun], backends: Backends, receipts: Receipts, clock: Callable[[], datetime]
) -> None:
    prometheus, server = backends.prometheus(), backends.alertmanager()
    firing = {
        alert.labels.get("drill_id"): alert
        for alert in prometheus_api.alerts(prometheus)
        if alert.state == "firing"
    }
    tests = "|".join(sorted({alert_test_of(run.drill_id) for run in waiting}))
    accepted = {
        alert.labels.get("drill_id"): alert
        for alert in alertmanager.alerts(server, [alertmanager.DRILL_FILTER, f'drill_id=~"({tests})-.*"'])
    }
    seen = clock()
    for run in waiting:
        if (fired := firing.get(run.drill_id)) is not None:
            entry = {"labels": fired.labels, "activeAt": fired.active_at.isoformat()}
            run.passed("fired", seen, _proof(f"{prometheus.base_url}/api/v1/alerts", entry))
        if (routed := accepted.get(run.drill_id)) is not None:
            _see_routed(
                run, routed, backends, seen, _proof(f"{server.base_url}/api/v2/alerts", routed._asdict())
            )
        receipt = receipts.find(run.drill_id, "firing", run.route.expected)
        if receipt is not None and run.next_hop == "delivered" and run.open:
            run.passed("delivered", receipt.at, f"{receipt.uri} sha256:{receipt.sha256}")


def _see_routed(run: DrillRun, routed: RoutedAlert, backends: Backends, seen: datetime, proof: str) -> None:
    stays = routed.state == "suppressed" or run.route.misrouted
    if stays or not set(run.route.expected) <= set(routed.receivers):
        run.stop(Verdict.NO_GO, diagnose(run.route, "accepted", backends, drill_id=run.drill_id))
    elif routed.state == "active":
        run.passed("accepted", seen, proof)


def _note_failures(runs: Sequence[DrillRun], backends: Backends, before: Notifications) -> None:
    for run in runs:
        if run.delivered and run.diagnosis is None:
            run.diagnosis = meanwhile(run.route, backends, before)


def _proof(url: str, entry: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()
    return f"{url} sha256:{digest}"
