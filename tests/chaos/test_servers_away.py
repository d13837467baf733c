"""Real servers that die or hang in the middle: never a Go, and a Go again once they are back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Signal
from release_watch.catalog.config import load_config
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import now
from release_watch.coverage.audit import audit
from release_watch.errors import BackendError
from release_watch.gates.evaluate import evaluate_gate
from release_watch.gates.tables import gate_1_table
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.release import Release
from sandbox import processes
from sandbox.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, servers={"prometheus"}) as running:
        yield running


@pytest.fixture
def backends(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AirflowBackends:
    connection = {"conn_type": "http", "host": stack.endpoints["prometheus"], "extra": {"timeout": 1}}
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_DEFAULT", json.dumps(connection))
    return AirflowBackends("production")


def signal_prometheus(stack: Stack, number: signal.Signals) -> None:
    record = next(r for r in processes.read_records(stack.layout.processes) if r.name == "prometheus")
    os.kill(record.pid, number)


def audited(backends: AirflowBackends) -> InstrumentationAudit:
    services = load_config().catalog.services
    release = Release(
        deployment_id="d-1",
        release_id="r-1",
        version="1.0.0",
        environment="production",
        services=tuple(service.name for service in services),
        deployed_at=now() - timedelta(minutes=1),
        evidence_uri="file:///evidence",
    )
    return audit(
        release,
        services,
        backends,
        endpoints={},
        policy=CoveragePolicy(live_within=timedelta(seconds=20)),
        at=now(),
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_metrics_of_a_server_that_is_away_are_inconclusive_and_no_gate_opens(
    stack: Stack, backends: AirflowBackends, number: signal.Signals
) -> None:
    signal_prometheus(stack, number)

    result = audited(backends)

    statuses = {service.signals[Signal.METRICS].status for service in result.services}
    assert statuses == {CoverageStatus.INCONCLUSIVE}
    decision = evaluate_gate(1, gate_1_table(result, "d" * 64))
    assert not decision.verdict.proceeds


def test_a_server_that_hangs_is_told_with_its_name_and_answers_again_when_it_goes_on(
    stack: Stack, backends: AirflowBackends
) -> None:
    assert backends.metrics().instant("vector(1)")[0].value == 1
    signal_prometheus(stack, signal.SIGSTOP)
    with pytest.raises(BackendError, match="Prometheus"):
        backends.metrics().instant("vector(1)")
    signal_prometheus(stack, signal.SIGCONT)
    assert backends.metrics().instant("vector(1)")[0].value == 1


def test_a_connection_that_is_not_configured_is_named_in_the_audit(backends: AirflowBackends) -> None:
    logs = audited(backends).services[0].signals[Signal.LOGS]
    assert logs.status is CoverageStatus.INCONCLUSIVE
    assert "loki_default" in " ".join(f"{check.observed} {check.remedy}" for check in logs.checks)
