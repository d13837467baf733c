"""Putting an approved change into force, through activation and its checks. Nothing is tuned silently."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from release_watch.artifacts.models import Approval
from release_watch.assurance.tuning.proposal import TuningProposal, read_proposal
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.handoff.approvals import REQUIRED_ROLES, YES
from release_watch.slo.activation import Activation, activate
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from release_watch.slo.targets.choice import target_of
from release_watch.telemetry.backends import Backends


class NotApprovedError(ReleaseWatchError):
    """Nobody who may do so said yes to exactly this change."""

    def __init__(self, proposal: TuningProposal, problem: str) -> None:
        super().__init__(
            f"{proposal.proposal_id} ({proposal.alert} of {proposal.service}: {proposal.change}) is not put "
            f"into force: {problem}"
        )


def apply_proposal(
    document: bytes,
    approval: Approval | None,
    rule_set: str,
    backends: Backends,
    *,
    timeout: timedelta,
    put_into_force: Callable[..., Activation] = activate,
) -> Activation:
    """Put the proposal that ``document`` holds into force in ``rule_set``, and return what activation says.

    Args:
        document: the stored bytes of the proposal, as they were approved.
        approval: what a person answered; its evidence is the document's SHA-256.
        rule_set: name of the active rule set that holds the rule.
        backends: Prometheus and its rules.
        timeout: how long to wait until the rules are live.
        put_into_force: activation; it checks with promtool and the lint, reads back, and undoes what fails.

    Raises:
        NotApprovedError: without a Yes of a person in a role that may approve, to exactly these bytes.
        InvalidInputError: if the document is no proposal, or the rule is not in force as it was tested.
        ActivationError: if the server does not run the rules; the former ones run.
    """
    proposal = read_proposal(document)
    if problem := approval_problem(proposal, document, approval):
        raise NotApprovedError(proposal, problem)
    text = target_of(backends).read(rule_set)
    if text is None:
        raise InvalidInputError([f"{proposal.proposal_id}: there is no active rule set {rule_set}"])
    return put_into_force(changed_rules(proposal, text), rule_set, backends, timeout=timeout)


def approval_problem(proposal: TuningProposal, document: bytes, approval: Approval | None) -> str | None:
    """Return why an approval does not allow the change; None if it does."""
    if approval is None or approval.answer is None:
        return "no approval is recorded"
    return _no_yes(approval) or _of_another(proposal, document, approval)


def _no_yes(approval: Approval) -> str | None:
    if not approval.responded_by or not approval.responded_at:
        return "the answer carries no person and time, so it is a timeout: No"
    if approval.role not in REQUIRED_ROLES:
        return f"{approval.role} may not approve it; ask one of {', '.join(REQUIRED_ROLES)}"
    if approval.answer is None or approval.answer.strip().lower() not in YES:
        return f"{approval.responded_by} answered {approval.answer!r}"
    return None


def _of_another(proposal: TuningProposal, document: bytes, approval: Approval) -> str | None:
    digest = hashlib.sha256(document).hexdigest()
    if approval.evidence_sha256 != digest:
        return (
            f"{approval.responded_by} approved {approval.evidence_sha256[:12]}, and this proposal is "
            f"{digest[:12]}; ask again"
        )
    if approval.responded_at is None or approval.responded_at < proposal.generated_at:
        return "the answer is older than the proposal"
    return None


def changed_rules(proposal: TuningProposal, text: str) -> str:
    """Return the rule file ``text`` with the one rule of the proposal changed, and all else as it is.

    Raises:
        InvalidInputError: if not exactly one rule is as it was when the change was tested.
    """
    groups = from_yaml(text)
    found = sum(
        rule == proposal.current for group in groups if group.name == proposal.group for rule in group.rules
    )
    if found != 1:
        raise InvalidInputError(
            [
                f"{proposal.proposal_id}: group {proposal.group} holds the rule {proposal.alert} as it was "
                f"tested {found} times, not once: it was changed since; run the back-test again"
            ]
        )
    return to_yaml([_changed(proposal, group) for group in groups])


def _changed(proposal: TuningProposal, group: RuleGroup) -> RuleGroup:
    if group.name != proposal.group:
        return group
    rules = (proposal.proposed if rule == proposal.current else rule for rule in group.rules)
    return group.model_copy(update={"rules": tuple(rules)})
