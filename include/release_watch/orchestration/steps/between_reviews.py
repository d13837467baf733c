"""What the light watch between two reviews asks, and which server."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.instrumentation import REFERENCE

if TYPE_CHECKING:
    from release_watch.catalog.models import Service


def questions(run: ProtocolRun) -> list[tuple[str, str]]:
    """Return connection and instant query of each question; none where there is nobody to ask.

    The bounds are fixed by the reference baseline here, on a worker: a poll compares and computes nothing.
    """
    from release_watch.watch.signs import alert_query

    try:
        conn_id = run.backends.rule_extra().connection
        alerts = alert_query(run.release.services, run.release.environment, run.release.deployed_at)
        return [(conn_id, alerts), *_signals(run, conn_id)]
    except ReleaseWatchError as error:
        log.warning("Nothing is watched between reviews: %s", error)
        return []


def _signals(run: ProtocolRun, conn_id: str) -> list[tuple[str, str]]:
    from release_watch.baseline.frames import from_parquet
    from release_watch.dashboards.connections import connection_of
    from release_watch.watch.signs import bounds_of, signal_query

    if not run.store.exists(REFERENCE):
        log.warning("Only alerts are watched between reviews: there are no samples from before the release")
        return []
    reference = from_parquet(run.store.read_bytes(REFERENCE))
    by_server: dict[str, list[Service]] = defaultdict(list)
    for service in run.services:
        by_server[connection_of(service.signals.metrics) or conn_id].append(service)
    policies = run.config.policies
    asked = []
    for server, services in by_server.items():
        bounds = bounds_of(
            services,
            reference,
            policies.judge,
            step=policies.baseline.step,
            version=run.release.version,
        )
        if bounds:
            asked.append((server, signal_query(bounds)))
    return asked
