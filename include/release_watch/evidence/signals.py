"""What the release orchestrator says of a deployment, read as: ready, wait, or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from release_watch.evidence.flag_status import planned_off
from release_watch.evidence.inert import visible


class SignalStatus(StrEnum):
    """How an upstream signal stands."""

    READY = "ready"
    WAITING = "waiting"
    REFUSED = "refused"


class SignalState(NamedTuple):
    """A status, the sentence that explains it, and what to do where waiting does not help."""

    status: SignalStatus
    message: str
    remedy: str = ""


class Asked(NamedTuple):
    """Of whom and for which deployment a signal was asked."""

    deployment_id: str
    conn_id: str = "release_orchestrator_default"


_PASSED = frozenset({"passed", "success", "succeeded"})
_FAILED = frozenset({"failed", "failure", "rejected"})
_LONGEST_LIST = 20
_UNAUTHORISED = (401, 403, 407)


def validation_state(status: int, body: Any, asked: Asked) -> SignalState:
    """Read the answer to ``GET /deployments/{id}/validation``."""
    if (unusable := _unusable(status, body, "validation status", asked)) is not None:
        return unusable
    verdict = visible(body.get("status") or "", 60).casefold()
    failed = _failed_checks(body)
    if verdict in _FAILED:
        named = _listed(failed) or "no check named"
        return SignalState(SignalStatus.REFUSED, f"post-deployment validation failed: {named}")
    if verdict in _PASSED and any(status in _FAILED for status in _check_states(body)):
        said = f"post-deployment validation says {verdict}, but checks of it failed: {_listed(failed)}"
        return SignalState(SignalStatus.REFUSED, said)
    if verdict in _PASSED:
        return SignalState(SignalStatus.READY, "post-deployment validation passed")
    return SignalState(SignalStatus.WAITING, f"post-deployment validation is {verdict or 'not reported'!r}")


def flags_state(status: int, body: Any, asked: Asked) -> SignalState:
    """Read the answer to ``GET /deployments/{id}/feature-flags``; no flag at all is ready.

    A flag that the rollout plan keeps inactive is not waited for.
    """
    if (unusable := _unusable(status, body, "feature-flag status", asked)) is not None:
        return unusable
    flags = body.get("flags")
    if not isinstance(flags, list):
        return SignalState(SignalStatus.WAITING, "the feature-flag status has no list 'flags'")
    if not all(isinstance(flag, dict) for flag in flags):
        return SignalState(SignalStatus.WAITING, "the feature-flag status lists something that is no flag")
    inactive = [flag for flag in flags if not _is_active(flag)]
    awaited = [visible(flag.get("name"), 100) for flag in inactive if not planned_off(flag)]
    if awaited:
        return SignalState(SignalStatus.WAITING, f"feature flags not yet active: {_listed(awaited)}")
    kept = f", {len(inactive)} inactive by the rollout plan" if inactive else ""
    return SignalState(SignalStatus.READY, f"{len(flags) - len(inactive)} feature flags active{kept}")


SIGNALS: Mapping[str, Callable[[int, Any, Asked], SignalState]] = {
    "validation": validation_state,
    "feature-flags": flags_state,
}
"""The HTTP signals by the last part of their path."""


def configuration_state(
    awaited: Mapping[str, str], described: Collection[str], problems: Sequence[str] = ()
) -> SignalState:
    """Return whether each service that the catalogue does not map is described by the deployment.

    ``awaited`` are these services with their owners, ``problems`` what was wrong with the documents.
    """
    missing = [f"{name} (owner {owner})" for name, owner in awaited.items() if name not in described]
    if not missing:
        return SignalState(SignalStatus.READY, "every service has an observability configuration")
    wrong = f"; {_listed(list(problems), 3)}" if problems else ""
    owners = _listed(list(dict.fromkeys(o for name, o in awaited.items() if name not in described)))
    return SignalState(
        SignalStatus.WAITING,
        f"no observability configuration of {_listed(missing)}{wrong}",
        f"Ask {owners} for observability-configuration.yaml in the evidence folder, or to map the signals "
        "in services.yaml.",
    )


def _unusable(status: int, body: Any, what: str, asked: Asked) -> SignalState | None:
    """Return why an answer says nothing; only what a person must correct is refused at once."""
    if status in _UNAUTHORISED:
        return SignalState(
            SignalStatus.REFUSED,
            f"the orchestrator refuses to tell the {what} ({status})",
            f"Correct login, password or headers of the Airflow connection {asked.conn_id}, "
            "then clear this task.",
        )
    why = _why_no_answer(status, what, asked) if status != 200 else _why_no_object(body, what, asked)
    return SignalState(SignalStatus.WAITING, why) if why else None


def _why_no_answer(status: int, what: str, asked: Asked) -> str:
    if status == 404:
        return f"the orchestrator does not know the {what} yet (404)"
    if 300 <= status < 400:
        where = f"check host and schema of the connection {asked.conn_id}"
        return f"the orchestrator redirects the {what} ({status}); {where}"
    return f"the orchestrator answered {status} to the {what}"


def _why_no_object(body: Any, what: str, asked: Asked) -> str | None:
    if isinstance(body, str) and body.lstrip()[:1] == "<":
        where = f"a login or error page? Check the connection {asked.conn_id}"
        return f"the {what} is a page of HTML, not JSON: {where}"
    if not isinstance(body, dict):
        return f"the {what} is not a JSON object"
    other = body.get("deployment_id")
    if other is not None and other != asked.deployment_id:
        return f"the {what} is that of another deployment: {visible(other, 120)!r}"
    return None


def _is_active(flag: Mapping[str, Any]) -> bool:
    state = flag.get("state")
    return isinstance(state, str) and state.strip().casefold() == "active"


def _checks(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    checks = body.get("checks")
    return [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []


def _check_states(body: Mapping[str, Any]) -> list[str]:
    return [visible(check.get("status") or "", 60).casefold() for check in _checks(body)]


def _failed_checks(body: Mapping[str, Any]) -> list[str]:
    return [
        f"{visible(check.get('name'), 100)} ({visible(check.get('detail') or check.get('status'), 200)})"
        for check, state in zip(_checks(body), _check_states(body), strict=True)
        if state not in _PASSED
    ]


def _listed(names: Sequence[str], most: int = _LONGEST_LIST) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
