"""The cheap kind of drill: an alert posted to Alertmanager, for daily use.

It needs no rule, no reload and no rules directory, and it proves the path from Alertmanager on: route,
receiver, person. It says nothing about Prometheus, which the proof of its first hop says too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import DrillResult
from release_watch.clock import now, rfc3339
from release_watch.drills import alertmanager, rulefile
from release_watch.drills.drill import LIFE, Clock, Pause, run_drills
from release_watch.drills.following import DrillRun, Hold, planned
from release_watch.drills.sweep import sweep, sweep_alerts

if TYPE_CHECKING:
    from release_watch.drills.plan import DrillRoute
    from release_watch.drills.receipts import Records
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends
    from release_watch.transport import Transport

PROVES = "posted to Alertmanager directly: this says nothing about Prometheus and its rules"


def fire_direct(
    routes: Sequence[DrillRoute],
    release: Release,
    backends: Backends,
    receivers: Records,
    *,
    deliver_within: timedelta,
    clock: Clock = now,
    pause: Pause = time.sleep,
    life: timedelta = LIFE,
    hold: Hold | None = None,
    forced_by: str | None = None,
    asks: bool = True,
) -> list[DrillResult]:
    """Post one drill per route to Alertmanager, and follow each until it is delivered or known not to arrive.

    Returns what :func:`release_watch.drills.drill.fire` returns, with ``kind`` direct;
    :func:`release_watch.drills.drill.conclude` ends both kinds. Latencies count from the post. Without
    ``asks`` nobody has to answer, and the alert says so: such a drill proves the path up to the receivers.

    Raises:
        NotConfiguredError: without a connection to Alertmanager.
        BackendError: if a server does not answer before the drills are followed. Nothing is left behind.
    """
    test_id = rulefile.new_test_id(clock())
    runs = planned(routes, test_id, clock(), kind="direct", hold=hold, forced_by=forced_by, asks=asks)
    able = [run for run in runs if run.open]
    if able:
        _sweep(backends, release, clock())

        def launch() -> datetime:
            return _post(able, release, backends.alertmanager(), life=life, clock=clock)

        run_drills(
            able,
            launch,
            backends,
            receivers,
            test_id=test_id,
            deliver_within=deliver_within,
            clock=clock,
            pause=pause,
        )
    return [run.result(deliver_within) for run in runs]


def _sweep(backends: Backends, release: Release, at: datetime) -> None:
    """Remove what a killed drill left, its rules too where there is a folder of rules."""
    folder = backends.rules_directory()
    if folder is not None and folder.is_dir():
        sweep(backends, release_id=release.release_id, at=at)
    else:
        sweep_alerts(backends, release_id=release.release_id, at=at)


def _post(
    runs: Sequence[DrillRun], release: Release, server: Transport, *, life: timedelta, clock: Clock
) -> datetime:
    due = clock()
    posted = {run.drill_id: _alert(run, release, due, due + life) for run in runs}
    alertmanager.post(server, list(posted.values()))
    for run in runs:
        digest = hashlib.sha256(json.dumps(posted[run.drill_id], sort_keys=True).encode()).hexdigest()
        run.due = due
        run.passed(
            "fired", clock(), f"POST {server.base_url}{alertmanager.POSTED_TO} sha256:{digest}; {PROVES}"
        )
    return due


def _alert(run: DrillRun, release: Release, opens: datetime, closes: datetime) -> Mapping[str, object]:
    return {
        "labels": rulefile.labelled(run.route, run.drill_id),
        "annotations": rulefile.words(run.route, run.drill_id, release, closes, asks=run.asks),
        "startsAt": rfc3339(opens),  # without it, it would be the end, and nothing could end it earlier
        "endsAt": rfc3339(closes),
    }
