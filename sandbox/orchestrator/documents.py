"""STAND-IN release orchestrator: the upstream documents of a deployment, from what really happened."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from sandbox.orchestrator.records import timestamp
from sandbox.orchestrator.smoke import Check
from sandbox.shop.fleet import Step
from sandbox.shop.state import Instance
from sandbox.shop.topology import ENVIRONMENT, NAMESPACE, SHOP, TRACED_SHARE, Endpoint, new_endpoints

SCHEMA_VERSION = "1.0"
RUNBOOKS = Path(__file__).parent / "runbooks"
"""The operational runbooks that exist. The catalogue has none, as happens."""


@dataclass(frozen=True)
class Deployment:
    """Everything that is known about one deployment when its documents are written."""

    deployment_id: str
    release_id: str
    version: str
    previous_version: str
    deployed_at: str
    validated_at: str
    instances: dict[str, Instance]
    steps: list[Step]
    health: list[Check]
    checks: list[Check]
    flags: list[dict[str, Any]]
    baselines: dict[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        """What every document says first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "deployment_id": self.deployment_id,
            "release_id": self.release_id,
            "version": self.version,
            "environment": ENVIRONMENT,
        }

    @property
    def passed(self) -> bool:
        """Whether every smoke request passed."""
        return all(check.passed for check in self.checks)

    @property
    def endpoints(self) -> list[tuple[str, Endpoint]]:
        """The endpoints that came with this version, with their services."""
        return [(s, e) for s in self.instances for e in new_endpoints(s, self.previous_version, self.version)]


