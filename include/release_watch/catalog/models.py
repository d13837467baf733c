"""Services: what they are, who owns them, and the selectors that prove each of their signals."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from release_watch.artifacts.models import Signal
from release_watch.catalog.fields import (
    Endpoint,
    Expression,
    Matchers,
    MetricName,
    Name,
    OneLine,
    Runbook,
    SomeMatchers,
    Stream,
)
from release_watch.catalog.nearest import Known
from release_watch.errors import InvalidInputError
from release_watch.release import RollbackPolicy


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """A critical service must have every signal; a standard one is watched with what it has."""

    CRITICAL = "critical"
    STANDARD = "standard"


class MetricsSignal(_Described):
    """Metrics: label matchers as between braces, for example ``job="shop/checkout"``.

    ``counter`` is the metric that counts the work of a service whose metrics follow none of the conventions
    that are detected, and ``errors`` the matchers that narrow it to work that failed; None where the
    conventions are to be detected.
    """

    selector: Matchers
    counter: MetricName | None = None
    errors: SomeMatchers | None = None
    connection: Name = "prometheus_default"

    @field_validator("errors")
    @classmethod
    def _of_a_counter(cls, errors: str | None, info: ValidationInfo) -> str | None:
        if errors is not None and info.data.get("counter", "") is None:
            raise ValueError("narrows a counter, and none is given; add counter, or leave errors out")
        return errors


class LogsSignal(_Described):
    """Logs: a stream selector such as ``{service_name="checkout"}``."""

    selector: Stream
    connection: Name = "loki_default"


class TracesSignal(_Described):
    """Traces: the resource attribute ``service.name``."""

    service_name: Name
    connection: Name = "tempo_default"


class SyntheticsSignal(_Described):
    """Synthetic checks: label matchers of ``probe_success``."""

    selector: Matchers
    connection: Name = "prometheus_default"


class Signals(_Described):
    """The mapped signals of a service; None where there is none."""

    metrics: MetricsSignal | None = None
    logs: LogsSignal | None = None
    traces: TracesSignal | None = None
    synthetics: SyntheticsSignal | None = None

    def mapped(self) -> tuple[Signal, ...]:
        """Return the signals that have a selector."""
        return tuple(signal for signal in Signal if getattr(self, signal) is not None)


class BusinessMetric(_Described):
    """A number that the business watches; ``direction`` is the way in which it is worse."""

    name: Name
    query: Expression
    unit: str = Field(min_length=1, max_length=40)
    direction: Literal["up", "down", "both"]


class Service(_Described):
    """One service: ``dependencies`` are the services it calls, ``endpoints`` its ``METHOD /route``s.

    ``runbook`` is an address, or a path below the folder of the runbooks. ``rollback_policy`` takes
    precedence over that of the release.
    """

    name: Name
    tier: Tier
    owner: OneLine
    description: str = ""
    dependencies: tuple[Name, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    signals: Signals
    runbook: Runbook | None = None
    business_metrics: tuple[BusinessMetric, ...] = ()
    rollback_policy: RollbackPolicy | None = None

    @property
    def critical(self) -> bool:
        """Whether the release cannot pass without every signal of this service."""
        return self.tier is Tier.CRITICAL


class Catalog(_Described):
    """All services, and the environments they run in."""

    environments: tuple[Name, ...] = Field(min_length=1)
    services: tuple[Service, ...] = Field(min_length=1)

    def get(self, name: str) -> Service:
        """Return the service of that name.

        Raises:
            InvalidInputError: naming the known services.
        """
        for service in self.services:
            if service.name == name:
                return service
        raise InvalidInputError([self._unknown(name)])

    def select(self, names: Iterable[str]) -> tuple[Service, ...]:
        """Return the services of these names, in their order.

        Raises:
            InvalidInputError: naming every name that is not known.
        """
        wanted = tuple(names)
        known = {service.name: service for service in self.services}
        if unknown := [name for name in wanted if name not in known]:
            raise InvalidInputError([self._unknown(name) for name in unknown])
        return tuple(known[name] for name in wanted)

    def _unknown(self, name: str) -> str:
        known = Known(service.name for service in self.services)
        return f"services: {name!r} is not in the catalogue{known.hint(name)}"
