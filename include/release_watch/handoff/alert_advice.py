"""What the runbook says about each alert: what it means, the first three checks, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from release_watch.catalog.models import Service
from release_watch.slo.red import Red, red_of


class Check(NamedTuple):
    """One look, with the query to paste; ``language`` is promql, logql or traceql."""

    question: str
    language: str
    query: str


class Advice(NamedTuple):
    """The runbook's words on one alert."""

    meaning: str
    checks: tuple[Check, ...]
    mitigation: tuple[str, ...]


_ROLL_BACK = "If it began with the release and lasts: ask the release orchestrator for the rollback."
_UNKNOWN = "An alert that somebody added; its annotations say what it means."

_MEANINGS = {
    "SloBurnRatePage": "Users are failed so fast that the error budget is gone within hours or days.",
    "SloBurnRateTicket": "Users are failed slowly but steadily; the error budget will not last its period.",
    "SloTelemetryAbsent": "The objective cannot be measured: no page can fire, whatever users see.",
    "ServiceDown": "No instance answers Prometheus.",
    "ServiceTelemetryAbsent": "It shows nothing to watch it with: down, not scraped, or silent.",
    "ServiceProbeFailing": "The service does not answer as a user would reach it, or nobody probes it.",
    "HighErrorRate": "Many requests fail right now.",
    "HighResponseTime": "One request in twenty takes longer than users are promised.",
    "LowThroughput": "Requests fail to come: users or callers do not reach the service.",
    "MemoryGrowth": "An instance's memory grows without end; it will be killed.",
    "FileDescriptorsExhausted": "Soon no connection and no file can be opened.",
    "DatabaseUnreachable": "Calls to the service's database fail.",
    "DatabaseConnectionsExhausted": "Requests queue for a database connection.",
    "BusinessMetricAnomaly": "A number that the business watches is far from its usual level.",
    "DegradedAgainstBaseline": "A metric left the range that it had when the release was established.",
}

_MITIGATIONS = {
    "up": (
        "Restart what crashed; scale out what is overloaded.",
        "Correct the scrape target if only that is wrong.",
    ),
    "resources": (
        "Restart the instance that is worst, one at a time.",
        "Scale out to win time.",
    ),
    "database": (
        "Look at the database itself and at its network.",
        "Shed load that can wait, so that connections free up.",
    ),
    "users": (
        "Switch the feature flag of the failing endpoint off.",
        "Fail over from a dependency that is broken.",
    ),
}


def advice(alert: str, service: Service) -> Advice:
    """Return what the runbook says about ``alert`` of ``service``."""
    subject = _SUBJECTS.get(alert, "users")
    checks = _CHECKS[subject](service, red_of(service))
    return Advice(
        meaning=_MEANINGS.get(alert, _UNKNOWN),
        checks=tuple(check for check in (*checks, *_last_resort(service)) if check.query)[:3],
        mitigation=(*_MITIGATIONS[subject], _ROLL_BACK),
    )


_SUBJECTS = {
    "SloTelemetryAbsent": "up",
    "ServiceDown": "up",
    "ServiceTelemetryAbsent": "up",
    "ServiceProbeFailing": "up",
    "MemoryGrowth": "resources",
    "FileDescriptorsExhausted": "resources",
    "DatabaseUnreachable": "database",
    "DatabaseConnectionsExhausted": "database",
}


def _metric(service: Service, form: str) -> str:
    metrics = service.signals.metrics
    return form.replace("SELECTOR", metrics.selector) if metrics else ""


def _log_errors(service: Service) -> Check:
    logs = service.signals.logs
    return Check(
        "What do its logs say?", "logql", f'{logs.selector} |~ "(?i)error|exception"' if logs else ""
    )


def _users(service: Service, red: Red | None) -> tuple[Check, ...]:
    if red is None:
        return (_log_errors(service),)
    route = "http_route" if "http_server_request" in red.total else "handler"
    return (
        Check("Which endpoint fails?", "promql", f"sum by ({route}) (rate({red.errors}[5m]))"),
        Check("Is it the new version?", "promql", f"sum by (version) (rate({red.errors}[5m]))"),
        _log_errors(service),
    )


def _up(service: Service, _: Red | None) -> tuple[Check, ...]:
    probe = service.signals.synthetics
    return (
        Check("Which instances answer?", "promql", _metric(service, "up{SELECTOR}")),
        Check(
            "Does it answer from outside?", "promql", f"probe_success{{{probe.selector}}}" if probe else ""
        ),
        _log_errors(service),
    )


def _resources(service: Service, _: Red | None) -> tuple[Check, ...]:
    started = "time() - process_start_time_seconds{SELECTOR}"
    memory = "process_resident_memory_bytes{SELECTOR}"
    return (
        Check("Which instance?", "promql", _metric(service, f"topk(5, {memory})")),
        Check("Since when, and how fast?", "promql", _metric(service, f"deriv({memory}[30m])")),
        Check("Did instances restart?", "promql", _metric(service, started)),
    )


def _database(service: Service, _: Red | None) -> tuple[Check, ...]:
    calls = "db_client_operation_duration_seconds_count{SELECTOR}"
    pool = "sum by (instance, state) (db_client_connections_usage{SELECTOR})"
    return (
        Check("Which calls fail?", "promql", _metric(service, f"sum by (error_type) (rate({calls}[5m]))")),
        Check("Are connections left?", "promql", _metric(service, pool)),
        _log_errors(service),
    )


def _last_resort(service: Service) -> tuple[Check, ...]:
    traces = service.signals.traces
    return (
        Check("Is it up?", "promql", _metric(service, "up{SELECTOR}")),
        Check(
            "Where do requests fail?",
            "traceql",
            f'{{ resource.service.name = "{traces.service_name}" && status = error }}' if traces else "",
        ),
    )


_CHECKS: dict[str, Callable[[Service, Red | None], tuple[Check, ...]]] = {
    "users": _users,
    "up": _up,
    "resources": _resources,
    "database": _database,
}
