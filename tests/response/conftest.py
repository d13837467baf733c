from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.release import Release

AT = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="42",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("checkout", "payments"),
        deployed_at=AT - timedelta(minutes=5),
        evidence_uri="file:///evidence",
    )
