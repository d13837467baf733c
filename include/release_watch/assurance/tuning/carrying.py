"""Carrying approved changes over into rules that a release generates anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from release_watch.assurance.tuning.kept import Applied, KeptTuning
from release_watch.assurance.tuning.matching import moved, places, same_alert, with_rule
from release_watch.assurance.tuning.proposal import TuningProposal
from release_watch.slo.rulefile import Rule, RuleGroup

RUN_AGAIN = "run the back-test again, and have its proposal approved"


class LeftOut(NamedTuple):
    """An approved change that does not fit the rules any more, and why."""

    applied: Applied
    why: str

    @property
    def line(self) -> str:
        """What was not carried over, why, and what to do."""
        proposal = self.applied.proposal
        return (
            f"{proposal.alert} of {proposal.service}: {proposal.change} ({proposal.proposal_id}) is not "
            f"carried over: {self.why}; {RUN_AGAIN}"
        )


class Carried(NamedTuple):
    """Rules with the approved changes in them, which are ``carried``, and which are not."""

    groups: list[RuleGroup]
    carried: tuple[Applied, ...]
    left_out: tuple[LeftOut, ...]


def carry_over(groups: Sequence[RuleGroup], tunings: Sequence[KeptTuning]) -> Carried:
    """Return ``groups`` with each change in force of ``tunings`` whose rule is again as it was tested.

    Only what the change is about is taken over: annotations, and all other rules, stay as generated. A rule
    that is generated as proposed already, because its SLO was changed too, stays as it is.
    """
    found = list(groups)
    carried: list[Applied] = []
    left_out: list[LeftOut] = []
    for chain in sorted((one.applied for one in tunings if one.applied), key=_begun):
        if any(places(found, chain[-1].proposal.group, chain[-1].proposal.proposed)):
            carried += chain
            continue
        for applied in chain:
            proposal = applied.proposal
            there = list(places(found, proposal.group, proposal.current))
            if len(there) == 1:
                found = in_place(found, there[0], proposal)
                carried.append(applied)
            else:
                left_out.append(LeftOut(applied, _why(found, proposal, len(there))))
    return Carried(found, tuple(carried), tuple(left_out))


def up_to_date(groups: Sequence[RuleGroup], tunings: Sequence[KeptTuning]) -> Carried:
    """Return rules that were in force once with all that was approved since, and without what was taken back.

    ``tunings`` are all that are kept, also those that are not in force any more.
    """
    found = list(groups)
    for one in tunings:
        for taken in reversed(one.taken_back):
            if taken.applied not in one.applied:
                found = taken_out(found, taken.applied.proposal) or found
    return carry_over(found, tunings)


def in_place(
    groups: Sequence[RuleGroup], place: tuple[int, int], proposal: TuningProposal
) -> list[RuleGroup]:
    """Return ``groups`` with the rule at a place changed as proposed."""
    number, at = place
    rule = groups[number].rules[at]
    return with_rule(groups, place, moved(rule, proposal.current, proposal.proposed))


def taken_out(groups: Sequence[RuleGroup], proposal: TuningProposal) -> list[RuleGroup] | None:
    """Return ``groups`` with the rule as it was before the change; None if none is as proposed."""
    there = list(places(groups, proposal.group, proposal.proposed))
    if len(there) != 1:
        return None
    back = proposal.model_copy(update={"current": proposal.proposed, "proposed": proposal.current})
    return in_place(groups, there[0], back)


def _begun(chain: tuple[Applied, ...]) -> tuple[object, str]:
    return chain[0].applied_at, chain[0].proposal.proposal_id


def _why(groups: Sequence[RuleGroup], proposal: TuningProposal, times: int) -> str:
    if times > 1:
        return f"the rules have it {times} times"
    same = [
        rule
        for group in groups
        if group.name == proposal.group
        for rule in group.rules
        if same_alert(rule, proposal.current)
    ]
    if not same:
        return f"the release has no such alert in group {proposal.group}"
    return f"the release has it otherwise than it was tested ({_difference(same[0], proposal.current)})"


def _difference(now: Rule, tested: Rule) -> str:
    pairs = (
        ("for", now.hold, tested.hold),
        ("keep_firing_for", now.keep_firing_for, tested.keep_firing_for),
        ("severity", now.labels.get("severity"), tested.labels.get("severity")),
    )
    words = [
        f"{name} {mine or 'none'}, not {theirs or 'none'}" for name, mine, theirs in pairs if mine != theirs
    ]
    return ", ".join(words) or "another expression"
