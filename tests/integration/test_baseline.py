"""A release of the real shop under real load: baseline, healthy reviews, a regression, its rollback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from release_watch.artifacts.models import BaselineKind, Severity
from release_watch.baseline.capture import document
from release_watch.baseline.frames import frames, from_parquet, to_parquet
from release_watch.baseline.metrics import metric_specs
from release_watch.baseline.review import review
from release_watch.catalog.config import load_config
from release_watch.catalog.models import Service
from release_watch.catalog.policies import Policies
from release_watch.judge import ReleaseJudgement
from release_watch.release import Release, RollbackPolicy
from release_watch.response.findings import update_findings
from release_watch.response.policy import Action, respond
from release_watch.response.rollback import RollbackStatus, request_rollback, rollback_status
from release_watch.telemetry.prometheus_api import alerts
from release_watch.verdict import Verdict
from sandbox import faults
from sandbox.endpoints import read_endpoints
from sandbox.orchestrator.records import Records, new_deployment_id, timestamp
from sandbox.shop import fleet
from sandbox.shop.state import read_state
from sandbox.shop.topology import SHOP
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends, DirectTransport

if TYPE_CHECKING:
    import pandas as pd

REPOSITORY = Path(__file__).parents[2]
OLD, NEW = "1.0.0", "1.1.0"
REFERENCE = timedelta(seconds=90)
REVIEW_EVERY = 30.0
PEAK_VISITS = 8.0

Reference = dict[tuple[str, str], "pd.Series"]


@dataclass
class Watched:
    """The release under watch, and what it takes to look at it."""

    root: Path
    backends: DirectBackends
    policies: Policies
    services: tuple[Service, ...]
    release: Release
    reference: Reference

    def look(self, number: int) -> ReleaseJudgement:
        at = datetime.now(UTC)
        done = review(number, self.release, self.services, self.backends, self.reference, self.policies, at)
        assert done.review.verdict is done.judgement.verdict
        return done.judgement


@pytest.fixture(scope="module")
def policies() -> Policies:
    """Those of the rehearsal."""
    return Policies.model_validate(yaml.safe_load((REPOSITORY / "sandbox" / "policies.yaml").read_text()))


@pytest.fixture(scope="module")
def shop(stack: Stack, sandbox_root: Path) -> Iterator[Path]:
    """The shop under load, at its first version, for as long as a reference takes."""
    fleet.start(sandbox_root, version=OLD, peak=PEAK_VISITS, tethered=True)
    try:
        time.sleep(REFERENCE.total_seconds() + 10)
        yield sandbox_root
    finally:
        faults.clear_faults(sandbox_root)
        fleet.stop(sandbox_root)


@pytest.fixture(scope="module")
def watched(shop: Path, backends: DirectBackends, policies: Policies) -> Watched:
    """The reference taken, then every service replaced by the new version."""
    services = load_config(REPOSITORY / "include" / "config").catalog.select(tuple(SHOP))
    end = datetime.now(UTC)
    specs = metric_specs(services, step=policies.baseline.step)
    reference = frames(specs, backends.metrics(), (end - REFERENCE, end), policies.baseline.step)
    fleet.deploy(shop, NEW)
    release = Release(
        deployment_id=new_deployment_id(end),
        release_id=f"shop-{NEW}",
        version=NEW,
        environment="production",
        services=tuple(SHOP),
        deployed_at=datetime.now(UTC),
        evidence_uri="file:///evidence",
        baseline_window=timedelta(minutes=3),
        review_interval=timedelta(seconds=REVIEW_EVERY),
        rollback_policy=RollbackPolicy.AUTO,
    )
    record = {"deployment_id": release.deployment_id, "version": NEW, "previous_version": OLD}
    Records(shop).write(release.deployment_id, "deployment", {**record, "deployed_at": timestamp()})
    return Watched(shop, backends, policies, services, release, from_parquet(to_parquet(reference)))


def test_the_reference_baseline_convinces_and_holds_what_prometheus_answers(watched: Watched) -> None:
    step = watched.policies.baseline.step
    specs = metric_specs(watched.services, step=step)
    end = watched.reference["checkout", "throughput_rps"].index[-1].to_pydatetime()
    window = (end - REFERENCE, end)

    baseline = document(
        BaselineKind.REFERENCE, specs, watched.reference, window, step, watched.release, watched.policies
    )

    assert baseline.verdict is Verdict.GO, baseline.reason
    measured = {(entry.service, entry.metric): entry for entry in baseline.metrics}
    assert len(measured) == len(specs)
    latency = measured["checkout", "latency_p95_seconds"]
    asked = watched.backends.metrics().range(latency.query, *window, step).iloc[:, 0].dropna()
    assert latency.quantiles["0.5"] == pytest.approx(asked.median(), rel=0.05)
    assert latency.normal_range is not None
    assert latency.normal_range.low < latency.quantiles["0.5"] < latency.normal_range.high
    assert measured["storefront", "availability"].quantiles["0.5"] == 1
    assert measured["payments", "error_ratio"].quantiles["0.5"] == 0


def test_a_healthy_release_has_nothing_critical_at_two_reviews(watched: Watched) -> None:
    for number in (1, 2):
        time.sleep(REVIEW_EVERY)
        judgement = watched.look(number)
        assert judgement.verdict.proceeds, judgement.reason
        assert judgement.critical == ()


def test_a_slow_service_is_found_by_the_second_review_blamed_and_rolled_back_once(watched: Watched) -> None:
    faults.set_fault(watched.root, "latency", service="checkout", value=300.0, version=NEW)
    for number in (3, 4):
        time.sleep(REVIEW_EVERY)
        judgement = watched.look(number)
        if judgement.critical:
            break
    assert judgement.verdict is Verdict.NO_GO, judgement.reason

    now = datetime.now(UTC)
    findings = update_findings([], judgement, alerts(watched.backends.prometheus()), now)
    critical = {
        (finding.service, finding.metric) for finding in findings if finding.severity is Severity.CRITICAL
    }
    assert critical == {("checkout", "latency_p95_seconds")}
    response = respond(findings, watched.release, watched.services)
    assert response.action is Action.ROLL_BACK

    endpoints = read_endpoints(watched.root)
    token = Path(endpoints["files"]["orchestrator_token"]).read_text().strip()
    orchestrator = DirectTransport(endpoints["orchestrator"], headers={"Authorization": f"Bearer {token}"})
    assert rollback_status(orchestrator, watched.release) is None
    first = request_rollback(orchestrator, watched.release, response.reasons[0])
    again = request_rollback(orchestrator, watched.release, response.reasons[0])
    assert again.rollback_id == first.rollback_id
    deadline = time.monotonic() + 90
    while not (ticket := rollback_status(orchestrator, watched.release)) or not ticket.finished:
        assert time.monotonic() < deadline, ticket
        time.sleep(1)
    assert ticket.status is RollbackStatus.SUCCEEDED, ticket.detail
    assert read_state(watched.root).version == OLD


def test_a_version_that_no_longer_answers_is_never_go(watched: Watched) -> None:
    time.sleep(watched.policies.coverage.live_within.total_seconds() + 5)

    judgement = watched.look(5)

    assert judgement.verdict is Verdict.INCONCLUSIVE, judgement.reason
    assert "no data since" in judgement.reason
