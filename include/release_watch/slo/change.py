"""A change of the rule sets on a target: planned, noted, made, and undone if it does not work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from release_watch.errors import BackendError, InvalidInputError
from release_watch.slo.ownership import Ownership, RuleOwner, scopes_of
from release_watch.slo.readback import compare
from release_watch.slo.rulefile import RuleGroup, from_yaml, to_yaml
from release_watch.slo.targets.choice import target_of
from release_watch.slo.targets.target import RuleTarget, Unfinished
from release_watch.telemetry.backends import Backends


class Plan(NamedTuple):
    """What is to be put where.

    Attributes:
        groups: what is to be in force under the name that is activated.
        contents: the rule sets to write, or to remove where None.
        ownership: which release owns what afterwards.
        yielded: what a later release owns, by ``<environment>/<service>``, and in which rule set.
    """

    groups: tuple[RuleGroup, ...]
    contents: Mapping[str, str | None]
    ownership: Ownership
    yielded: Mapping[str, str]


def plan(
    target: RuleTarget, text: str, name: str, supersedes: Sequence[str], owner: RuleOwner | None
) -> Plan:
    """Return what activating ``text`` under ``name`` comes to, given what is there.

    What a later release owns is left to it. Earlier releases lose the services of this one: those of
    ``supersedes``, and those that the target knows of.
    """
    ownership = target.ownership()
    owner = owner or ownership.owner(name)
    groups = from_yaml(text)
    yielded = _yielded(target, ownership, owner, groups)
    if yielded:
        groups = _without(groups, yielded)
        text = to_yaml(groups)
    scopes = scopes_of(groups)
    earlier = dict.fromkeys([*supersedes, *ownership.older(owner, scopes)])
    contents: dict[str, str | None] = {name: text if groups else None}
    for one in earlier:
        former = target.read(one) if one != name else None
        if former is not None:
            kept = _without(from_yaml(former), scopes)
            contents[one] = to_yaml(kept) if kept else None
    return Plan(tuple(groups), contents, ownership.given(name, owner, scopes, earlier), yielded)


def still_owned(text: str, name: str, backends: Backends) -> str:
    """Return the part of the rule file ``text`` that no later release than that of ``name`` owns.

    This is what may be read back; the rest another release answers for.

    Raises:
        NotConfiguredError: if a connection, or the rules folder, is missing.
        BackendError: if the server does not answer.
    """
    target, groups = target_of(backends), from_yaml(text)
    ownership = target.ownership()
    yielded = _yielded(target, ownership, ownership.owner(name), groups)
    return to_yaml(_without(groups, yielded)) if yielded else text


def _yielded(
    target: RuleTarget, ownership: Ownership, owner: RuleOwner | None, groups: Sequence[RuleGroup]
) -> dict[str, str]:
    """Return what belongs to a later release whose rule set is there; one that is gone owns nothing."""
    newer = ownership.newer(owner, scopes_of(groups))
    return {scope: one for scope, one in newer.items() if target.read(one) is not None}


def _without(groups: Sequence[RuleGroup], scopes: Mapping[str, str] | frozenset[str]) -> list[RuleGroup]:
    """Return the groups of other services; those of no service, as Watchdog, go with what is taken."""
    return [group for group in groups if group.services and not scopes_of([group]) & set(scopes)]


class Change:
    """Rule sets that are about to be replaced on ``target``, and what they were."""

    def __init__(self, target: RuleTarget, contents: Mapping[str, str | None], ownership: Ownership) -> None:
        self._target = target
        self._contents = contents
        self._ownership = ownership
        self._former = Unfinished({one: target.read(one) for one in contents}, target.ownership())

    @property
    def replaced(self) -> frozenset[str]:
        """The rule sets that were there before."""
        return frozenset(one for one, text in self._former.former.items() if text is not None)

    def make(self) -> None:
        """Note what was, and put what shall be; whoever comes after a crash in between finds the note."""
        self._target.begin(self._former)
        self._target.put(self._contents)
        self._target.own(self._ownership)

    def keep(self) -> None:
        """Let the change stand."""
        self._target.finish()

    def undo(self) -> str:
        """Put back what was, have it loaded, and return in words what runs now."""
        try:
            restore(self._target, self._former)
        except (BackendError, OSError) as error:
            return f"The former rules could not be put back: {error}"
        try:
            self._target.load()
        except BackendError as error:
            return self._after_refusal(error)
        if self._target.patience:
            return "The former rules are put back; the server takes them over by itself."
        return "The former rules are in force again."

    def blamed(self) -> list[str]:
        """Return which other rules keep the server from loading, and whose they are."""
        return self._target.broken(list(self._contents))

    def _after_refusal(self, error: BackendError) -> str:
        """Return what runs although the former rules were not loaded: a refused reload changes nothing."""
        try:
            former = [group for text in self._former.former.values() if text for group in from_yaml(text)]
            found = compare(former, self._target.server)
        except (BackendError, InvalidInputError):
            found = None
        if found is None or found.missing or found.different:
            return f"The former files are written again, but were not loaded: {error}"
        return (
            "The former files are written again, and the former rules still run. But Prometheus refuses to "
            f"load them, too, so another file that it reads is broken: {error}"
        )


def restore(target: RuleTarget, former: Unfinished) -> None:
    """Put back what was before a change, and forget the change."""
    target.put(former.former)
    target.own(former.ownership)
    target.finish()


def heal(target: RuleTarget) -> tuple[str, ...]:
    """Put back what a change that was cut off has replaced; return the rule sets that it was about.

    It was never proven to work, and whoever made it is gone: its release will activate it again.
    """
    cut_off = target.unfinished()
    if cut_off is None:
        return ()
    restore(target, cut_off)
    return tuple(cut_off.former)
