"""Who is asked and told: people by role, who of them is on duty, and whom an alert pages in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, field_validator, model_validator

from release_watch.catalog.nearest import Known
from release_watch.catalog.policies import Duration
from release_watch.catalog.refusals import Refusal, entries, validated, written
from release_watch.catalog.rotation import Override, Person, Rotation, Shift
from release_watch.clock import in_words
from release_watch.errors import InvalidInputError

__all__ = ["ROLES", "Level", "OnCall", "Override", "Paging", "Person", "Rotation", "Shift", "late_levels"]

ROLES = ("sre", "oncall", "operations-lead", "technical-lead")
"""The roles that the protocol asks by name; more may be given."""
_LEADS = ("operations-lead", "technical-lead")


class Level(BaseModel):
    """Whom an alert pages at one level, and how long that person has to answer before the next is paged.

    ``within`` is None only for a single level: the drill's ``acknowledge_within`` is its time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    within: Duration | None = None


class Paging(NamedTuple):
    """A person to page: at which level (from 1, as in the file), as which role, and the time to answer."""

    level: int
    role: str
    person: Person
    within: timedelta | None


class OnCall(BaseModel):
    """The rotation of every role, and the levels of escalation, first to last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: dict[str, Rotation]
    escalation: tuple[Level, ...] = (Level(role="oncall"),)

    @model_validator(mode="wrap")
    @classmethod
    def _sound(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        fields = written(data)
        roles = fields.get("roles")
        refused: list[Refusal] = []
        if isinstance(roles, Mapping):
            refused += [*_missing(roles), *_one_lead(roles), *_levels(fields.get("escalation"), roles)]
        return validated(data, handler, refused)

    @field_validator("escalation")
    @classmethod
    def _somebody(cls, escalation: tuple[Level, ...]) -> tuple[Level, ...]:
        if not escalation:
            raise ValueError("pages nobody; leave it out, and the person on call is paged")
        return escalation

    def on_duty(self, role: str, at: datetime) -> Person:
        """Return the person of ``role`` who is on duty at ``at``.

        Raises:
            InvalidInputError: if nobody has that role.
        """
        return self._rotation(role).on_duty(at)

    def people(self, role: str) -> tuple[Person, ...]:
        """Return everyone of ``role``, in the order of the rotation, and then who only stands in.

        Raises:
            InvalidInputError: if nobody has that role.
        """
        return self._rotation(role).everyone

    def paging_order(self, at: datetime) -> tuple[Paging, ...]:
        """Return whom an alert pages at ``at``, one after another; nobody twice.

        A level whose person is paged before is left out, and the next takes its place: paging those again who
        did not answer proves nothing. Levels keep their number; :meth:`skipped_levels` says what is left out.
        """
        return tuple(paging for paging, earlier in self._pagings(at) if earlier is None)

    def skipped_levels(self, at: datetime) -> tuple[str, ...]:
        """Return a sentence per level that pages nobody at ``at``, as an earlier one pages that person."""
        return tuple(
            f"Level {paging.level} ({paging.role}) pages nobody: {paging.person.name} has that duty, too, "
            f"and is paged at level {earlier.level} ({earlier.role})."
            for paging, earlier in self._pagings(at)
            if earlier is not None
        )

    def responders(self) -> tuple[Person, ...]:
        """Return everyone who may be paged at some level, each once; these may acknowledge a drill."""
        by_user = {one.user: one for level in self.escalation for one in self.people(level.role)}
        return tuple(by_user.values())

    def person(self, user: str) -> Person | None:
        """Return the person with this user id in any role; None if there is none."""
        known = (one for rotation in self.roles.values() for one in rotation.everyone)
        return next((one for one in known if one.user == user), None)

    def _pagings(self, at: datetime) -> Iterator[tuple[Paging, Paging | None]]:
        """Yield each level's paging, with the earlier one of the same person if there is one."""
        first: dict[str, Paging] = {}
        for number, level in enumerate(self.escalation, start=1):
            paging = Paging(number, level.role, self.on_duty(level.role, at), level.within)
            yield paging, first.get(paging.person.user)
            first.setdefault(paging.person.user, paging)

    def _rotation(self, role: str) -> Rotation:
        if role not in self.roles:
            known = ", ".join(sorted(self.roles))
            raise InvalidInputError([f"oncall.yaml: role {role!r} is not there; known are {known}"])
        return self.roles[role]


def late_levels(oncall: OnCall, acknowledge_within: timedelta) -> tuple[str, ...]:
    """Return a sentence per level that is paged only when the drill's target has passed.

    An answer of such a level can never make a drill GO, so the level is not proven.
    """
    late = []
    waited = timedelta(0)
    for number, level in enumerate(oncall.escalation, start=1):
        if waited >= acknowledge_within:
            late.append(
                f"escalation.{number - 1} (oncall.yaml): level {number} ({level.role}) is paged after "
                f"{in_words(waited)}, when the target of {in_words(acknowledge_within)} has passed; make "
                "within of the levels before it shorter, or drill.acknowledge_within (policies.yaml) longer"
            )
        waited += level.within or acknowledge_within
    return tuple(late)


def _users(rotation: object) -> set[str]:
    fields = written(rotation)
    people = [one for name in ("people", "stand_ins") for _, one in entries(fields.get(name))]
    return {user for one in people if isinstance(user := one.get("user"), str)}


def _missing(roles: Mapping[str, Any]) -> Iterator[Refusal]:
    for role in ROLES:
        if role not in roles:
            words = f"has nobody for {role}, whom the protocol asks; add its rotation"
            yield Refusal(("roles", role), None, words)


def _one_lead(roles: Mapping[str, Any]) -> Iterator[Refusal]:
    operations, technical = (_users(roles.get(role)) for role in _LEADS)
    if len(operations) == 1 and operations == technical:
        words = "is the operations lead, too; both sign, so they must be two people: name another"
        yield Refusal(("roles", "technical-lead", "people", 0, "user"), min(technical), words)


def _levels(escalation: object, roles: Mapping[str, Any]) -> Iterator[Refusal]:
    known, seen = Known(str(role) for role in roles), dict[str, int]()
    levels = list(entries(escalation))
    for place, level in levels:
        role = level.get("role")
        if isinstance(role, str) and role not in known:
            yield Refusal(("escalation", place, "role"), role, f"is no role here{known.hint(role)}")
        elif isinstance(role, str) and role in seen:
            words = f"is level {seen[role] + 1} already, which pages the same person; name another role"
            yield Refusal(("escalation", place, "role"), role, words)
        if isinstance(role, str):
            seen.setdefault(role, place)
        if len(levels) > 1 and level.get("within") is None:
            words = "with several levels each needs its time to answer, such as PT5M; add it"
            yield Refusal(("escalation", place, "within"), None, words)
