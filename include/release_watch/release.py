"""The release: what was deployed, where and when, as release orchestration told us."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer, field_validator

from release_watch.clock import Timestamp, format_duration, now, parse_duration
from release_watch.errors import InvalidInputError
from release_watch.identifiers import IDENTIFIER_PATTERN, invalid_identifier, is_identifier

DURATION_PATTERN = r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$"
EVIDENCE_SCHEMES = frozenset({"file", "s3", "gs", "abfs", "abfss"})
LONGEST_WINDOW = timedelta(days=7)


class RollbackPolicy(StrEnum):
    """What a critical finding leads to."""

    AUTO = "auto"
    ASK = "ask"
    FREEZE = "freeze"
    FORWARD_ONLY = "forward-only"


class Mode(StrEnum):
    """``shadow`` runs everything, pages no one, blocks nothing, and records what it would have done."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Release(BaseModel):
    """One version of a set of services deployed to one environment."""

    # Built at first use: every parse of the DAG file imports this module.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    deployment_id: str
    release_id: str
    version: str
    environment: str
    services: tuple[str, ...]
    deployed_at: Timestamp
    evidence_uri: str
    baseline_window: timedelta = timedelta(hours=24)
    review_interval: timedelta = timedelta(hours=1)
    rollback_policy: RollbackPolicy = RollbackPolicy.ASK
    mode: Mode = Mode.ENFORCE

    @field_validator("deployment_id", "release_id", "version", "environment")
    @classmethod
    def _identifier(cls, value: str) -> str:
        if not is_identifier(value):
            raise ValueError(invalid_identifier("value", value))
        return value

    @field_validator("services")
    @classmethod
    def _services(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one service")
        if len(set(value)) != len(value):
            raise ValueError("a service is named twice; name each once")
        for service in value:
            if not is_identifier(service):
                raise ValueError(invalid_identifier("service", service))
        return value

    @field_validator("deployed_at")
    @classmethod
    def _not_in_the_future(cls, value: datetime) -> datetime:
        if value > now() + timedelta(minutes=5):
            raise ValueError("lies in the future; check the clock of the deploying machine")
        return value

    @field_validator("evidence_uri")
    @classmethod
    def _evidence(cls, value: str) -> str:
        scheme = urlsplit(value).scheme
        if scheme not in EVIDENCE_SCHEMES:
            raise ValueError(f"must be a URL with one of the schemes {', '.join(sorted(EVIDENCE_SCHEMES))}")
        if ".." in value.split("/"):
            raise ValueError("must not contain '..'")
        return value

    @field_validator("baseline_window", "review_interval", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return parse_duration(value) if isinstance(value, str) else value

    @field_validator("baseline_window", "review_interval")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= LONGEST_WINDOW:
            raise ValueError("must be between PT1S and P7D")
        return value

    @field_serializer("baseline_window", "review_interval")
    def _iso(self, value: timedelta) -> str:
        return format_duration(value)

    @property
    def shadow(self) -> bool:
        """Whether the run may page no one and block nothing."""
        return self.mode is Mode.SHADOW

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Release:
        """Return the release that DAG params or an event's data describe.

        Raises:
            InvalidInputError: with every problem, each naming field, value and remedy.
        """
        try:
            return cls.model_validate(dict(params))
        except ValidationError as error:
            raise InvalidInputError([_problem(e) for e in error.errors()]) from error


def _problem(error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"]) or "params"
    if error["type"] == "extra_forbidden":
        known = ", ".join(Release.model_fields)
        return f"{field}: unknown parameter; known are {known}"
    if error["type"] == "missing":
        return f"{field}: missing; give it in the run's conf"
    message = error["msg"].removeprefix("Value error, ")
    return f"{field}: {str(error['input'])[:80]!r}: {message}"


PARAM_SCHEMAS: dict[str, dict[str, Any]] = {
    "deployment_id": {"type": "string", "pattern": IDENTIFIER_PATTERN},
    "release_id": {"type": "string", "pattern": IDENTIFIER_PATTERN},
    "version": {"type": "string", "pattern": IDENTIFIER_PATTERN},
    "environment": {"type": "string", "pattern": IDENTIFIER_PATTERN},
    "services": {
        "type": "array",
        "items": {"type": "string", "pattern": IDENTIFIER_PATTERN},
        "minItems": 1,
        "uniqueItems": True,
    },
    "deployed_at": {"type": "string", "format": "date-time"},
    "evidence_uri": {"type": "string", "pattern": r"^[a-z0-9]+://"},
    "baseline_window": {
        "type": "string",
        "pattern": DURATION_PATTERN,
        "default": format_duration(timedelta(hours=24)),
    },
    "review_interval": {
        "type": "string",
        "pattern": DURATION_PATTERN,
        "default": format_duration(timedelta(hours=1)),
    },
    "rollback_policy": {"type": "string", "enum": [p.value for p in RollbackPolicy], "default": "ask"},
    "mode": {"type": "string", "enum": [m.value for m in Mode], "default": "enforce"},
}
"""JSON Schemas of the DAG params; the REST API refuses what does not fit them with 400."""
