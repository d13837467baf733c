"""Many SLOs as OpenSLO documents, four of each service, and what such a service exposes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo, load_slos
from release_watch.release import Release
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.rules import rule_groups
from sandbox.shop.topology import ENVIRONMENT

REQUESTS = "http_server_request_duration_seconds"
ROUTES = ("/orders", "/orders/{id}", "/carts")
PER_SERVICE = 4
SCRAPE_SECONDS = 15
REQUESTS_PER_SECOND = 3
FAILED_SHARE = 1e-5
"""Of the requests: too few for any alert."""
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "+Inf")
METRIC_NAMES = frozenset({f"{REQUESTS}_count", f"{REQUESTS}_bucket", f"{REQUESTS}_sum"})


def names(slos: int) -> tuple[str, ...]:
    """Return the names of the services that have so many SLOs together."""
    return tuple(f"service-{number:04d}" for number in range(slos // PER_SERVICE))


def write_documents(folder: Path, services: Sequence[str]) -> None:
    """Write the SLOs of each service into a file of its own."""
    for service in services:
        text = yaml.dump_all(_documents(service), Dumper=yaml.CSafeDumper, sort_keys=False)
        folder.joinpath(f"{service}.yaml").write_text(text)


def read_documents(folder: Path) -> list[Slo]:
    """Return the SLOs of a folder."""
    found, problems = load_slos(folder, "slos")
    if problems:
        raise SystemExit("\n".join(problems))
    return [slo for slo, _ in found]


def groups_of(slos: Sequence[Slo], services: Sequence[str]) -> list[RuleGroup]:
    """Return all rules: of the SLOs, the symptoms of the services, Watchdog."""
    release = Release(
        deployment_id="deployment-1",
        release_id="release-1",
        version="1.1.0",
        environment=ENVIRONMENT,
        services=tuple(services),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )
    return rule_groups(
        slos,
        [_service(name) for name in services],
        release,
        runbook_url="https://runbooks.example/monitoring",
        dashboard_url="https://grafana.example/d/health",
        metric_names=dict.fromkeys(services, METRIC_NAMES),
    )


def metrics_page(seconds: float, labels: str = "") -> Iterator[str]:
    """Yield the series of a service that has run for so many seconds, with their values."""
    requests_each = REQUESTS_PER_SECOND * seconds
    for route in ROUTES:
        for status, count in (
            ("200", int(requests_each * (1 - FAILED_SHARE))),
            ("500", int(requests_each * FAILED_SHARE)),
        ):
            own = (
                f'{labels}http_route="{route}",http_request_method="GET",http_response_status_code="{status}"'
            )
            for place, bound in enumerate(BUCKETS):
                within = count if place >= BUCKETS.index("0.25") else count * (place + 1) // len(BUCKETS)
                yield f'{REQUESTS}_bucket{{{own},le="{bound}"}} {within}'
            yield f"{REQUESTS}_count{{{own}}} {count}"
            yield f"{REQUESTS}_sum{{{own}}} {count * 0.04:.3f}"


def _service(name: str) -> Service:
    return Service.model_validate(
        {
            "name": name,
            "tier": "critical",
            "owner": "team",
            "signals": {"metrics": {"selector": f'job="bulk/{name}"'}},
        }
    )


def _documents(service: str) -> Iterator[dict[str, Any]]:
    all_ = f'{REQUESTS}_count{{job="bulk/{service}"}}'
    failed = f'{REQUESTS}_count{{job="bulk/{service}",http_response_status_code=~"5.."}}'
    fast = f'{REQUESTS}_bucket{{job="bulk/{service}",le="0.25"}}'
    increase = "sum(increase({}[{{{{.window}}}}]))"
    yield _document(service, "availability", 0.999, {"bad": failed, "total": all_})
    yield _document(service, "latency", 0.99, {"good": fast, "total": all_})
    by_route = {"release-watch.io/group-by": "http_route"}
    yield _document(service, "routes", 0.999, {"bad": failed, "total": all_}, by_route)
    expressions = {"bad": increase.format(failed), "total": increase.format(all_)}
    yield _document(service, "expression", 0.9995, expressions)


def _document(
    service: str,
    kind: str,
    target: float,
    queries: dict[str, str],
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    name = f"{service}-{kind}"
    sources = {
        key: {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
        for key, query in queries.items()
    }
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "description": f"What users of {service} may expect",
            "service": service,
            "budgetingMethod": "Occurrences",
            "timeWindow": [{"duration": "30d", "isRolling": True}],
            "objectives": [{"target": target}],
            "indicator": {
                "metadata": {"name": name},
                "spec": {"ratioMetric": {"counter": True, **sources}},
            },
        },
    }
