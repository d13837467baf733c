from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Reference
from release_watch.catalog.config import Config, load_config
from release_watch.coverage import whole_audit
from release_watch.coverage.questions import failed, passed, unanswered
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
CHECKS = {
    "PASS": passed("series", "q", "there", "series"),
    "FAIL": failed("series", "q", "no series", "series", "export it"),
    "INCONCLUSIVE": unanswered("series", "q", "no traffic", "series", "send some"),
}


class NoServers:
    """Backends of which none is configured."""

    def metrics(self, *_: object) -> Any:
        raise NotConfiguredError("prometheus_default", "metrics")

    def prometheus(self) -> Any:
        raise NotConfiguredError("prometheus_default", "rules")

    def logs(self, *_: object) -> Any:
        raise NotConfiguredError("loki_default", "logs")

    def traces(self, *_: object) -> Any:
        raise NotConfiguredError("tempo_default", "traces")


NO_SERVERS: Any = NoServers()


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="d-1",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("storefront",),
        deployed_at=datetime(2026, 1, 2, 3, 0, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch, release: Release, config: Config) -> Any:
    """Audit with signals that have a verdict, and with references as given."""

    def run(signals: Verdict, *references: Reference) -> InstrumentationAudit:
        made = InstrumentationAudit(
            release_id="shop-1.1.0", environment="production", generated_at=AT, verdict=signals, services=()
        )
        monkeypatch.setattr(whole_audit, "audit", lambda *_, **__: made)
        monkeypatch.setattr(whole_audit, "score", lambda *_, **__: {})
        monkeypatch.setattr(whole_audit, "_references", lambda *_: references)
        services = config.catalog.select(["storefront", "catalogue"])
        return whole_audit.whole_audit(release, services, NO_SERVERS, config, endpoints={}, at=AT)

    return run


def reference(kind: Any, service: str | None, status: str) -> Reference:
    return Reference(kind=kind, name="one", service=service, check=CHECKS[status])


@pytest.mark.parametrize(
    ("kind", "service", "status", "verdict"),
    [
        pytest.param("alert", "storefront", "FAIL", Verdict.NO_GO, id="critical alert is blind"),
        pytest.param("slo", "storefront", "FAIL", Verdict.NO_GO, id="critical slo is blind"),
        pytest.param("alert", None, "FAIL", Verdict.NO_GO, id="alert of everybody is blind"),
        pytest.param("panel", "storefront", "FAIL", Verdict.WARN, id="panel is empty"),
        pytest.param("alert", "catalogue", "FAIL", Verdict.WARN, id="standard service"),
        pytest.param("alert", "storefront", "INCONCLUSIVE", Verdict.WARN, id="cannot be told"),
        pytest.param("alert", "storefront", "PASS", Verdict.GO, id="all there"),
    ],
)
def test_what_cannot_be_read_lowers_the_verdict(
    audited: Any, kind: str, service: str | None, status: str, verdict: Verdict
) -> None:
    found = audited(Verdict.GO, reference(kind, service, status))

    assert found.verdict is verdict
    assert [one.check.status for one in found.references] == [CoverageStatus(status)]


@pytest.mark.parametrize("signals", [Verdict.NO_GO, Verdict.INCONCLUSIVE])
def test_references_never_raise_a_verdict(audited: Any, signals: Verdict) -> None:
    assert audited(signals, reference("alert", "storefront", "PASS")).verdict is signals


def test_what_a_service_calls_is_audited_too_and_once(config: Config) -> None:
    storefront, checkout = config.catalog.select(["storefront", "checkout"])

    found = whole_audit.with_dependencies((storefront, checkout), config.catalog)

    assert [service.name for service in found] == ["storefront", "checkout", "catalogue", "payments"]


def test_without_any_backend_nothing_is_proven_and_nothing_raises(release: Release, config: Config) -> None:
    services = config.catalog.select(release.services)

    found = whole_audit.whole_audit(release, services, NO_SERVERS, config, endpoints={}, at=AT)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert {one.kind for one in found.references} == {"slo"}
    assert {one.check.status for one in found.references} == {CoverageStatus.INCONCLUSIVE}
    assert all("prometheus_default" in (one.check.remedy or "") for one in found.references)


def test_a_server_that_goes_away_while_it_is_asked_leaves_its_references_open(
    monkeypatch: pytest.MonkeyPatch, release: Release, config: Config
) -> None:
    def gone(*_: object) -> Any:
        raise BackendError("Prometheus", "did not answer")

    monkeypatch.setattr(whole_audit, "readers_of", gone)

    found = whole_audit.whole_audit(
        release,
        config.catalog.select(release.services),
        NO_SERVERS,
        config,
        endpoints={},
        at=AT,
    )

    assert {one.check.observed for one in found.references} == {"Prometheus: did not answer"}