def write_documents(folder: Path, deployment: Deployment) -> None:
    """Writes every document of a deployment into a folder, which is made."""
    (folder / "runbooks").mkdir(parents=True, exist_ok=True)
    documents = {
        "post-deployment-validation.json": _json(validation(deployment)),
        "deployment-health-log.md": health_log(deployment),
        "DEPLOYMENT-REPORT.md": report(deployment),
        "observability-configuration.yaml": yaml.safe_dump(observability(deployment), sort_keys=False),
        "performance-baselines.json": _json(performance(deployment)),
        "quality-audit-findings.json": _json(audit_findings(deployment)),
        **{f"runbooks/{path.name}": path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md")},
    }
    for name, text in documents.items():
        (folder / name).write_text(text, encoding="utf-8")


def validation(deployment: Deployment) -> dict[str, Any]:
    """Returns what the smoke requests found."""
    return {
        **deployment.identity,
        "previous_version": deployment.previous_version,
        "status": "passed" if deployment.passed else "failed",
        "deployed_at": deployment.deployed_at,
        "validated_at": deployment.validated_at,
        "services": [
            {
                "service": service,
                "version": instance.version,
                "url": instance.url,
                "status": "passed"
                if all(c.passed for c in deployment.checks if c.service == service)
                else "failed",
                "checks": [check.as_json() for check in deployment.checks if check.service == service],
            }
            for service, instance in deployment.instances.items()
        ],
        "new_endpoints": [
            {"service": service, "method": endpoint.method, "path": endpoint.path}
            for service, endpoint in deployment.endpoints
        ],
    }


def health_log(deployment: Deployment) -> str:
    """Returns the steps of the deployment and the health checks as one table, in the order of time."""
    rows = [(step.at, step.service, step.what, "ok", "", step.detail) for step in deployment.steps]
    rows += [
        (c.at, c.service, c.name, "ok" if c.passed else "FAILED", f"{c.duration_ms}", c.detail)
        for c in [*deployment.health, *deployment.checks]
    ]
    table = "\n".join(f"| {' | '.join(_cell(text) for text in row)} |" for row in sorted(rows))
    return f"""# Deployment health log

- Deployment: {deployment.deployment_id}
- Release: {deployment.release_id}
- Version: {deployment.version} (before: {deployment.previous_version})
- Environment: {ENVIRONMENT}
- Deployed at: {deployment.deployed_at}

| time (UTC) | service | event | result | ms | detail |
|---|---|---|---|---|---|
{table}
"""


def report(deployment: Deployment) -> str:
    """Returns the deployment report."""
    services = "\n".join(
        f"- {service} {deployment.previous_version} -> {i.version}: {SHOP[service].summary}"
        for service, i in deployment.instances.items()
    )
    endpoints = (
        "\n".join(f"- {service}: `{e.method} {e.path}`" for service, e in deployment.endpoints) or "- none"
    )
    dependencies = "\n".join(
        f"- {service.name} -> {', '.join([*service.calls, *filter(None, [service.database])]) or 'nothing'}"
        for service in SHOP.values()
    )
    flags = _bullets(
        f"{flag['name']}: " + (f"active from {at}" if (at := flag["activated_at"]) else "stays inactive")
        for flag in deployment.flags
    )
    passed = sum(check.passed for check in deployment.checks)
    return f"""# Deployment report: {deployment.release_id}

- Deployment: {deployment.deployment_id}
- Environment: {ENVIRONMENT}

## Summary

Version {deployment.version} of the shop replaced {deployment.previous_version} in {ENVIRONMENT}, one service
after the other, and was complete at {deployment.deployed_at}.
{passed} of {len(deployment.checks)} validation checks passed.

## Services

{services}

## New endpoints

{endpoints}

## Dependencies

{dependencies}

## Risks

{_bullets(risks(deployment))}

## Feature flags

{flags}

## Rollback plan

`POST /deployments/{deployment.deployment_id}/rollback` on the release orchestrator, with an
`Idempotency-Key`, brings back version {deployment.previous_version}, one service after the other. No
database schema changed, so nothing else is to be undone.
"""


def risks(deployment: Deployment) -> list[str]:
    """Returns the risks that follow from what was deployed and found."""
    found = [
        f"{s} {e.method} {e.path} is new: there is no history to compare it with"
        for s, e in deployment.endpoints
    ]
    found += [
        f"validation failed: {check.name}: {check.detail}" for check in deployment.checks if not check.passed
    ]
    slowest = max(deployment.baselines["services"], key=lambda entry: entry["p95_latency_seconds"] or 0.0)
    p95 = slowest["p95_latency_seconds"]
    found.append(f"{slowest['service']} is the slowest service: p95 {p95} s before the deployment")
    found += [f"{service.name} depends on {called}" for service in SHOP.values() for called in service.calls]
    return found


def performance(deployment: Deployment) -> dict[str, Any]:
    """Returns how the version before performed, by service."""
    return {
        **deployment.identity,
        "measured_version": deployment.previous_version,
        **deployment.baselines,
    }


def observability(deployment: Deployment) -> dict[str, Any]:
    """Returns what each service exports where; the names of the metrics are read from the running service."""
    return {
        **deployment.identity,
        "generated_at": timestamp(),
        "services": [
            {
                "service": service,
                "metrics": {
                    "job": f"{NAMESPACE}/{service}",
                    "endpoint": f"{instance.url}/metrics",
                    "names": metric_names(f"{instance.url}/metrics"),
                },
                "logs": {"selector": f'{{service_name="{service}"}}', "format": "json"},
                "traces": {
                    "resource": {"service.name": service, "service.namespace": NAMESPACE},
                    "sampled": TRACED_SHARE,
                },
                "synthetics": {"probe": f"{instance.url}/healthz", "module": "http_2xx"},
            }
            for service, instance in deployment.instances.items()
        ],
    }


def metric_names(url: str) -> list[str]:
    """Returns the names of the metric families that a service exposes."""
    lines = requests.get(url, timeout=5).text.splitlines()
    return sorted({line.split()[2] for line in lines if line.startswith("# TYPE ")})


def audit_findings(deployment: Deployment) -> dict[str, Any]:
    """Returns the monitoring gaps that an audit of this deployment finds."""
    gaps = [
        ("medium", service, "no runbook", f"there is no runbook of {service} among the operational runbooks")
        for service in SHOP
        if not (RUNBOOKS / f"{service}.md").exists()
    ]
    gaps += [
        ("low", service, "endpoint without history", f"{e.method} {e.path} has no performance baseline")
        for service, e in deployment.endpoints
    ]
    gaps += [
        (
            "low",
            entry["service"],
            "no error series",
            "no request failed, so there is no error series yet, and rate() will not show the first errors",
        )
        for entry in deployment.baselines["services"]
        if not entry["error_ratio"]
    ]
    return {
        **deployment.identity,
        "generated_at": timestamp(),
        "findings": [
            {
                "finding_id": f"QA-{number:03d}",
                "severity": severity,
                "category": "monitoring",
                "service": service,
                "title": title,
                "detail": detail,
                "status": "open",
            }
            for number, (severity, service, title, detail) in enumerate(gaps, start=1)
        ],
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
