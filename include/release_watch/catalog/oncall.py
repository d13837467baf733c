"""Who is asked and told: people by role, and who of them is on duty."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from release_watch.catalog.fields import Name
from release_watch.catalog.policies import Duration
from release_watch.errors import InvalidInputError

ROLES = ("sre", "oncall", "operations-lead", "technical-lead")
"""The roles that the protocol asks by name; more may be given."""


class Person(BaseModel):
    """A person: ``user`` is the Airflow user id, ``address`` an Apprise URL or e-mail address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Name
    name: str = Field(min_length=1, max_length=200)
    address: str | None = Field(None, repr=False)


class Rotation(BaseModel):
    """The people of a role in the order of their shifts, the first on duty from ``starts_at``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    starts_at: AwareDatetime
    shift_length: Duration = timedelta(days=7)

    def on_duty(self, at: datetime) -> Person:
        """Return who is on duty at ``at``; before ``starts_at`` the order runs backwards."""
        return self.people[(at - self.starts_at) // self.shift_length % len(self.people)]


class OnCall(BaseModel):
    """The rotation of every role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: dict[str, Rotation]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := [role for role in ROLES if role not in self.roles]:
            raise ValueError(f"has nobody for {', '.join(missing)}; the protocol asks these roles")
        leads = {p.user for role in ("operations-lead", "technical-lead") for p in self.roles[role].people}
        if len(leads) < 2:
            raise ValueError("has one person as operations-lead and technical-lead; they must be two people")
        return self

    def on_duty(self, role: str, at: datetime) -> Person:
        """Return the person of ``role`` who is on duty at ``at``.

        Raises:
            InvalidInputError: if nobody has that role.
        """
        return self._rotation(role).on_duty(at)

    def people(self, role: str) -> tuple[Person, ...]:
        """Return everyone of ``role``, in the order of the rotation.

        Raises:
            InvalidInputError: if nobody has that role.
        """
        return self._rotation(role).people

    def _rotation(self, role: str) -> Rotation:
        if role not in self.roles:
            known = ", ".join(sorted(self.roles))
            raise InvalidInputError([f"oncall.yaml: role {role!r} is not there; known are {known}"])
        return self.roles[role]
