"""The metrics of services: request series that are live, of this release, and know every endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.conventions import CONVENTIONS, VERSION_LABELS, endpoint_key, endpoint_key_of
from release_watch.coverage.questions import Question, failed, live_check, passed, release_check
from release_watch.telemetry.metrics import Metrics

_REMEDY = (
    "export request metrics under one of the names "
    + ", ".join(convention.counter.removesuffix("_count") for convention in CONVENTIONS)
    + "; see /targets of Prometheus for the scrape, and the selector in services.yaml"
)
_VERSION_REMEDY = (
    "a label version, or target_info with service_version (OpenTelemetry resource service.version)"
)


@dataclass
class _Seen:
    """What the series of one service showed: newest sample, fresh versions, endpoints, and the queries."""

    live_query: str
    version_query: str
    endpoint_query: str
    newest: datetime | None = None
    versions: set[str] = field(default_factory=set)
    endpoints: set[str] = field(default_factory=set)


def check_metrics(
    selectors: Mapping[str, str], metrics: Metrics, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from three queries for all of them.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
    """
    checks: dict[str, list[CoverageCheck]] = {}
    for batch in batches(selectors):
        for service, seen in _look(batch, metrics, question).items():
            checks[service] = _judge(service, seen, question)
    return checks


def _look(batch: Batch, metrics: Metrics, question: Question) -> dict[str, _Seen]:
    live, version, endpoint = _live_query(batch), _version_query(batch), _endpoint_query(batch)
    services = {name for names in batch.services.values() for name in names}
    seen: dict[str, _Seen] = defaultdict(lambda: _Seen(live, version, endpoint))
    seen.update({service: _Seen(live, version, endpoint) for service in services})
    for query in (live, version):
        for sample in metrics.instant(query, question.at):
            at = datetime.fromtimestamp(sample.value, UTC)
            fresh = at > question.since
            for service in batch.services_of(sample.labels):
                if query == live:
                    seen[service].newest = max(at, seen[service].newest or at)
                if fresh:
                    seen[service].versions.update(sample.labels.get(name, "") for name in VERSION_LABELS)
    if question.endpoints:
        for sample in metrics.instant(endpoint, question.at):
            for service in batch.services_of(sample.labels):
                seen[service].endpoints |= _endpoints(sample.labels)
    return {service: seen[service] for service in sorted(services)}


def _judge(service: str, seen: _Seen, question: Question) -> list[CoverageCheck]:
    checks = [live_check(seen.newest, seen.live_query, question, _REMEDY)]
    if service in question.release.services:
        checks.append(release_check(checks[0], seen.versions, seen.version_query, question, _VERSION_REMEDY))
    if wanted := question.endpoints.get(service):
        checks.append(_endpoint_check(wanted, seen))
    return checks


def _endpoint_check(names: Sequence[str], seen: _Seen) -> CoverageCheck:
    missing = [name for name in names if endpoint_key_of(name) not in seen.endpoints]
    expected = f"request series of {', '.join(names)}"
    if not missing:
        return passed("endpoints", seen.endpoint_query, f"all {len(names)} seen", expected)
    remedy = "instrument the route, or send it one request: a counter exists only after the first"
    observed = f"no series of {', '.join(missing)}"
    return failed("endpoints", seen.endpoint_query, observed, expected, remedy)


def _live_query(batch: Batch) -> str:
    grouping = batch.grouping(*VERSION_LABELS)
    return " or ".join(
        f"label_replace(max{grouping} (timestamp({c.counter}{{{batch.matchers}}})), "
        f'"convention", "{c.counter}", "", "")'
        for c in CONVENTIONS
    )


def _version_query(batch: Batch) -> str:
    return f"max{batch.grouping(*VERSION_LABELS)} (timestamp(target_info{{{batch.matchers}}}))"


def _endpoint_query(batch: Batch) -> str:
    return " or ".join(
        f"count{batch.grouping(*c.route, c.method)} ({c.counter}{{{batch.matchers}}})" for c in CONVENTIONS
    )


def _endpoints(labels: Mapping[str, str]) -> set[str]:
    """Return the keys of the endpoint that a series counts, with its method and without."""
    found = set()
    for convention in CONVENTIONS:
        for name in convention.route:
            if route := labels.get(name):
                found |= {endpoint_key(labels.get(convention.method, ""), route), endpoint_key("", route)}
    return found
