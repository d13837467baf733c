"""Is the service there: its instances, its telemetry, and the answer that it gives to its probe."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from release_watch.slo.rulefile import Rule, duration
from release_watch.slo.symptom_alerts import TWO_SCRAPES, Watched

HEARTBEATS = (
    "up",
    "target_info",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
)
"""What a service shows as long as it lives, requests or not; only what is scraped has ``up``."""

BUSY = "0.1"
"""At so many requests per second, a few minutes without one are no chance."""

RESTARTS = 3
RESTARTS_IN = timedelta(minutes=30)
"""A deployment restarts an instance once, and perhaps once more where it is corrected."""

_ABSENT = "ServiceTelemetryAbsent"
_HELD = f"twice Prometheus' default scrape interval, {duration(TWO_SCRAPES)}"


def availability(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield the alerts on a service that is down, invisible or does not answer."""
    if up := watched.metric("up"):
        yield (
            watched.alert(
                "ServiceDown",
                f"max({up}) == 0",
                watched.urgent,
                summary="no instance answers Prometheus",
                description="Every instance fails its scrape: the service is down or cannot be reached.",
                threshold=f"all instances down for {_HELD}",
                hold=TWO_SCRAPES,
            ),
        )
    if watched.service.signals.metrics is not None:
        yield (_telemetry_absent(watched, watched.service.signals.metrics.selector),)
    if watched.service.signals.synthetics is not None:
        probe = f"probe_success{{{watched.service.signals.synthetics.selector}}}"
        yield (
            watched.alert(
                "ServiceProbeFailing",
                f"max({probe}) == 0 or max(absent({probe})) == 1",
                watched.urgent,
                summary="the synthetic check fails",
                description="The service does not answer as a user would reach it, or nobody probes it.",
                threshold=f"no successful probe for {_HELD}",
                hold=TWO_SCRAPES,
            ),
        )
    if started := watched.metric("process_start_time_seconds"):
        yield (_restarting(watched, started),)


def _telemetry_absent(watched: Watched, selector: str) -> Rule:
    """Return the alert on a service that cannot be watched.

    A request counter may be missing after a restart until the first request comes, so that it counts as gone
    only where the service was busy before; and once that is said, until it is back.
    """
    heartbeat = next((found for name in HEARTBEATS if (found := watched.metric(name))), None)
    requests = watched.red.total if watched.red else None
    gone = f"absent({heartbeat or requests or f'{{{selector}}}'})"
    if heartbeat and requests:
        busy = f"sum(rate({requests}[10m] offset 10m)) > {BUSY}"
        said = watched.firing(_ABSENT)
        gone = f"{gone} or (absent({requests}) and on () ({busy} or {said}))"
    return watched.alert(
        _ABSENT,
        f"max({gone}) == 1",
        watched.urgent,
        summary="its metrics are gone",
        description="There is no series to watch the service with, or it counts its requests no longer "
        "though it was busy: it is down, not scraped, or exports them no more. Other alerts of it cannot "
        "fire meanwhile.",
        threshold=f"no series for {_HELD}; of requests, where more than {BUSY}/s came before",
        hold=TWO_SCRAPES,
    )


def _restarting(watched: Watched, started: str) -> Rule:
    span = duration(RESTARTS_IN)
    return watched.alert(
        "InstanceRestarting",
        f"max(changes({started}[{span}])) >= {RESTARTS}",
        "ticket",
        summary="an instance restarts again and again",
        description="An instance was started {{ $value | humanize }} times anew within 30 minutes: it "
        "crashes, or is killed for want of memory or of an answer to its liveness check.",
        threshold=f"{RESTARTS} restarts of one instance in {span} (default: a deployment makes one)",
        hold=TWO_SCRAPES,
    )
