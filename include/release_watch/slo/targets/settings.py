"""How an environment's rules get into force, as the extra of its Prometheus connection says it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from release_watch.errors import InvalidInputError
from release_watch.telemetry.backends import Backends, RuleBackends, RuleExtra

KEY = "rules"
RULER_PATH = "/config/v1/rules"
"""Mimir's configuration API, below the ``/prometheus`` that the connection's address ends in."""

_TARGETS = "directory, ruler or gitops"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DirectorySettings(_Settings):
    """Files in the folder that Prometheus loads rules from, and a reload."""

    target: Literal["directory"] = "directory"
    directory: Path | None = None


class RulerSettings(_Settings):
    """The ruler API of Mimir or Cortex.

    ``path`` is that of its configuration API below the address of the connection; ``connection`` names
    another connection than that of Prometheus, where the ruler has an address or credentials of its own.
    """

    target: Literal["ruler"]
    path: str = RULER_PATH
    connection: str | None = None
    within_seconds: float = Field(default=120, gt=0, le=3600)

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("must begin with /")
        return path.rstrip("/")


class GitOpsSettings(_Settings):
    """Files in a working copy, from where something else brings them to Prometheus.

    ``namespace``, ``labels`` and ``annotations`` go into the manifest; Prometheus' operator picks manifests
    by their labels.
    """

    target: Literal["gitops"]
    directory: Path
    format: Literal["manifest", "plain"] = "manifest"
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    within_seconds: float = Field(default=300, gt=0, le=3600)


RuleSettings = DirectorySettings | RulerSettings | GitOpsSettings
_ADAPTER: TypeAdapter[RuleSettings] = TypeAdapter(Annotated[RuleSettings, Field(discriminator="target")])


class Way(NamedTuple):
    """The settings of an environment, and the connection that they stand in."""

    settings: RuleSettings
    connection: str

    @property
    def patience(self) -> timedelta:
        """How long rules may take until they are live, where the target sets it."""
        seconds = 0 if isinstance(self.settings, DirectorySettings) else self.settings.within_seconds
        return timedelta(seconds=seconds)


def way_of(backends: Backends) -> Way:
    """Return how the rules of ``backends`` get into force; those that only know a folder use that.

    Raises:
        NotConfiguredError: if there is no Prometheus connection.
        InvalidInputError: naming the connection, the key and the remedy for each setting that is wrong.
    """
    if not isinstance(backends, RuleBackends):
        return Way(DirectorySettings(directory=backends.rules_directory()), "prometheus_default")
    extra = backends.rule_extra()
    return Way(settings_of(extra), extra.connection)


def settings_of(extra: RuleExtra) -> RuleSettings:
    """Return the settings that the extra of a connection holds.

    ``rules`` is the name of a target, or a mapping with ``target`` and its settings. Without it the folder
    ``rules_directory`` is the target.

    Raises:
        InvalidInputError: naming the connection, the key and the remedy for each setting that is wrong.
    """
    given: Any = {"target": extra.rules} if isinstance(extra.rules, str) else extra.rules
    where = f"connection {extra.connection!r}, extra"
    if given is None:
        given = {"target": "directory"}
    if not isinstance(given, dict):
        raise InvalidInputError([f"{where}.{KEY}: must be {_TARGETS}, or a mapping with target and settings"])
    try:
        settings = _ADAPTER.validate_python({"target": "directory", **given})
    except ValidationError as error:
        raise InvalidInputError([_problem(where, one) for one in error.errors()]) from error
    if not isinstance(settings, DirectorySettings) or extra.directory is None:
        return settings
    if settings.directory not in (None, extra.directory):
        raise InvalidInputError(
            [
                f"{where}.{KEY}.directory: is {settings.directory}, but rules_directory is "
                f"{extra.directory}; remove one of them"
            ]
        )
    return settings.model_copy(update={"directory": extra.directory})


def _problem(where: str, error: Any) -> str:
    key = ".".join([KEY, *map(str, error["loc"][1:])])  # the first part is the name of the target
    remedy = {
        "union_tag_invalid": f"{KEY}.target: must be {_TARGETS}",
        "missing": f"{key}: is missing; add it",
        "extra_forbidden": f"{key}: is no setting of this target; remove it",
    }.get(error["type"], f"{key}: {error['msg']}")
    return f"{where}.{remedy}"
