"""What the release orchestrator says of a deployment, read as: ready, wait, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class SignalStatus(StrEnum):
    """How an upstream signal stands."""

    READY = "ready"
    WAITING = "waiting"
    REFUSED = "refused"


class SignalState(NamedTuple):
    """A status and the sentence that explains it."""

    status: SignalStatus
    message: str


_PASSED = frozenset({"passed", "success", "succeeded"})
_FAILED = frozenset({"failed", "failure", "rejected"})


def validation_state(status: int, body: Any) -> SignalState:
    """Read the answer to ``GET /deployments/{id}/validation``."""
    if (refused := _unusable(status, body, "validation status")) is not None:
        return refused
    verdict = str(body.get("status", "")).lower()
    if verdict in _PASSED:
        return SignalState(SignalStatus.READY, "post-deployment validation passed")
    if verdict in _FAILED:
        failed = ", ".join(_failed_checks(body)) or "no check named"
        return SignalState(SignalStatus.REFUSED, f"post-deployment validation failed: {failed}")
    return SignalState(SignalStatus.WAITING, f"post-deployment validation is {verdict or 'not reported'!r}")


def flags_state(status: int, body: Any) -> SignalState:
    """Read the answer to ``GET /deployments/{id}/feature-flags``; no flag at all is ready."""
    if (refused := _unusable(status, body, "feature-flag status")) is not None:
        return refused
    flags = body.get("flags")
    if not isinstance(flags, list):
        return SignalState(SignalStatus.WAITING, "the feature-flag status has no list 'flags'")
    if not all(isinstance(flag, dict) for flag in flags):
        return SignalState(SignalStatus.WAITING, "the feature-flag status lists something that is no flag")
    inactive = [str(flag.get("name")) for flag in flags if flag.get("state") != "active"]
    if inactive:
        return SignalState(SignalStatus.WAITING, f"feature flags not yet active: {', '.join(inactive)}")
    return SignalState(SignalStatus.READY, f"{len(flags)} feature flags active")


SIGNALS: Mapping[str, Callable[[int, Any], SignalState]] = {
    "validation": validation_state,
    "feature-flags": flags_state,
}
"""The HTTP signals by the last part of their path."""


def _unusable(status: int, body: Any, what: str) -> SignalState | None:
    if status == 404:
        return SignalState(SignalStatus.WAITING, f"the orchestrator does not know the {what} yet (404)")
    if status >= 400:
        return SignalState(SignalStatus.WAITING, f"the orchestrator answered {status} to the {what}")
    if not isinstance(body, dict):
        return SignalState(SignalStatus.WAITING, f"the {what} is not a JSON object")
    return None


def _failed_checks(body: Mapping[str, Any]) -> list[str]:
    checks = body.get("checks")
    if not isinstance(checks, list):
        return []
    return [
        f"{check.get('name')} ({check.get('detail') or check.get('status')})"
        for check in checks
        if isinstance(check, dict) and str(check.get("status", "")).lower() not in _PASSED
    ]
