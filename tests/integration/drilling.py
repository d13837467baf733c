"""A release with two critical services, and its drills over the real stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.oncall import Paging
from release_watch.drills.drill import conclude, fire
from release_watch.drills.plan import drill_routes
from release_watch.drills.receipts import Acknowledgement, Receipts
from release_watch.release import Release
from release_watch.slo.rulefile import Rule, RuleGroup
from release_watch.telemetry import prometheus_api
from tests.integration.direct import DirectBackends

DELIVER_WITHIN = timedelta(seconds=10)
ACKNOWLEDGE_WITHIN = timedelta(seconds=30)
RESOLVE_WITHIN = timedelta(seconds=25)
RELEASE = Release(
    deployment_id="d-1",
    release_id="r-2026-11",
    version="1.1.0",
    environment="production",
    services=("checkout", "payments"),
    deployed_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
    evidence_uri="file:///evidence",
)


def critical(name: str) -> Service:
    signals = Signals(metrics=MetricsSignal(selector=f'job="shop/{name}"'))
    return Service(name=name, tier=Tier.CRITICAL, owner="team-shop", signals=signals)


def page_of(name: str) -> RuleGroup:
    labels = {"service": name, "severity": "page", "slo": f"{name}-availability"}
    rule = Rule(alert="ErrorBudgetBurn", expr="vector(0) > 1", labels=labels)
    return RuleGroup(name=name, rules=(rule,))


SERVICES = tuple(critical(name) for name in RELEASE.services)
RULES = [page_of(name) for name in RELEASE.services]


def fire_all(
    backends: DirectBackends,
    receipts: Receipts,
    *,
    within: timedelta = DELIVER_WITHIN,
    by: Callable[..., list[DrillResult]] = fire,
) -> list[DrillResult]:
    routes = drill_routes(RELEASE, SERVICES, RULES, backends)
    return by(routes, RELEASE, backends, receipts, deliver_within=within)


def finish(
    results: list[DrillResult],
    answers: dict[str, Acknowledgement],
    backends: DirectBackends,
    receipts: Receipts,
    paging: Sequence[Paging] = (),
) -> AlertTestResults:
    return conclude(
        results,
        answers,
        RELEASE,
        backends,
        receipts,
        acknowledge_within=ACKNOWLEDGE_WITHIN,
        paging=paging,
        resolve_within=RESOLVE_WITHIN,
    )


def assert_nothing_is_left(backends: DirectBackends) -> None:
    rules = prometheus_api.rules(backends.prometheus())
    assert not [rule for rule in rules if rule.labels.get("drill") == "true"]
    alerts = backends.alertmanager().request("GET", "/api/v2/alerts", params={"filter": 'drill="true"'})
    assert alerts.body == []
    folder = backends.rules_directory()
    assert folder is not None
    assert not list(folder.glob("release-watch-drill-*"))
