from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Signal
from release_watch.catalog.models import Service
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.audit import audit, missing_critical
from release_watch.coverage.table import coverage_table
from release_watch.errors import InvalidInputError
from release_watch.release import Release
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
LIVE_WITHIN = timedelta(minutes=5)

Run = Callable[..., InstrumentationAudit]


@pytest.fixture
def run(backends: Any, make_release: Callable[..., Release]) -> Run:
    def audited(
        services: Sequence[Service],
        *,
        released: Sequence[str] = ("checkout",),
        at: datetime = AT,
        **endpoints: list[str],
    ) -> InstrumentationAudit:
        release = make_release(*released)
        return audit(
            release,
            services,
            backends,
            endpoints=endpoints,
            policy=CoveragePolicy(live_within=LIVE_WITHIN),
            at=at,
        )

    return audited


def statuses(result: InstrumentationAudit, service: str = "checkout") -> dict[str, CoverageStatus]:
    found = next(audited for audited in result.services if audited.service == service)
    return {signal: one.status for signal, one in found.signals.items()}


def failing(result: InstrumentationAudit) -> set[tuple[str, str]]:
    return {
        (signal, check.name)
        for service in result.services
        for signal, one in service.signals.items()
        for check in one.checks
        if check.status is not CoverageStatus.PASS
    }


def test_a_service_with_every_live_signal_of_the_release_is_a_go(
    run: Run, servers: Any, make_service: Any
) -> None:
    servers.healthy("checkout")
    servers.routes["checkout"] = [("POST", "/orders/{id}/refund")]

    result = run([make_service("checkout")], checkout=["POST /orders/:id/refund"])

    assert result.verdict is Verdict.GO
    assert set(statuses(result).values()) == {CoverageStatus.PASS}
    assert result.services[0].score == 1.0
    assert missing_critical(result) == ()


@pytest.mark.parametrize("signal", list(Signal))
def test_a_signal_that_is_not_mapped_is_a_gap_that_says_where_to_map_it(
    run: Run, servers: Any, make_service: Any, signal: Signal
) -> None:
    servers.healthy("checkout")

    result = run([make_service("checkout", without=(signal,))])

    assert failing(result) == {(signal, "mapped")}
    assert result.verdict is Verdict.NO_GO
    (check,) = result.services[0].signals[signal].checks
    assert check.remedy == f"give services.checkout.signals.{signal} in services.yaml its selector"


@pytest.mark.parametrize(
    ("signal", "gone"),
    [("metrics", "requests"), ("logs", "lines"), ("traces", "traces"), ("synthetics", "probes")],
)
def test_a_signal_that_went_silent_fails_and_no_other_does(
    run: Run, servers: Any, make_service: Any, signal: str, gone: str
) -> None:
    servers.healthy("checkout", "payments")
    del getattr(servers, gone)["checkout"]

    result = run([make_service("checkout"), make_service("payments")], released=("checkout", "payments"))

    failed = {name for name, status in statuses(result).items() if status is CoverageStatus.FAIL}
    assert failed == {signal}
    assert set(statuses(result, "payments").values()) == {CoverageStatus.PASS}
    assert missing_critical(result) == ("checkout",)


@pytest.mark.parametrize(
    ("age", "at"),
    [
        pytest.param(timedelta(minutes=5), AT, id="older than the bound"),
        pytest.param(
            timedelta(seconds=31), AT - timedelta(minutes=9, seconds=30), id="from before the deployment"
        ),
    ],
)
@pytest.mark.parametrize("signal", ["metrics", "traces", "synthetics"])
def test_samples_that_are_too_old_prove_nothing(
    run: Run, servers: Any, make_service: Any, signal: str, age: timedelta, at: datetime
) -> None:
    servers.healthy("checkout")
    servers.requests["checkout"] = at - age
    servers.traces["checkout"] = ("1.1.0", at - age)
    servers.probes["checkout"] = (at - age, 1.0)

    result = run([make_service("checkout")], at=at)

    assert statuses(result)[signal] is CoverageStatus.FAIL
    assert (signal, "live") in failing(result)


def test_telemetry_of_the_old_version_alone_does_not_count(run: Run, servers: Any, make_service: Any) -> None:
    servers.healthy("checkout")
    servers.versions["checkout"] = "1.0.0"
    servers.lines["checkout"] = ("1.0.0", 9)
    servers.traces["checkout"] = ("1.0.0", AT - timedelta(seconds=1))

    result = run([make_service("checkout")])

    assert failing(result) == {("metrics", "release"), ("logs", "release"), ("traces", "release")}
    assert result.verdict is Verdict.NO_GO


