"""An SLO, its service and release, and promtool to try rules on made-up series."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from release_watch.catalog.models import MetricsSignal, Service, Signals, SyntheticsSignal, Tier
from release_watch.catalog.slos import Slo
from release_watch.release import Release
from release_watch.slo.rulefile import RuleGroup, to_yaml
from sandbox.layout import default_tools
from sandbox.packages import fetch_programs

REQUESTS = "http_server_request_duration_seconds_count"


@pytest.fixture(scope="session")
def promtool() -> Path:
    return fetch_programs(default_tools(), print)["promtool"]


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="d-1",
        release_id="2026.11.22-1",
        version="1.1.0",
        environment="production",
        services=("checkout",),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )


@pytest.fixture
def service() -> Service:
    return Service(
        name="checkout",
        tier=Tier.CRITICAL,
        owner="team checkout",
        signals=Signals(
            metrics=MetricsSignal(selector='job="shop/checkout"'),
            synthetics=SyntheticsSignal(selector='job="blackbox",service="checkout"'),
        ),
    )


@pytest.fixture
def slo() -> Slo:
    return Slo(
        name="checkout-availability",
        service="checkout",
        description="Orders are taken",
        objective=Decimal("0.999"),
        window_days=30,
        kind="ratio",
        good=None,
        bad=f'{REQUESTS}{{job="shop/checkout",http_response_status_code=~"5.."}}',
        total=f'{REQUESTS}{{job="shop/checkout"}}',
    )


class RuleTrial:
    """Runs rules over made-up series with ``promtool test rules``, a sample and an evaluation every 30 s."""

    def __init__(self, promtool: Path, folder: Path) -> None:
        self._promtool = promtool
        self._folder = folder

    def alerts(
        self, groups: Sequence[RuleGroup], series: Mapping[str, str], alert: str, fires: Mapping[str, bool]
    ) -> None:
        """Assert at which moments some alert whose name matches ``alert`` fires, and at which none does."""
        query = (
            f'count(count by (alertname) (ALERTS{{alertname=~"{alert}",alertstate="firing"}})) or vector(0)'
        )
        self.values(groups, series, [(query, moment, int(wanted)) for moment, wanted in fires.items()])

    def values(
        self,
        groups: Sequence[RuleGroup],
        series: Mapping[str, str],
        wanted: Sequence[tuple[str, str, float | None]],
    ) -> None:
        """Assert that each query gives one sample without labels at its moment (None: no sample at all)."""
        content: dict[str, Any] = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": "30s",
            "group_eval_order": [group.name for group in groups],
            "tests": [
                {
                    "interval": "30s",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "promql_expr_test": [
                        {
                            "expr": query,
                            "eval_time": moment,
                            "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
                        }
                        for query, moment, value in wanted
                    ],
                }
            ],
        }
        (self._folder / "rules.yaml").write_text(to_yaml(groups))
        (self._folder / "tests.yaml").write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [self._promtool, "test", "rules", "tests.yaml"], cwd=self._folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture
def trial(promtool: Path, tmp_path: Path) -> RuleTrial:
    return RuleTrial(promtool, tmp_path)
