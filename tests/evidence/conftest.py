from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.catalog.config import Config, config_folder, load_config
from release_watch.catalog.policies import Policies
from release_watch.evidence.documents import read_evidence
from release_watch.evidence.models import Evidence
from release_watch.release import Release

DEPLOYED = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
AT = DEPLOYED + timedelta(minutes=5)

VALIDATION: dict[str, Any] = {
    "schema_version": "1.0",
    "deployment_id": "dep-1",
    "release_id": "shop-1.1.0",
    "version": "1.1.0",
    "environment": "production",
    "status": "passed",
    "deployed_at": "2026-01-02T03:00:00.000Z",
    "validated_at": "2026-01-02T03:00:30.000Z",
    "services": [{"service": "checkout", "status": "passed"}, {"service": "payments", "status": "passed"}],
    "new_endpoints": [{"service": "payments", "method": "POST", "path": "/refunds"}],
}
HEALTH_LOG = """# Deployment health log

- Deployment: dep-1
- Release: shop-1.1.0
- Environment: production

| time (UTC) | service | event | result | ms | detail |
|---|---|---|---|---|---|
| 2026-01-02T02:58:00.000Z | checkout | replaced | ok |  | 1.0.0 by 1.1.0 |
| 2026-01-02T03:00:10.000Z | payments | POST /refunds | FAILED | 12 | answered 500 |
"""
REPORT = """# Deployment report: shop-1.1.0

- Deployment: dep-1
- Environment: production

## Summary

Complete at 2026-01-02T03:00:00.000Z.

## New endpoints

- checkout: `POST /orders/{id}/refund`
- payments: `POST /refunds`

## Dependencies

- checkout -> payments, fraud-check
- payments -> nothing

## Risks

- checkout POST /orders/{id}/refund is new: there is no history to compare it with
- the christmas sale begins tomorrow

## Feature flags

- refunds: active from 2026-01-02T03:00:35Z
"""


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="dep-1",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("checkout", "payments"),
        deployed_at=DEPLOYED,
        evidence_uri="file:///evidence/dep-1",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete evidence folder."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "post-deployment-validation.json").write_text(json.dumps(VALIDATION, indent=2))
    (folder / "deployment-health-log.md").write_text(HEALTH_LOG)
    (folder / "DEPLOYMENT-REPORT.md").write_text(REPORT)
    return folder


@pytest.fixture
def change(folder: Path) -> Callable[..., None]:
    """Changes fields of the validation document; None takes a field out."""

    def changed(**fields: Any) -> None:
        content = {key: value for key, value in {**VALIDATION, **fields}.items() if value is not None}
        (folder / "post-deployment-validation.json").write_text(json.dumps(content))

    return changed


@pytest.fixture
def read(folder: Path, release: Release) -> Callable[[], Evidence]:
    """Reads the folder as of five minutes after the deployment."""
    return lambda: read_evidence(folder, release, Policies(), at=AT)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)
    return load_config(config_folder())