def test_the_version_may_come_from_target_info(run: Run, servers: Any, make_service: Any) -> None:
    servers.healthy("checkout")
    servers.versions["checkout"] = ""
    servers.target_info["checkout"] = "1.1.0"

    assert run([make_service("checkout")]).verdict is Verdict.GO


def test_telemetry_that_names_no_version_is_inconclusive_and_says_what_to_add(
    run: Run, servers: Any, make_service: Any
) -> None:
    servers.healthy("checkout")
    servers.versions["checkout"] = ""

    result = run([make_service("checkout")])

    assert statuses(result)["metrics"] is CoverageStatus.INCONCLUSIVE
    assert result.verdict is Verdict.INCONCLUSIVE
    assert missing_critical(result) == ("checkout",)
    assert "target_info" in (result.services[0].signals[Signal.METRICS].checks[1].remedy or "")


def test_a_service_that_the_release_does_not_change_may_have_any_version(
    run: Run, servers: Any, make_service: Any
) -> None:
    servers.healthy("checkout", "payments")
    servers.versions["payments"] = "0.9.0"
    servers.traces["payments"] = ("0.9.0", AT - timedelta(seconds=1))

    assert run([make_service("checkout"), make_service("payments")]).verdict is Verdict.GO


def test_a_new_endpoint_without_series_is_a_gap(run: Run, servers: Any, make_service: Any) -> None:
    servers.healthy("checkout")
    servers.routes["checkout"] = [("POST", "/orders"), ("GET", "/orders/{id}/refund")]

    result = run([make_service("checkout")], checkout=["POST /orders", "POST /orders/{id}/refund"])

    assert failing(result) == {("metrics", "endpoints")}
    (check,) = [c for c in result.services[0].signals[Signal.METRICS].checks if c.name == "endpoints"]
    assert check.observed == "no series of POST /orders/{id}/refund"


def test_a_probe_that_only_fails_is_a_gap(run: Run, servers: Any, make_service: Any) -> None:
    servers.healthy("checkout")
    servers.probes["checkout"] = (AT - timedelta(seconds=1), 0.0)

    assert failing(run([make_service("checkout")])) == {("synthetics", "succeeds")}


def test_a_backend_that_cannot_be_asked_leaves_its_signal_open_and_the_others_proven(
    run: Run, servers: Any, make_service: Any, outage: Exception
) -> None:
    servers.healthy("checkout")
    servers.broken["logs"] = outage

    result = run([make_service("checkout")])

    assert statuses(result)["logs"] is CoverageStatus.INCONCLUSIVE
    assert failing(result) == {("logs", "backend")}
    assert result.verdict is Verdict.INCONCLUSIVE
    (check,) = result.services[0].signals[Signal.LOGS].checks
    assert "loki_default" in (check.remedy or "")


def test_a_gap_of_a_standard_service_is_a_warning(run: Run, servers: Any, make_service: Any) -> None:
    servers.healthy("checkout")

    result = run([make_service("checkout"), make_service("catalogue", tier="standard")])

    assert result.verdict is Verdict.WARN
    assert missing_critical(result) == ()


def test_an_audit_of_nothing_is_never_a_go(run: Run) -> None:
    assert run([]).verdict is Verdict.INCONCLUSIVE


def test_an_audit_from_before_the_deployment_is_refused(run: Run, make_service: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"deployed_at: .*check the clock"):
        run([make_service("checkout")], at=AT - timedelta(minutes=10))


@pytest.mark.parametrize("count", [1, 50])
def test_the_number_of_queries_does_not_grow_with_the_services(
    run: Run, servers: Any, make_service: Any, count: int
) -> None:
    names = [f"s{number}" for number in range(count)]
    servers.healthy(*names)

    result = run([make_service(name) for name in names], released=names)

    assert result.verdict is Verdict.GO
    assert len(servers.asked) == 19


def test_the_table_has_a_row_per_service_and_the_remedy_of_each_gap(
    run: Run, servers: Any, make_service: Any
) -> None:
    servers.healthy("checkout", "payments")
    del servers.probes["payments"]

    lines = coverage_table(run([make_service("checkout"), make_service("payments")])).splitlines()

    assert lines[0].split() == ["service", "tier", "score", "metrics", "logs", "traces", "synthetics"]
    assert lines[1].split() == ["checkout", "critical", "100%", "PASS", "PASS", "PASS", "PASS"]
    assert lines[2].split()[-1] == "FAIL"
    assert lines[3] == "verdict: NO_GO"
    assert any(line.startswith("FAIL payments synthetics live: no sample") for line in lines[4:])
