"""Generated rules have no error of the lint: those of the shipped catalogue, and of random ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_watch.catalog.config import load_config
from release_watch.catalog.models import (
    BusinessMetric,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
)
from release_watch.catalog.slos import Slo
from release_watch.release import Release
from release_watch.slo.lint import errors, lint
from release_watch.slo.red import ASSUMED
from release_watch.slo.rules import rule_groups

SHIPPED = Path(__file__).parents[2] / "include" / "config"
EXPOSED = ASSUMED | {
    "process_open_fds",
    "process_max_fds",
    "db_client_operation_duration_seconds_count",
    "db_client_connections_usage",
    "db_client_connections_max",
}
NEVER_TRUE = ("never recorded", "used before recorded", "unread")
"""Warnings to users, and mistakes here."""


def wrong(slos: Sequence[Slo], services: Sequence[Service], exposed: frozenset[str]) -> list[str]:
    release = Release(
        deployment_id="d-1",
        release_id="r-1",
        version="1.1.0",
        environment="production",
        services=tuple(service.name for service in services),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )
    found = lint(
        rule_groups(
            slos,
            services,
            release,
            runbook_url="file:///runbook",
            dashboard_url="https://grafana",
            metric_names={service.name: exposed for service in services},
        )
    )
    return [str(one) for one in found if one in errors(found) or one.what in NEVER_TRUE]


def test_the_rules_of_the_shipped_catalogue_have_no_error() -> None:
    config = load_config(SHIPPED)
    assert wrong(config.slos, config.catalog.services, EXPOSED) == []


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
MATCHERS = st.sampled_from(['job="shop"', 'job="shop",instance=~"a|b"', 'cluster!="x",job="a/b"'])


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[list[Slo], list[Service]]:
    services = [draw(service(name)) for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))]
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    return [draw(slo(name, draw(st.sampled_from(services)).name)) for name in names], services


@st.composite
def service(draw: st.DrawFn, name: str) -> Service:
    business = BusinessMetric(
        name="orders",
        query=draw(st.sampled_from(["sum(rate(orders_total[5m]))", "avg by (shop) (basket_size)"])),
        unit="1/s",
        direction=draw(st.sampled_from(["up", "down", "both"])),
    )
    return Service(
        name=name,
        tier=draw(st.sampled_from(Tier)),
        owner="team",
        signals=Signals(
            metrics=draw(st.none() | st.builds(MetricsSignal, selector=MATCHERS)),
            synthetics=draw(st.none() | st.builds(SyntheticsSignal, selector=MATCHERS)),
        ),
        business_metrics=(business,) if draw(st.booleans()) else (),
    )


@st.composite
def slo(draw: st.DrawFn, name: str, of: str) -> Slo:
    total = f"requests_total{{{draw(MATCHERS)}}}"
    part = f'requests_total{{{draw(MATCHERS)},code=~"5.."}}'
    groups = draw(st.sampled_from([(), ("route",), ("region", "route")]))
    if templated := not groups and draw(st.booleans()):
        total, part = (f"sum(increase({counter}[{{{{.window}}}}]))" for counter in (total, part))
    bad = draw(st.booleans())
    return Slo(
        name=name,
        service=of,
        description="",
        objective=draw(
            st.sampled_from([Decimal("0.95"), Decimal("0.99"), Decimal("0.999"), Decimal("0.9999")])
        ),
        window_days=draw(st.sampled_from([7, 28, 30, 90])),
        kind="ratio",
        good=None if bad else part,
        bad=part if bad else None,
        total=total,
        per_second=not templated,
        group_by=groups,
        page=draw(st.booleans()),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues(), st.booleans())
def test_the_rules_of_any_catalogue_have_no_error(
    catalogue: tuple[list[Slo], list[Service]], exposed: bool
) -> None:
    slos, services = catalogue
    unreachable = [one for one in slos if one.window_days == 90 and one.objective == Decimal("0.95")]
    assert (
        wrong([one for one in slos if one not in unreachable], services, EXPOSED if exposed else ASSUMED)
        == []
    )
