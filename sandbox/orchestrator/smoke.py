"""STAND-IN release orchestrator: real requests to a deployed shop, and what came of them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import requests

from sandbox.orchestrator.records import timestamp
from sandbox.shop.state import Instance, ShopState
from sandbox.shop.topology import SHOP, Endpoint, endpoints_of

ATTEMPTS = 3
TIMEOUT_SECONDS = 5.0
SMOKE_BODY = {"order_id": "o-smoke", "amount_euros": 1.0}


@dataclass(frozen=True)
class Check:
    """One smoke request: it passed where one of its attempts was answered with 200."""

    name: str
    service: str
    method: str
    path: str
    status_code: int | None
    duration_ms: float
    attempts: int
    passed: bool
    detail: str
    at: str

    def as_json(self) -> dict[str, Any]:
        """Returns the check as plain data."""
        return asdict(self)


def health_check(instance: Instance) -> Check:
    """Returns what `/healthz` of an instance answers; it passes where the instance names its version."""
    check, body = _request(instance, "GET", "/healthz", name=f"{instance.service} answers /healthz")
    if check.passed and body.get("version") != instance.version:
        detail = f"version {body.get('version')} answers, not {instance.version}"
        return Check(**{**asdict(check), "passed": False, "detail": detail})
    return check


def smoke_test(state: ShopState) -> list[Check]:
    """Returns the result of one request to each endpoint of each service, and to each `/healthz`."""
    checks = []
    for service in SHOP:
        instance = state.instances[service]
        checks.append(health_check(instance))
        order = ""
        for endpoint in endpoints_of(service, instance.version):
            check, body = _try_endpoint(instance, endpoint, order)
            order = body.get("order_id", order)
            checks.append(check)
    return checks


def _try_endpoint(instance: Instance, endpoint: Endpoint, order: str) -> tuple[Check, dict[str, Any]]:
    path = (endpoint.smoke_path or endpoint.path).replace("{order}", order)
    name = f"{instance.service} {endpoint.method} {endpoint.path}"
    attempt = 0
    while True:
        attempt += 1
        check, body = _request(instance, endpoint.method, path, name=name, attempt=attempt)
        if check.passed or attempt == ATTEMPTS:
            return check, body


def _request(
    instance: Instance, method: str, path: str, *, name: str, attempt: int = 1
) -> tuple[Check, dict[str, Any]]:
    at = timestamp()
    started = time.perf_counter()
    status: int | None = None
    body: dict[str, Any] = {}
    detail = "answered"
    try:
        sent = SMOKE_BODY if method == "POST" else None
        response = requests.request(method, f"{instance.url}{path}", json=sent, timeout=TIMEOUT_SECONDS)
        status = response.status_code
        body = response.json()
        if status != 200:
            detail = f"expected 200, got {status}: {str(body.get('error', ''))[:120]}"
    except (requests.RequestException, ValueError) as error:
        detail = f"{type(error).__name__}"
    check = Check(
        name=name,
        service=instance.service,
        method=method,
        path=path,
        status_code=status,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        attempts=attempt,
        passed=status == 200,
        detail=detail,
        at=at,
    )
    return check, body
