"""What the runbook says about each alert: what it means, the first three checks, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from release_watch.handoff.alert_checks import Check, checks_of
from release_watch.handoff.alert_seen import Seen
from release_watch.release import RollbackPolicy

MOST_CHECKS = 3


class Advice(NamedTuple):
    """The runbook's words on one alert."""

    meaning: str
    checks: tuple[Check, ...]
    mitigation: tuple[str, ...]


class _Words(NamedTuple):
    meaning: str
    mitigation: str


def advice(alert: str, seen: Seen) -> Advice:
    """Return what the runbook says about ``alert`` of the service that is ``seen``."""
    words = _WORDS.get(alert, _UNKNOWN)
    checks = checks_of(alert, seen)[:MOST_CHECKS]
    return Advice(words.meaning, checks, _MITIGATIONS[words.mitigation])


ROLLBACKS = {
    RollbackPolicy.AUTO: "a critical finding rolls the release back without asking. If that does not happen, "
    "ask the release orchestrator for it.",
    RollbackPolicy.ASK: "whoever is on call decides. Answer the question about the rollback in Airflow, or "
    "ask the release orchestrator for it.",
    RollbackPolicy.FREEZE: "nothing is rolled back by itself, and further deployments wait. Escalate: the "
    "operations lead and the technical lead decide.",
    RollbackPolicy.FORWARD_ONLY: "nothing is rolled back. Switch the change off by its flag, or mend it "
    "forward with its owner.",
}
"""What to do by each policy if a release is to blame."""

_UNKNOWN = _Words("An alert that somebody added; its annotations say what it means.", "errors")

_WORDS = {
    "SloBurnRatePage": _Words(
        "Requests fail, or are slow, at a pace that uses up the error budget within hours or days.", "errors"
    ),
    "SloBurnRateTicket": _Words(
        "Requests fail, or are slow, a little but all the time: the error budget will not last.", "errors"
    ),
    "SloLowTrafficErrors": _Words(
        "There are few requests, and they fail: too few for the burn-rate alerts to see.", "errors"
    ),
    "SloTelemetryAbsent": _Words(
        "The objective cannot be measured. No alert on it can fire, whatever users see.", "telemetry"
    ),
    "ServiceDown": _Words(
        "No instance answers Prometheus: the service is down, or cannot be reached.", "down"
    ),
    "ServiceTelemetryAbsent": _Words(
        "The metrics of the service are gone: it is down, is not scraped, or exports them no more. Its other "
        "alerts cannot fire.",
        "telemetry",
    ),
    "ServiceProbeFailing": _Words(
        "The service does not answer as a user would reach it, or nobody probes it.", "probe"
    ),
    "InstanceRestarting": _Words(
        "An instance crashes, or is killed, again and again; users feel it each time.", "restarts"
    ),
    "HighErrorRate": _Words("Many requests fail right now.", "errors"),
    "HighResponseTime": _Words("Requests take longer than users are promised.", "slow"),
    "LowThroughput": _Words(
        "Far fewer requests come than at this time of day: users or callers do not reach the service, or it "
        "counts them no longer.",
        "traffic",
    ),
    "CpuSaturated": _Words(
        "The processor time that instances may use is used up: requests wait for it.", "processor"
    ),
    "CpuThrottled": _Words(
        "The container is stopped again and again, as it uses more than its quota in bursts.", "processor"
    ),
    "MemoryNearLimit": _Words("An instance is about to be killed for want of memory.", "limits"),
    "MemoryGrowth": _Words("The memory of an instance grows without end; it will be killed.", "leaks"),
    "MemoryFillsUp": _Words(
        "At this pace an instance reaches its memory limit within hours, and is killed.", "limits"
    ),
    "FileDescriptorsExhausted": _Words("Soon no connection and no file can be opened.", "leaks"),
    "ThreadsExhausted": _Words("Soon no thread can be started, and work that needs one fails.", "limits"),
    "ThreadsGrowth": _Words(
        "Threads are started and never end: they wait for something that does not come.", "leaks"
    ),
    "DiskFull": _Words(
        "A disk is almost full; at the end writing fails, and with it what must write.", "disk"
    ),
    "DiskFillsUp": _Words("At this pace a disk is full within hours.", "disk"),
    "DatabaseUnreachable": _Words("Calls to the service's database fail.", "database"),
    "DatabaseConnectionsExhausted": _Words("Requests queue for a database connection.", "connections"),
    "DatabaseConnectionTimeouts": _Words(
        "Requests wait for a database connection and get none.", "connections"
    ),
    "BusinessMetricAnomaly": _Words(
        "A number that the business watches is far from its level at this time of day.", "traffic"
    ),
    "DegradedAgainstBaseline": _Words(
        "A metric left the range that it had when the release was established.", "errors"
    ),
}

KNOWN = frozenset(_WORDS)
"""The alerts that the runbook has words of its own for."""

_MITIGATIONS = {
    "errors": (
        "Switch off what fails by its feature flag.",
        "If what it calls is to blame: fail over, or do without it.",
    ),
    "slow": (
        "Scale out if traffic or processor time is the cause.",
        "If what it calls is slow: shorten the time that it waits, fail over, or do without it.",
    ),
    "down": (
        "Start it again; the last lines of its logs say why it ended.",
        "If it serves users and only the scrape fails: correct the scrape target or the network to it.",
    ),
    "telemetry": (
        "Use the service as a user would. If that fails it is down, whatever metrics say: start it again.",
        "If it works: bring its metrics back (scrape target, exporter, collector).",
        "Until they are back somebody looks at the service every few minutes: no alert will call.",
    ),
    "probe": (
        "Use the service as a user would. If that fails: start again what is down, and look at what stands "
        "before it: name service, certificate, load balancer.",
        "If it works: mend the probe.",
    ),
    "restarts": (
        "Find out how the last instance ended: its exit code, and the last lines of its logs.",
        "Killed for want of memory: raise the limit or scale out. Killed by its liveness check: give it more "
        "time. Crashed: it is most likely the change that came last.",
    ),
    "traffic": (
        "Walk the way of a user: name service, load balancer, front end, callers. The fault lies just behind "
        "the last one that still has its usual traffic.",
        "Ask whether it is meant: a campaign that ended, a caller that was switched off.",
    ),
    "processor": (
        "Scale out, or raise the quota if the need is real.",
        "Stop what can wait: batch jobs, reports, exports.",
    ),
    "leaks": (
        "Restart the instances one at a time, the worst first. It wins time and mends nothing: keep a dump.",
        "Scale out if they fill up faster than they can be restarted.",
    ),
    "limits": (
        "Restart the instances one at a time, the worst first.",
        "Scale out, or raise the limit if the need is real.",
    ),
    "disk": (
        "Remove what can go: old logs, temporary files, dumps.",
        "Enlarge the volume.",
    ),
    "database": (
        "Look at the database itself, and at the network to it.",
        "Fail over to its replica if there is one.",
    ),
    "connections": (
        "Look for calls that hold a connection for long: slow queries, locks.",
        "Shed load that can wait. A larger pool helps only if the database can bear it.",
    ),
}
