"""What a person asks for: to put one proposal into force, or to take it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from release_watch.errors import InvalidInputError
from release_watch.identifiers import IDENTIFIER_PATTERN, invalid_identifier, is_identifier

PROPOSAL_PATTERN = r"^tune-[0-9a-f]{12}$"
_PROPOSAL = re.compile(PROPOSAL_PATTERN)


class Action(StrEnum):
    """What is to become of a proposal."""

    APPLY = "apply"
    TAKE_BACK = "take_back"


PARAM_SCHEMAS: dict[str, dict[str, Any]] = {
    "environment": {
        "type": "string",
        "pattern": IDENTIFIER_PATTERN,
        "title": "Environment",
        "description": "Where the alert is in force, such as `production`.",
    },
    "release_id": {
        "type": "string",
        "pattern": IDENTIFIER_PATTERN,
        "title": "Release",
        "description": "The release under watch that holds the rule, such as `shop-1.1.0`. To put a "
        "change into force: the release whose alert tuning report proposes it.",
    },
    "proposal_id": {
        "type": "string",
        "pattern": PROPOSAL_PATTERN,
        "title": "Proposal",
        "description": "As alert-tuning-report.md names it: `tune-` and twelve letters or digits.",
    },
    "action": {
        "type": "string",
        "enum": [action.value for action in Action],
        "default": Action.APPLY.value,
        "title": "What to do",
        "description": "`apply` puts the proposed rule into force, `take_back` the one that it replaced. A "
        "person is asked either way.",
    },
}
"""JSON Schemas of the DAG's params; the REST API refuses what does not fit them with 400."""


class TuningRequest(BaseModel):
    """A proposal of a release, and what is to become of it. Every id is safe as a path segment."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    environment: str
    release_id: str
    proposal_id: str
    action: Action = Action.APPLY

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Return the request that a run's params describe.

        Raises:
            InvalidInputError: with every problem, each naming field, value and remedy.
        """
        problems = [
            f"{name}: unknown parameter; known are {', '.join(PARAM_SCHEMAS)}"
            for name in sorted(set(params) - set(PARAM_SCHEMAS))
        ]
        for name in ("environment", "release_id", "proposal_id"):
            problems += _problem(name, params.get(name))
        action = params.get("action", Action.APPLY.value)
        if action not in list(Action):
            problems.append(f"action: {str(action)[:80]!r} is none of {', '.join(Action)}")
        if problems:
            raise InvalidInputError(problems)
        return cls.model_validate({**params, "action": action})

    @property
    def taking_back(self) -> bool:
        """Whether the change is to be taken back."""
        return self.action is Action.TAKE_BACK

    @property
    def stored_as(self) -> str:
        """The name of the proposal among the release's artifacts."""
        return f"tuning/{self.proposal_id}.json"


def _problem(name: str, value: object) -> list[str]:
    if value is None:
        return [f"{name}: missing; give it in the run's conf"]
    if not is_identifier(value):
        return [invalid_identifier(name, value)]
    if name == "proposal_id" and not _PROPOSAL.fullmatch(str(value)):
        return [f"{name}: {str(value)[:80]!r} is no proposal; it is tune- and twelve of 0-9 and a-f"]
    return []
