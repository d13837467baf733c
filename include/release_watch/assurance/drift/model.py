"""What drifted, and what was activated that it is held against: plain data, nothing is read here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from release_watch.catalog.models import Service
from release_watch.catalog.oncall import OnCall
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict

Kind = Literal["edited", "missing", "extra", "muted", "pending adoption", "unknown"]
"""``unknown``: it could not be looked at, so nothing is known of it; never taken for no drift."""

NOBODY_NAMED = "sre"
"""Who owns what belongs to no service: the role that runs the servers."""


Identity = tuple[str, str, frozenset[tuple[str, str]]]
"""Group, name and labels of a rule."""


class Drift(BaseModel):
    """One thing that is live in another meaning than it was activated in.

    ``key`` is the same every night for the same drift. ``expected`` and ``live`` are what was activated and
    what runs, as far as either is one text; ``diff`` shows for people where they part. ``since`` is the first
    night that saw it (:func:`~release_watch.assurance.drift.since.carried`), ``to_do`` what a person does.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    kind: Kind
    what: str
    owner: str
    verdict: Verdict
    to_do: str
    service: str | None = None
    expected: str | None = None
    live: str | None = None
    diff: str = ""
    since: Timestamp | None = None

    @property
    def area(self) -> str:
        """What drifted, in a word, as its key begins: ``rule``, ``route``, ``silence``, ``dashboard``..."""
        return self.key.partition(":")[0]

    @property
    def line(self) -> str:
        """The drift in one line."""
        return f"{self.kind}: {self.what}"


class Group(NamedTuple):
    """A rule group: seconds between evaluations (None: the server's default), most series it may make."""

    name: str
    interval: float | None = None
    limit: int = 0


class WatchedRule(NamedTuple):
    """A rule as it was activated or as it runs; seconds. ``file`` is the last part of the file's name."""

    group: Group
    name: str
    alerting: bool
    expr: str
    hold: float
    keep_firing: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    file: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{'alert' if self.alerting else 'recording rule'} {self.group.name}/{self.name}"

    @property
    def service(self) -> str | None:
        """The service that it watches; None for rules of no service."""
        return self.labels.get("service")

    @property
    def identity(self) -> Identity:
        """Group, name and labels: one rule in one file has each once, mostly."""
        return self.group.name, self.name, frozenset(self.labels.items())


class RuleSet(NamedTuple):
    """A rule file that was activated.

    ``listed_as`` is the last part of the file under which the server lists it, None where that is unknown, as
    for a ruler. ``handed_over``: it was given to somebody who brings it into force (GitOps) and lies there in
    this very form, so that what is not live yet is pending adoption. ``given`` is every rule of the file as
    it was registered, also those that a later release has taken over since: none of them is extra.
    """

    name: str
    rules: tuple[WatchedRule, ...]
    listed_as: str | None = None
    handed_over: bool = False
    given: frozenset[Identity] = frozenset()


class Board(NamedTuple):
    """A dashboard that was activated; ``model`` is its JSON, or in words why that is not at hand.

    None: nobody looked for it, so that only whether the dashboard is there can be told.
    """

    uid: str
    title: str
    model: Mapping[str, Any] | str | None = None


class Reached(NamedTuple):
    """The receivers that alerts of a service and severity reached when they were drilled last."""

    service: str
    severity: str
    receivers: tuple[str, ...]


class Expected(NamedTuple):
    """What was activated for one release, as far as no later release has taken it over.

    ``services`` are those that the release still owns, ``retention`` how long samples have to be kept (None:
    as long as its rules look back). Without ``oncall`` the rotation is not looked at; ``users`` are those who
    can sign in, None where that is not known.
    """

    release_id: str
    environment: str
    services: tuple[Service, ...]
    rule_sets: tuple[RuleSet, ...]
    dashboards: tuple[Board, ...] = ()
    reached: tuple[Reached, ...] = ()
    retention: timedelta | None = None
    oncall: OnCall | None = None
    users: frozenset[str] | None = None

    @property
    def rules(self) -> tuple[WatchedRule, ...]:
        """Every rule of every set."""
        return tuple(rule for one in self.rule_sets for rule in one.rules)

    def owner(self, service: str | None) -> str:
        """Return who owns a service, as the catalogue says."""
        return next((one.owner for one in self.services if one.name == service), NOBODY_NAMED)


class DriftReport(BaseModel):
    """The drift of one release at one moment."""

    model_config = ConfigDict(frozen=True)

    release_id: str
    environment: str
    generated_at: Timestamp
    rules: int
    drifts: tuple[Drift, ...]

    @classmethod
    def of(cls, expected: Expected, drifts: Sequence[Drift], at: Timestamp) -> Self:
        """Return the report of what was found."""
        return cls(
            release_id=expected.release_id,
            environment=expected.environment,
            generated_at=at,
            rules=len(expected.rules),
            drifts=tuple(drifts),
        )


def shown(labels: Mapping[str, str]) -> str:
    """Return labels as people write them."""
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items())
    )
