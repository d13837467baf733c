"""Putting an approved change into force, through activation and its checks. Nothing is tuned silently."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from release_watch.artifacts.models import Approval
from release_watch.assurance.tuning.carrying import taken_out
from release_watch.assurance.tuning.kept import Applied, KeptTuning
from release_watch.assurance.tuning.matching import places
from release_watch.assurance.tuning.proposal import TuningProposal, read_proposal
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.handoff.approvals import REQUIRED_ROLES, YES
from release_watch.slo.activation import Activation, activate
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from release_watch.slo.targets.choice import target_of
from release_watch.telemetry.backends import Backends


class NotApprovedError(ReleaseWatchError):
    """Nobody who may do so said yes to exactly this change."""

    def __init__(self, proposal: TuningProposal, problem: str, what: str = "put into force") -> None:
        super().__init__(
            f"{proposal.proposal_id} ({proposal.alert} of {proposal.service}: {proposal.change}) is not "
            f"{what}: {problem}"
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

    A rule that is as proposed already is only activated, and so proven, again.

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


def take_back(
    tuning: KeptTuning,
    approval: Approval | None,
    rule_set: str,
    backends: Backends,
    *,
    timeout: timedelta,
    put_into_force: Callable[..., Activation] = activate,
) -> Activation:
    """Put the rule into force again that was there before the last change of ``tuning``.

    Args:
        tuning: what is kept of the change.
        approval: what a person answered; its evidence is the SHA-256 of the kept document.
        rule_set: name of the active rule set that holds the rule.
        backends: Prometheus and its rules.
        timeout: how long to wait until the rules are live.
        put_into_force: activation.

    Raises:
        NotApprovedError: without a Yes of a person in a role that may approve, to exactly this document.
        InvalidInputError: if it is not in force, or no rule is as it was put into force.
        ActivationError: if the server does not run the rules; the tuned ones run.
    """
    last = in_force(tuning)
    check_withdrawal(tuning, approval)
    text = target_of(backends).read(rule_set)
    if text is None:
        raise InvalidInputError([f"{tuning.proposal_id}: there is no active rule set {rule_set}"])
    return put_into_force(former_rules(last.proposal, text), rule_set, backends, timeout=timeout)


def in_force(tuning: KeptTuning) -> Applied:
    """Return what was put into force last.

    Raises:
        InvalidInputError: if all of it was taken back.
    """
    if tuning.last is None:
        raise InvalidInputError([f"proposal_id: {tuning.proposal_id!r} is not in force; it was taken back"])
    return tuning.last


def approval_problem(proposal: TuningProposal, document: bytes, approval: Approval | None) -> str | None:
    """Return why an approval does not allow the change; None if it does."""
    return _problem(document, approval, proposal.generated_at, "the proposal")


def check_withdrawal(tuning: KeptTuning, approval: Approval | None) -> None:
    """Refuse to take the last change back without an approval of exactly that.

    Raises:
        NotApprovedError: without a Yes of a person in a role that may approve, to what is kept of it.
        InvalidInputError: if it is not in force.
    """
    last = in_force(tuning)
    if problem := _problem(tuning.document(), approval, last.applied_at, "the change"):
        raise NotApprovedError(last.proposal, problem, "taken back")


def _problem(document: bytes, approval: Approval | None, since: datetime, what: str) -> str | None:
    if approval is None or approval.answer is None:
        return "no approval is recorded"
    return _no_yes(approval) or _of_another(document, approval, since, what)


def _no_yes(approval: Approval) -> str | None:
    if not approval.responded_by or not approval.responded_at:
        return "the answer carries no person and time, so it is a timeout: No"
    if approval.role not in REQUIRED_ROLES:
        return f"{approval.role} may not approve it; ask one of {', '.join(REQUIRED_ROLES)}"
    if approval.answer is None or approval.answer.strip().lower() not in YES:
        return f"{approval.responded_by} answered {approval.answer!r}"
    return None


def _of_another(document: bytes, approval: Approval, since: datetime, what: str) -> str | None:
    digest = hashlib.sha256(document).hexdigest()
    if approval.evidence_sha256 != digest:
        return (
            f"{approval.responded_by} approved {approval.evidence_sha256[:12]}, and {what} is now "
            f"{digest[:12]}; ask again"
        )
    if approval.responded_at is None or approval.responded_at < since:
        return f"the answer is older than {what}"
    return None


def changed_rules(proposal: TuningProposal, text: str) -> str:
    """Return the rule file ``text`` with the one rule of the proposal changed, and all else as it is.

    A rule that is as proposed already stays.

    Raises:
        InvalidInputError: if not exactly one rule is as it was when the change was tested.
    """
    groups = from_yaml(text)
    found = sum(
        rule == proposal.current for group in groups if group.name == proposal.group for rule in group.rules
    )
    if not found and len(list(places(groups, proposal.group, proposal.proposed))) == 1:
        return text
    if found != 1:
        raise InvalidInputError(
            [
                f"{proposal.proposal_id}: group {proposal.group} holds the rule {proposal.alert} as it was "
                f"tested {found} times, not once: it was changed since; run the back-test again"
            ]
        )
    return to_yaml([_changed(proposal, group) for group in groups])


def former_rules(proposal: TuningProposal, text: str) -> str:
    """Return the rule file ``text`` with the one rule of the proposal as it was before the change.

    A rule that is as before already stays.

    Raises:
        InvalidInputError: if not exactly one rule is as it was put into force.
    """
    groups = from_yaml(text)
    former = taken_out(groups, proposal)
    if former is not None:
        return to_yaml(former)
    if len(list(places(groups, proposal.group, proposal.current))) == 1:
        return text
    raise InvalidInputError(
        [
            f"{proposal.proposal_id}: group {proposal.group} does not hold the rule {proposal.alert} as "
            "it was put into force, once; take back first what was put into force after it, if anything was"
        ]
    )


def _changed(proposal: TuningProposal, group: RuleGroup) -> RuleGroup:
    if group.name != proposal.group:
        return group
    rules = (proposal.proposed if rule == proposal.current else rule for rule in group.rules)
    return group.model_copy(update={"rules": tuple(rules)})
