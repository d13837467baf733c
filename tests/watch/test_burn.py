from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import promql_parser
import pytest

from release_watch.artifacts.models import Severity
from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.telemetry.metrics import Sample
from release_watch.verdict import Verdict
from release_watch.watch.burn import budgets, burn_query
from release_watch.watch.sightings import Heard

DEPLOYED = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = DEPLOYED + timedelta(hours=3)
TOTAL, BAD, GOOD = (
    'requests_total{job="shop"}',
    'requests_total{job="shop",code="500"}',
    'good_total{job="shop"}',
)
RELEASE = Release(
    deployment_id="d",
    release_id="r",
    version="1.1.0",
    environment="production",
    services=("payments",),
    deployed_at=DEPLOYED,
    evidence_uri="file:///e",
)
SERVICES = {
    "payments": Service(
        name="payments",
        tier=Tier.CRITICAL,
        owner="team-money",
        signals=Signals(metrics=MetricsSignal(selector='job="shop"')),
    )
}


def slo(**given: object) -> Slo:
    fields: dict[str, object] = {
        "name": "payments-availability",
        "service": "payments",
        "description": "charges are answered",
        "objective": Decimal("0.999"),
        "window_days": 30,
        "kind": "ratio",
        "good": None,
        "bad": BAD,
        "total": TOTAL,
    }
    return Slo.model_validate({**fields, **given})


class FakeMetrics:
    """Gives numbers by time and by what is counted; what it has no number of has no series."""

    def __init__(self, now: dict[str, float], before: dict[str, float]) -> None:
        self.numbers = {AT: now, DEPLOYED: before}

    def metrics(self, service: object = None) -> FakeMetrics:  # noqa: ARG002 - as the protocol has it
        return self

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        assert at is not None
        promql_parser.parse(query)
        known = self.numbers[at]
        return [Sample({}, at, value) for source, value in known.items() if f"increase({source}[" in query]


def told(now: dict[str, float], before: dict[str, float], one: Slo | None = None) -> Heard:
    backends = FakeMetrics(now, before)
    return budgets([one or slo()], SERVICES, RELEASE, backends, AT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad_now", "bad_before", "severity"),
    [
        pytest.param(0, 0, None, id="nothing-burns"),
        # 3 h of 720 h: a burn rate of 5 spends 2 % of the budget.
        pytest.param(4_000, 0, None, id="slower-than-a-page"),
        pytest.param(6_000, 0, Severity.MAJOR, id="as-much-as-a-page-is-worth"),
        pytest.param(6_000, 4_000, None, id="nearly-as-fast-before-the-release"),
        pytest.param(30_000, 0, Severity.CRITICAL, id="a-tenth-of-the-budget"),
    ],
)
def test_what_a_budget_that_burns_is(bad_now: float, bad_before: float, severity: Severity | None) -> None:
    heard = told({TOTAL: 1_000_000, BAD: bad_now}, {TOTAL: 1_000_000, BAD: bad_before})

    assert [one.severity for one in heard.sightings] == ([severity] if severity else [])
    assert heard.objectives[0].verdict is (Verdict.WARN if severity else Verdict.GO)


def test_the_numbers_are_told() -> None:
    (objective,) = told({TOTAL: 1_000_000, BAD: 6_000}, {TOTAL: 1_000_000}).objectives

    assert objective.name == "payments budget:payments-availability"
    assert "burns at 6 times the even pace, before the release at 0" in objective.reason
    assert objective.value == "2.50% of the budget"
    promql_parser.parse(str(objective.query))


def test_a_handful_of_failures_is_chance() -> None:
    assert told({TOTAL: 4, BAD: 4}, {TOTAL: 4}).sightings == ()


def test_where_nothing_at_all_is_good_all_is_bad() -> None:
    counted_good = slo(bad=None, good=GOOD)

    assert (
        told({TOTAL: 1_000}, {TOTAL: 1_000, GOOD: 1_000}, counted_good).sightings[0].severity
        is Severity.CRITICAL
    )


def test_without_events_nothing_is_known_and_findings_stay() -> None:
    heard = told({}, {TOTAL: 1_000})

    assert heard.objectives[0].verdict is Verdict.WARN
    assert heard.unheard == {("payments", "budget:payments-availability")}


def test_a_server_that_is_away_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: FakeMetrics, query: str, at: datetime | None = None) -> list[Sample]:
        raise BackendError("Prometheus", "did not answer")

    monkeypatch.setattr(FakeMetrics, "instant", away)

    heard = told({}, {})

    assert heard.objectives[0].verdict is Verdict.INCONCLUSIVE
    assert heard.unheard == {("payments", "budget:payments-availability")}


def test_slos_of_other_services_are_left_out() -> None:
    assert told({}, {}, slo(service="checkout")) == Heard()


@pytest.mark.parametrize("per_second", [True, False], ids=["per-second", "in-the-window"])
def test_expressions_are_asked_over_the_stretch(per_second: bool) -> None:
    given = slo(
        bad='sum(rate(x{code="500"}[{{.window}}]))', total="sum(rate(x[{{.window}}]))", per_second=per_second
    )

    query = burn_query(given, timedelta(hours=1))

    assert "[3600s]" in query
    assert ("* 3600" in query) is per_second
    promql_parser.parse(query)
