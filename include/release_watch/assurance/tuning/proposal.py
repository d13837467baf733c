"""A change of one rule that a person may approve: what it is, and what the past says it will do."""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from release_watch.artifacts.models import Window
from release_watch.assurance.quality.review import Reviewing
from release_watch.assurance.tuning.scores import Score
from release_watch.clock import Timestamp
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml

Kind = Literal[
    "minimum events",
    "for",
    "keep_firing_for",
    "grouping",
    "objective class",
    "threshold",
    "baseline",
    "severity",
]


class TuningProposal(BaseModel):
    """One change of one rule, with its back-test.

    ``before`` and ``expected`` are the rule as it is and as proposed, replayed over the same ``window``;
    ``inlined`` names recording rules that history did not know and that were calculated instead. The digest
    is that of :meth:`document`, so a person approves exactly this rule and these numbers.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    proposal_id: str = Field(pattern=r"^tune-[0-9a-f]{1,64}$")
    alert: str
    service: str
    group: str
    kind: Kind
    change: str
    current: Rule
    proposed: Rule
    before: Score
    expected: Score
    window: Window
    step_seconds: float = Field(gt=0)
    review: Reviewing = "tracker"
    tried: int = Field(default=1, ge=1)
    inlined: tuple[str, ...] = ()
    generated_at: Timestamp

    @model_validator(mode="after")
    def _of_one_rule(self) -> Self:
        for name, rule in (("current", self.current), ("proposed", self.proposed)):
            if rule.alert != self.alert:
                raise ValueError(f"{name}: is {rule.name!r}, and the proposal is of the alert {self.alert!r}")
            if (rule.service or "") != self.service:
                raise ValueError(f"{name}: is of {rule.service!r}, and the proposal of {self.service!r}")
        return self

    def document(self) -> bytes:
        """Return the JSON that a person approves; equal proposals have equal bytes."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return f"{json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode()

    @property
    def digest(self) -> str:
        """The SHA-256 of the document."""
        return hashlib.sha256(self.document()).hexdigest()

    @property
    def diff(self) -> str:
        """The change of the rule file, as a unified diff."""
        return rule_diff(self.group, self.current, self.proposed)

    @property
    def evidence(self) -> str:
        """How many known incidents stand behind it, in words."""
        kept = len(set(self.before.caught) & set(self.expected.caught))
        return f"{kept} of the {len(self.before.caught)} known incidents that it caught are still caught"


def proposal_id(rule: Rule, kind: Kind) -> str:
    """Return an id that stays the same over nights, for as long as alert, labels and kind of change do."""
    identity = json.dumps([rule.name, sorted(rule.labels.items()), kind])
    return f"tune-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def read_proposal(document: bytes) -> TuningProposal:
    """Return the proposal that ``document`` holds.

    Raises:
        InvalidInputError: if it is none, with each field that is wrong.
    """
    try:
        return TuningProposal.model_validate_json(document)
    except ValidationError as error:
        raise InvalidInputError([_problem(one["loc"], one["msg"]) for one in error.errors()]) from error


def _problem(place: tuple[int | str, ...], message: str) -> str:
    where = f"{'.'.join(map(str, place))}: " if place else ""
    return f"proposal: {where}{message.removeprefix('Value error, ')}"


def rule_diff(group: str, current: Rule, proposed: Rule) -> str:
    """Return how the YAML of a rule changes, with all of the rule as context."""
    before, after = (
        to_yaml([RuleGroup(name=group, rules=(one,))]).splitlines() for one in (current, proposed)
    )
    lines = difflib.unified_diff(
        before, after, "rules.yaml (in force)", "rules.yaml (proposed)", n=1_000, lineterm=""
    )
    return "\n".join(lines)
