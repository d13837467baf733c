"""Which release owns the rules of which service, so that two releases of one service do not fight.

The release that was deployed later owns them, whichever is activated last: a task of the older one that is
retried hours later must not bring its rules back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from release_watch.clock import Timestamp
from release_watch.errors import ReleaseWatchError
from release_watch.release import Release
from release_watch.slo.rulefile import RuleGroup

MOST_FORMER = 200
"""So many rule sets that own nothing any more are remembered: their release may be restored."""


class OwnershipError(ReleaseWatchError):
    """The record of who owns which rules cannot be read; to guess would be to fight."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The record of which release owns which rules, {place}, cannot be read: {reason}. Repair it, or "
            "remove it and activate the releases that are live again, the newest last."
        )


class RuleOwner(BaseModel):
    """A release as the owner of rules."""

    model_config = ConfigDict(frozen=True)

    release_id: str
    deployed_at: Timestamp

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return ``release`` as an owner."""
        return cls(release_id=release.release_id, deployed_at=release.deployed_at)

    def after(self, other: RuleOwner) -> bool:
        """Return whether this one was deployed later than ``other``, which is another release."""
        if self.release_id == other.release_id:
            return False
        return (self.deployed_at, self.release_id) > (other.deployed_at, other.release_id)


class Holding(BaseModel):
    """A rule set, its release, and the scopes (:func:`scopes_of`) that it watches now."""

    model_config = ConfigDict(frozen=True)

    owner: RuleOwner
    scopes: tuple[str, ...] = ()

    def without(self, taken: Collection[str]) -> Self:
        """Return the same without the scopes ``taken``."""
        return self.model_copy(update={"scopes": tuple(s for s in self.scopes if s not in taken)})


class Ownership(BaseModel):
    """Every rule set whose release is known, by its name."""

    model_config = ConfigDict(frozen=True)

    rule_sets: dict[str, Holding] = Field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None, place: str) -> Self:
        """Return what was written at ``place``; nothing is owned where nothing was.

        Raises:
            OwnershipError: if it cannot be read.
        """
        try:
            return cls() if text is None else cls.model_validate_json(text)
        except ValidationError as error:
            raise OwnershipError(place, error.errors()[0]["msg"]) from error

    def written(self) -> str:
        """Return the record as text."""
        return self.model_dump_json(indent=1) + "\n"

    def owner(self, name: str) -> RuleOwner | None:
        """Return the release of a rule set; None if it is not known."""
        return self.rule_sets[name].owner if name in self.rule_sets else None

    def newer(self, owner: RuleOwner | None, scopes: Collection[str]) -> dict[str, str]:
        """Return which of ``scopes`` belong to a later release than ``owner``, and to which rule set."""
        if owner is None:
            return {}
        return {
            scope: name
            for name, holding in self.rule_sets.items()
            if holding.owner.after(owner)
            for scope in holding.scopes
            if scope in scopes
        }

    def older(self, owner: RuleOwner | None, scopes: Collection[str]) -> list[str]:
        """Return the rule sets of earlier releases than ``owner`` that watch one of ``scopes``."""
        if owner is None:
            return []
        return [
            name
            for name, holding in self.rule_sets.items()
            if owner.after(holding.owner) and set(holding.scopes) & set(scopes)
        ]

    def given(
        self, name: str, owner: RuleOwner | None, scopes: Iterable[str], lost_by: Collection[str]
    ) -> Ownership:
        """Return the record once ``name`` watches ``scopes`` and the sets ``lost_by`` have lost them."""
        taken = set(scopes)
        rule_sets = {
            one: holding.without(taken) if one in lost_by else holding
            for one, holding in self.rule_sets.items()
            if one != name
        }
        if owner is not None:
            rule_sets[name] = Holding(owner=owner, scopes=tuple(sorted(taken)))
        return Ownership(rule_sets=_remembered(rule_sets))

    def without(self, name: str) -> Ownership:
        """Return the record once the rule set ``name`` is out of force; its release stays known."""
        return self.given(name, self.owner(name), (), ())


def scopes_of(groups: Iterable[RuleGroup]) -> frozenset[str]:
    """Return what ``groups`` watch: ``<environment>/<service>`` of every rule that names a service."""
    return frozenset(
        f"{rule.labels.get('environment', '')}/{rule.service}"
        for group in groups
        for rule in group.rules
        if rule.service
    )


def _remembered(rule_sets: dict[str, Holding]) -> dict[str, Holding]:
    former = sorted(
        (name for name, holding in rule_sets.items() if not holding.scopes),
        key=lambda name: rule_sets[name].owner.deployed_at,
    )
    forgotten = set(former[: max(0, len(former) - MOST_FORMER)])
    return {name: holding for name, holding in rule_sets.items() if name not in forgotten}
