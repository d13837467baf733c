"""The audit of all signals of all services, and what it means for the release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from release_watch.artifacts.models import (
    CoverageCheck,
    CoverageStatus,
    InstrumentationAudit,
    ServiceAudit,
    Signal,
    SignalAudit,
)
from release_watch.catalog.models import MetricsSignal, Service
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import rfc3339
from release_watch.coverage.logs import check_logs
from release_watch.coverage.metrics import check_metrics
from release_watch.coverage.questions import Question, failed, unanswered
from release_watch.coverage.synthetics import check_synthetics
from release_watch.coverage.traces import check_traces
from release_watch.errors import BackendError, InvalidInputError, NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.backends import Backends
from release_watch.verdict import Verdict

_GRAVITY = [CoverageStatus.PASS, CoverageStatus.INCONCLUSIVE, CoverageStatus.FAIL]

Checks = dict[str, list[CoverageCheck]]


def audit(
    release: Release,
    services: Sequence[Service],
    backends: Backends,
    *,
    endpoints: Mapping[str, Sequence[str]],
    policy: CoveragePolicy,
    at: datetime,
) -> InstrumentationAudit:
    """Return which signals of which services are mapped, live and of this release as of ``at``.

    ``endpoints`` are those that each service must show, as ``METHOD /route``. The version is asked only of
    services that the release names. A backend that is not configured or does not answer leaves its signals
    INCONCLUSIVE, with the connection to add or the error.

    Raises:
        InvalidInputError: if ``at`` is not after the deployment.
    """
    if at <= release.deployed_at:
        found = f"deployed_at: {rfc3339(release.deployed_at)} is not before the audit at {rfc3339(at)}"
        raise InvalidInputError([f"{found}; check the clock of the deploying machine"])
    question = Question(release, at, policy, endpoints)
    by_signal = {signal: _check_signal(signal, services, backends, question) for signal in Signal}
    audited = tuple(
        _service_audit(service, {signal: checks[service.name] for signal, checks in by_signal.items()})
        for service in services
    )
    return InstrumentationAudit(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        version=release.version if release.services else None,
        verdict=verdict_over(audited),
        services=audited,
    )


def missing_critical(audit: InstrumentationAudit) -> tuple[str, ...]:
    """Return the critical services that lack a proof of at least one signal."""
    return tuple(s.service for s in audit.services if s.tier == "critical" and not _complete(s))


def _check_signal(
    signal: Signal, services: Sequence[Service], backends: Backends, question: Question
) -> Checks:
    """Return the checks of one signal for every service, asking each connection once for all its services."""
    by_connection: dict[str, list[Service]] = defaultdict(list)
    checks: Checks = {}
    for service in services:
        mapped = getattr(service.signals, signal)
        if mapped is None:
            remedy = f"give services.{service.name}.signals.{signal} in services.yaml its selector"
            checks[service.name] = [failed("mapped", None, "no selector", "a selector", remedy)]
        else:
            by_connection[mapped.connection].append(service)
    for connection, together in by_connection.items():
        checks |= _ask(signal, connection, together, backends, question)
    return checks


def _ask(
    signal: Signal, connection: str, services: Sequence[Service], backends: Backends, question: Question
) -> Checks:
    try:
        return _ASK[signal](services, backends, question)
    except NotConfiguredError as error:
        check = unanswered("backend", None, f"no connection {error.conn_id}", f"{signal} backend", str(error))
    except BackendError as error:
        remedy = f"see that the server behind connection {connection} runs, then run the audit again"
        check = unanswered("backend", None, str(error), "an answer", remedy)
    return {service.name: [check] for service in services}


def _ask_metrics(services: Sequence[Service], backends: Backends, question: Question) -> Checks:
    signals = {s.name: s.signals.metrics for s in services if s.signals.metrics}
    return check_metrics(signals, backends.metrics(services[0]), question)


def _ask_logs(services: Sequence[Service], backends: Backends, question: Question) -> Checks:
    selectors = {s.name: s.signals.logs.selector for s in services if s.signals.logs}
    return check_logs(selectors, backends.logs(services[0]), question)


def _ask_traces(services: Sequence[Service], backends: Backends, question: Question) -> Checks:
    names = {s.name: s.signals.traces.service_name for s in services if s.signals.traces}
    return check_traces(names, backends.traces(services[0]), question)


def _ask_synthetics(services: Sequence[Service], backends: Backends, question: Question) -> Checks:
    selectors = {s.name: s.signals.synthetics.selector for s in services if s.signals.synthetics}
    return check_synthetics(selectors, backends.metrics(_as_metrics(services[0])), question)


_ASK: dict[Signal, Callable[[Sequence[Service], Backends, Question], Checks]] = {
    Signal.METRICS: _ask_metrics,
    Signal.LOGS: _ask_logs,
    Signal.TRACES: _ask_traces,
    Signal.SYNTHETICS: _ask_synthetics,
}


def _as_metrics(service: Service) -> Service:
    """Return the service with its probe as its metrics: probes may lie in another Prometheus."""
    probe = service.signals.synthetics
    if probe is None:
        return service
    metrics = MetricsSignal(selector=probe.selector, connection=probe.connection)
    return service.model_copy(update={"signals": service.signals.model_copy(update={"metrics": metrics})})


def _service_audit(service: Service, checks: Mapping[Signal, list[CoverageCheck]]) -> ServiceAudit:
    every = [check for found in checks.values() for check in found]
    score = sum(check.status is CoverageStatus.PASS for check in every) / len(every)
    return ServiceAudit(
        service=service.name,
        tier=service.tier.value,
        score=round(score, 3),
        signals={
            signal: SignalAudit(
                status=max((c.status for c in found), key=_GRAVITY.index), checks=tuple(found)
            )
            for signal, found in checks.items()
        },
    )


def _complete(service: ServiceAudit) -> bool:
    return all(signal.status is CoverageStatus.PASS for signal in service.signals.values())


def verdict_over(services: Sequence[ServiceAudit]) -> Verdict:
    """Return GO when all is proven, WARN for gaps of standard services, and never GO for nothing."""
    critical = {signal.status for s in services if s.tier == "critical" for signal in s.signals.values()}
    if CoverageStatus.FAIL in critical:
        return Verdict.NO_GO
    if CoverageStatus.INCONCLUSIVE in critical or not services:
        return Verdict.INCONCLUSIVE
    return Verdict.GO if all(map(_complete, services)) else Verdict.WARN
