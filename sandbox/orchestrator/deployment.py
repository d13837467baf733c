"""STAND-IN release orchestrator: deploys the next version of the shop, and writes down what happened."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.endpoints import read_endpoints
from sandbox.faults import Fault, clear_faults, set_fault
from sandbox.layout import Layout
from sandbox.orchestrator.documents import Deployment, write_documents
from sandbox.orchestrator.measurements import measure_baselines
from sandbox.orchestrator.records import Records, new_deployment_id, timestamp
from sandbox.orchestrator.scenarios import Scenario, When
from sandbox.orchestrator.scenarios import scenario as find_scenario
from sandbox.orchestrator.smoke import Check, health_check, smoke_test
from sandbox.shop import fleet
from sandbox.shop.state import read_state
from sandbox.shop.topology import ENVIRONMENT, NAMESPACE, SHOP, new_endpoints, next_minor

FLAG_DELAY = timedelta(seconds=5)
"""How long after its validation a release's feature flags become active."""
PATIENCE = timedelta(seconds=60)
BASELINE_WINDOW = "PT3M"
REVIEW_INTERVAL = "PT30S"

Params = dict[str, Any]


def deploy(
    root: Path,
    *,
    scenario: str,
    mode: str = "enforce",
    baseline_window: str = BASELINE_WINDOW,
    review_interval: str = REVIEW_INTERVAL,
    progress: Callable[[str], None] = lambda _: None,
) -> Params:
    """Deploys the next minor version as a scenario says; returns the parameters of its monitoring run.

    All fault switches are cleared first, so that the scenario is what happens.

    Args:
        root: Root of a running sandbox.
        scenario: Name of a scenario.
        mode: Passed on to the run, as are the two durations (ISO 8601).
        baseline_window: Length of the baseline window.
        review_interval: Time between two reviews in it.
        progress: Called with a line for people at each stage.

    Raises:
        UnknownScenarioError: There is no such scenario.
        NoMeasurementsError: Prometheus does not know the shop after a minute.
        SandboxError: The shop does not run, or a new instance does not become healthy.
    """
    plan = find_scenario(scenario)
    clear_faults(root)
    servers, before = read_endpoints(root), read_state(root)
    began = datetime.now(UTC)
    deployment_id, version = new_deployment_id(began), next_minor(before.highest_version)
    progress(f"{deployment_id}: measuring version {before.version}")
    running_since = max(datetime.fromisoformat(i.started_at) for i in before.instances.values())
    versions = {service: instance.version for service, instance in before.instances.items()}
    baselines = measure_baselines(
        servers["prometheus"], versions, running_since=running_since, patience=PATIENCE
    )
    record: Params = {
        "deployment_id": deployment_id,
        "release_id": f"{NAMESPACE}-{version}-{secrets.token_hex(3)}",
        "version": version,
        "previous_version": before.version,
        "environment": ENVIRONMENT,
        "services": list(plan.services),
        "scenario": plan.name,
        "status": "deploying",
        "started_at": timestamp(began),
        "deployed_at": None,
        "evidence_uri": evidence_folder(root, deployment_id).as_uri(),
        "monitoring_status": {"status": "not_started"},
    }
    records = Records(root)
    records.write(deployment_id, "deployment", record)
    records.write(deployment_id, "validation", _validation_record(deployment_id, None, []))
    records.write(deployment_id, "feature-flags", {"deployment_id": deployment_id, "flags": []})

    arm(root, plan, "before_deploy", version)
    health = [health_check(instance) for instance in before.instances.values()]
    progress(f"{deployment_id}: replacing {before.version} by {version}: {', '.join(plan.services)}")
    try:
        steps = fleet.deploy(root, version, plan.services)
    except BaseException:
        records.write(deployment_id, "deployment", {**record, "status": "failed"})
        raise
    record |= {"status": "deployed", "deployed_at": timestamp()}
    records.write(deployment_id, "deployment", record)
    arm(root, plan, "after_deploy", version)

    progress(f"{deployment_id}: validating {version}")
    after = read_state(root)
    health += [health_check(instance) for instance in after.instances.values()]
    checks = smoke_test(after)
    validated = datetime.now(UTC)
    passed = all(check.passed for check in checks)
    flags = _flags(before.version, version, validated if passed else None, plan.services)
    write_documents(
        evidence_folder(root, deployment_id),
        Deployment(
            deployment_id=deployment_id,
            release_id=record["release_id"],
            version=version,
            previous_version=before.version,
            deployed_at=record["deployed_at"],
            validated_at=timestamp(validated),
            instances={service: after.instances[service] for service in plan.services},
            steps=steps,
            health=health,
            checks=checks,
            flags=flags,
            baselines=baselines,
        ),
    )
    records.write(deployment_id, "feature-flags", {"deployment_id": deployment_id, "flags": flags})
    records.write(deployment_id, "validation", _validation_record(deployment_id, validated, checks))
    return {
        "deployment_id": deployment_id,
        "release_id": record["release_id"],
        "version": version,
        "environment": ENVIRONMENT,
        "services": record["services"],
        "deployed_at": record["deployed_at"],
        "evidence_uri": record["evidence_uri"],
        "baseline_window": baseline_window,
        "review_interval": review_interval,
        "rollback_policy": plan.rollback_policy,
        "mode": mode,
    }


def arm(root: Path, scenario: Scenario, when: When, version: str) -> list[Fault]:
    """Sets the faults of a scenario that begin at this moment, and returns them.

    Args:
        root: Root of a running sandbox.
        scenario: The scenario.
        when: The moment.
        version: The deployed version, to which the faults that come with the release are limited.
    """
    return [
        set_fault(
            root,
            fault.name,
            service=fault.service,
            value=fault.value,
            route=fault.route,
            version=version if fault.comes_with_release else None,
        )
        for fault in scenario.faults_at(when)
    ]


def evidence_folder(root: Path, deployment_id: str) -> Path:
    """Returns the folder of a deployment's upstream documents."""
    return Layout.at(root).run / "evidence" / deployment_id


def _flags(
    from_version: str, to_version: str, validated: datetime | None, services: Iterable[str] = tuple(SHOP)
) -> list[Params]:
    """Returns the feature flags of a release; none is ever activated where the validation failed."""
    at = timestamp(validated + FLAG_DELAY) if validated else None
    names = [f"{NAMESPACE}-{to_version}"]
    for service in services:
        for endpoint in new_endpoints(service, from_version, to_version):
            last = endpoint.path.rstrip("/").rpartition("/")[2]
            names.append(f"{service}-{last}")
    return [{"name": name, "activated_at": at} for name in names]


def _validation_record(deployment_id: str, validated: datetime | None, checks: list[Check]) -> Params:
    passed = "passed" if all(check.passed for check in checks) else "failed"
    return {
        "deployment_id": deployment_id,
        "status": passed if validated else "pending",
        "checked_at": timestamp(validated) if validated else None,
        "checks": [
            {"name": check.name, "status": "passed" if check.passed else "failed", "detail": check.detail}
            for check in checks
        ],
    }
