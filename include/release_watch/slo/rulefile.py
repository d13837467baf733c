"""The file format of Prometheus rules: models, YAML out and in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from release_watch.errors import InvalidInputError

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


class Rule(BaseModel):
    """One recording or alerting rule.

    ``hold`` is ``for``: how long the condition holds before the alert fires; ``keep_firing_for``: how long
    it fires on once the condition has ended. Both are in Prometheus' notation.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="forbid")

    record: str | None = None
    alert: str | None = None
    expr: str
    hold: str | None = Field(default=None, alias="for")
    keep_firing_for: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.record is None) == (self.alert is None):
            raise ValueError("a rule has either record or alert")
        return self

    @property
    def name(self) -> str:
        """The recorded metric's or the alert's name."""
        return self.record or self.alert or ""

    @property
    def service(self) -> str | None:
        """The service that the rule watches; None for rules of no service, such as Watchdog."""
        return self.labels.get("service")

    @property
    def title(self) -> str:
        """What people call it: its name and service, and what its namesakes do not have: SLO or metric."""
        about = self.labels.get("slo") or self.labels.get("metric")
        return f"{self.name} of {self.service or 'no service'}" + (f" ({about})" if about else "")


class RuleGroup(BaseModel):
    """Rules that are evaluated one after the other, every ``interval``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    interval: str | None = None
    rules: tuple[Rule, ...]

    @property
    def services(self) -> frozenset[str]:
        """The services that rules of this group watch."""
        return frozenset(rule.service for rule in self.rules if rule.service)

    @property
    def alerts(self) -> tuple[Rule, ...]:
        """The alerting rules."""
        return tuple(rule for rule in self.rules if rule.alert)


def to_yaml(groups: Sequence[RuleGroup]) -> str:
    """Return the rule file that holds ``groups``."""
    plain = [group.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True) for group in groups]
    content = {"groups": [{**group, "rules": list(group["rules"])} for group in plain]}
    return str(yaml.dump(content, Dumper=_DUMPER, sort_keys=False, width=10_000, allow_unicode=True))


def from_yaml(text: str) -> list[RuleGroup]:
    """Return the groups of a rule file.

    Raises:
        InvalidInputError: if it is no YAML, or no rule file.
    """
    try:
        content: Any = yaml.load(text, Loader=_LOADER)  # noqa: S506 - CSafeLoader, where libyaml is there
        groups = content["groups"] if isinstance(content, dict) else None
        if not isinstance(groups, list):
            raise InvalidInputError(["rule file: has no list 'groups' at its top; write one"])
        return [RuleGroup.model_validate(group) for group in groups]
    except yaml.YAMLError as error:
        raise InvalidInputError([f"rule file: is no YAML: {error}"]) from error
    except KeyError as error:
        raise InvalidInputError(["rule file: has no list 'groups' at its top; write one"]) from error
    except ValidationError as error:
        problems = [f"rule file: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InvalidInputError(problems) from error


def duration(length: timedelta) -> str:
    """Return a length in Prometheus' notation, such as ``5m``, ``1h30m``.

    Raises:
        ValueError: if it is shorter than a second or not in whole seconds.
    """
    rest = length // timedelta(seconds=1)
    if rest < 1 or timedelta(seconds=rest) != length:
        raise ValueError(f"{length} is no positive number of whole seconds")
    text = ""
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_prometheus_duration(text: str) -> timedelta:
    """Return the length of ``1h30m``; nothing is ``0``, with or without a unit.

    Raises:
        ValueError: if it is not in Prometheus' notation.
    """
    if text == "0":
        return timedelta(0)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a Prometheus duration such as 5m")
    return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))
