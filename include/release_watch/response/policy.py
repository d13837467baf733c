"""What a set of findings leads to: the rollback policy and its guards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Finding, Severity
from release_watch.catalog.models import Service
from release_watch.clock import rfc3339
from release_watch.release import Release, RollbackPolicy
from release_watch.response.findings import open_findings


class Action(StrEnum):
    """What to do; each includes those before it but ``freeze``, which keeps the release as it is."""

    NONE = "none"
    ESCALATE = "escalate"
    FREEZE = "freeze"
    ASK = "ask"
    ROLL_BACK = "roll_back"


class Response(BaseModel):
    """What to do about the open findings, and why.

    ``would_be`` is what a guard (shadow mode, a rollback that was already asked for) kept from happening.
    ``owners`` are to be told.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    reasons: tuple[str, ...]
    findings: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    would_be: Action | None = None


_ACTIONS = {
    RollbackPolicy.AUTO: Action.ROLL_BACK,
    RollbackPolicy.ASK: Action.ASK,
    RollbackPolicy.FREEZE: Action.FREEZE,
    RollbackPolicy.FORWARD_ONLY: Action.ESCALATE,
}
_CAUTION = [Action.NONE, Action.ROLL_BACK, Action.ASK, Action.ESCALATE, Action.FREEZE]


def respond(
    findings: Iterable[Finding],
    release: Release,
    services: Iterable[Service],
    *,
    rollback_asked_for: bool = False,
    cooling_until: datetime | None = None,
) -> Response:
    """Return what the open findings lead to.

    A critical one leads to the rollback policy of its service, else of the release; of several policies the
    most cautious holds. ``freeze`` and ``forward-only`` escalate and never roll back. Major ones are
    escalated, minor ones only recorded. With ``rollback_asked_for`` (once per release) and in shadow mode
    nothing beyond that happens; until ``cooling_until``, after another rollback of these services, a person
    is asked before one is rolled back. The response says what would have happened.
    """
    known = {service.name: service for service in services}
    still = open_findings(findings)
    critical = [finding for finding in still if finding.severity is Severity.CRITICAL]
    grave = critical or [finding for finding in still if finding.severity is Severity.MAJOR]
    if not grave:
        return Response(action=Action.NONE, reasons=("no open finding calls for action",))
    wanted, reasons = (
        Action.ESCALATE,
        [f"{finding.service} {finding.metric}: {finding.reason}" for finding in grave],
    )
    if critical:
        policies = {finding.service: policy_of(known.get(finding.service), release) for finding in critical}
        wanted = max((_ACTIONS[policy] for policy in policies.values()), key=_CAUTION.index)
        reasons += [f"rollback policy of {service}: {policy}" for service, policy in sorted(policies.items())]
    action, guard = _guarded(wanted, release, rollback_asked_for, cooling_until)
    return Response(
        action=action,
        reasons=(*reasons, guard) if guard else tuple(reasons),
        findings=tuple(finding.finding_id for finding in grave),
        owners=tuple(
            sorted({f.owner or known[f.service].owner for f in grave if f.owner or f.service in known})
        ),
        would_be=wanted if action is not wanted else None,
    )


def policy_of(service: Service | None, release: Release) -> RollbackPolicy:
    """Return the service's own rollback policy, else the release's."""
    own = service.rollback_policy if service else None
    return RollbackPolicy(own.value) if own else release.rollback_policy


def _guarded(
    wanted: Action, release: Release, rollback_asked_for: bool, cooling_until: datetime | None
) -> tuple[Action, str | None]:
    if release.shadow:
        return Action.NONE, f"shadow mode: recorded only, would have been {wanted}"
    if rollback_asked_for and wanted in (Action.ROLL_BACK, Action.ASK):
        return Action.ESCALATE, "a rollback of this release was already asked for; there is one per release"
    if cooling_until is not None and wanted is Action.ROLL_BACK:
        reason = "a service of this release was rolled back a short while ago, so a person is asked until"
        return Action.ASK, f"{reason} {rfc3339(cooling_until)}"
    return wanted, None
