from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.catalog.models import (
    BusinessMetric,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
)
from release_watch.catalog.policies import BaselinePolicy, CoveragePolicy, Policies, WatchPolicy
from release_watch.release import Release

DEPLOYED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=2)


@pytest.fixture
def service() -> Service:
    return Service(
        name="checkout",
        tier=Tier.CRITICAL,
        owner="team-orders",
        dependencies=("payments",),
        signals=Signals(
            metrics=MetricsSignal(selector='job="shop/checkout"'),
            synthetics=SyntheticsSignal(selector='job="blackbox",service="checkout"'),
        ),
        business_metrics=(
            BusinessMetric(
                name="orders", query="sum(rate(shop_orders_total[1m]))", unit="orders/s", direction="down"
            ),
        ),
    )


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="42",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("checkout",),
        deployed_at=DEPLOYED,
        evidence_uri="file:///evidence",
        baseline_window=timedelta(minutes=3),
        review_interval=timedelta(seconds=30),
    )


@pytest.fixture
def policies() -> Policies:
    return Policies(
        baseline=BaselinePolicy(step=STEP, min_samples=30, reference_window=timedelta(minutes=4)),
        watch=WatchPolicy(warm_up=timedelta(seconds=10)),
        coverage=CoveragePolicy(live_within=timedelta(seconds=20)),
    )
