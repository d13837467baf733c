"""STAND-IN release orchestrator: how the shop performs before a deployment, as Prometheus measured it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from sandbox.errors import SandboxError
from sandbox.orchestrator.records import timestamp
from sandbox.shop.topology import NAMESPACE

METRIC = "http_server_request_duration_seconds"
LONGEST_WINDOW = timedelta(minutes=10)
SHORTEST_WINDOW = timedelta(seconds=30)
POLL_SECONDS = 2.0


class NoMeasurementsError(SandboxError):
    """Prometheus has nothing to say about the shop."""


def queries(service: str, version: str, window_seconds: int) -> dict[str, str]:
    """Returns the PromQL of the baseline of one version of a service, by the field that it fills."""
    job = f'job="{NAMESPACE}/{service}",version="{version}"'
    window = f"[{window_seconds}s]"
    total = f"sum(rate({METRIC}_count{{{job}}}{window}))"
    failed = f'sum(rate({METRIC}_count{{{job},http_response_status_code=~"5.."}}{window}))'
    buckets = f"sum by (le) (rate({METRIC}_bucket{{{job}}}{window}))"
    return {
        "p95_latency_seconds": f"histogram_quantile(0.95, {buckets})",
        "error_ratio": f"({failed} or 0 * {total}) / {total}",
        "requests_per_second": total,
        "samples": f"sum(increase({METRIC}_count{{{job}}}{window}))",
    }


def measure_baselines(
    prometheus: str, versions: Mapping[str, str], *, running_since: datetime, patience: timedelta
) -> dict[str, Any]:
    """Returns the window and, per service, p95 latency (s), error ratio, requests per second and samples.

    Args:
        prometheus: Base URL.
        versions: The version of each service that is to be measured.
        running_since: Since when they have run; the window does not reach further back.
        patience: How long to wait until every service has run for half a minute and been measured.

    Raises:
        NoMeasurementsError: A service has still not been measured then.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        end = datetime.now(UTC)
        window = min(LONGEST_WINDOW, max(end - running_since, SHORTEST_WINDOW))
        services = [
            _measure(prometheus, service, version, int(window.total_seconds()))
            for service, version in versions.items()
        ]
        missing = [entry["service"] for entry in services if not entry["samples"]]
        if not missing and end - running_since >= SHORTEST_WINDOW:
            return {"window": {"start": timestamp(end - window), "end": timestamp(end)}, "services": services}
        if time.monotonic() > deadline:
            raise NoMeasurementsError(
                f"Prometheus at {prometheus} has no requests of {', '.join(missing)}; "
                "look at its /targets page: are the services scraped?"
            )
        time.sleep(POLL_SECONDS)


def _measure(prometheus: str, service: str, version: str, window_seconds: int) -> dict[str, Any]:
    asked = queries(service, version, window_seconds)
    values = {name: _value(prometheus, query) for name, query in asked.items()}
    return {"service": service, **values, "queries": asked}


def _value(prometheus: str, query: str) -> float | None:
    response = requests.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=10)
    response.raise_for_status()
    result = response.json()["data"]["result"]
    value = float(result[0]["value"][1]) if result else math.nan
    return round(value, 6) if math.isfinite(value) else None
