"""Approvals: who said yes, to exactly which evidence. Silence, a timeout or changed evidence is No."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from release_watch import texts
from release_watch.artifacts.models import Approval, ApprovalRecord
from release_watch.artifacts.store import ArtifactStore
from release_watch.handoff.package import digests
from release_watch.release import Release
from release_watch.verdict import Decision, Objective, Verdict

SRE = "sre"
OPERATIONS_LEAD = "operations-lead"
TECHNICAL_LEAD = "technical-lead"
REQUIRED_ROLES = (SRE, OPERATIONS_LEAD, TECHNICAL_LEAD)
YES = frozenset({"yes", "approve"})


def approval_record(
    release: Release,
    approvals: Sequence[Approval],
    store: ArtifactStore,
    *,
    on_call_owner: str | None,
    at: datetime,
) -> ApprovalRecord:
    """Return the record of who approved the monitoring, with the verdict over it.

    The evidence of every approval is read again; a digest that differs from the approved one makes the
    approval worthless. The configuration is in effect from the last required approval on.
    """
    decision = judge_approvals(approvals, digests(store), on_call_owner=on_call_owner)
    times = [a.responded_at for a in approvals if a.role in REQUIRED_ROLES and a.responded_at]
    return ApprovalRecord(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        verdict=decision.verdict,
        approvals=tuple(approvals),
        on_call_owner=on_call_owner,
        effective_from=max(times) if decision.verdict.proceeds else None,
    )


def judge_approvals(
    approvals: Sequence[Approval], stored: Mapping[str, str], *, on_call_owner: str | None
) -> Decision:
    """Return the decision over all approvals of a release.

    Every required role must have said yes in person, to evidence that is unchanged; Operations Lead and
    Technical Lead must be two different people; somebody must own the alerts from now on. ``stored`` has the
    current SHA-256 of each artifact by its URI.
    """
    return Decision.over(_objectives(approvals, stored, on_call_owner))


def _objectives(
    approvals: Sequence[Approval], stored: Mapping[str, str], on_call_owner: str | None
) -> Iterator[Objective]:
    latest = {approval.role: approval for approval in approvals}
    for role in REQUIRED_ROLES:
        yield _objective(f"approval of the {role}", _problem(role, latest.get(role), stored))
    yield _objective("two leads, two people", _same_lead(latest))
    nobody = None if on_call_owner else "nobody owns the alerts; add the role oncall to oncall.yaml"
    yield _objective("on-call owner", nobody)


def _objective(name: str, problem: str | None) -> Objective:
    if problem:
        return Objective(name=name, verdict=Verdict.NO_GO, reason=problem)
    return Objective(name=name, verdict=Verdict.GO, reason="as it must be")


def _problem(role: str, approval: Approval | None, stored: Mapping[str, str]) -> str | None:
    missing = texts.APPROVAL_MISSING.removeprefix("[ERROR] ")
    if approval is None or approval.answer is None:
        return f"{missing} The {role} was not asked or did not answer in time"
    if not approval.responded_by or not approval.responded_at:
        return f"{missing} The answer of the {role} carries no person and time, so it is a timeout: No"
    if approval.answer.strip().lower() not in YES:
        return f"{approval.responded_by} ({role}) answered {approval.answer!r}"
    now = stored.get(approval.evidence_uri)
    if now is None:
        return f"{approval.evidence_uri}, which {approval.responded_by} approved, is not there any more"
    if now != approval.evidence_sha256:
        return (
            f"{approval.evidence_uri} changed after {approval.responded_by} approved it "
            f"(approved {approval.evidence_sha256[:12]}, now {now[:12]}); ask again"
        )
    return None


def _same_lead(latest: Mapping[str, Approval]) -> str | None:
    people = [latest[r].responded_by for r in (OPERATIONS_LEAD, TECHNICAL_LEAD) if r in latest]
    if len(people) < 2 or not all(people):
        return "not both leads answered"
    if people[0] == people[1]:
        return f"{people[0]} answered as both leads; the second needs another person"
    return None
