"""Services: what they are, who owns them, and the selectors that prove each of their signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from release_watch.artifacts.models import Signal
from release_watch.catalog.selectors import joined, parse_selector
from release_watch.errors import InvalidInputError
from release_watch.identifiers import invalid_identifier, is_identifier
from release_watch.release import RollbackPolicy

_BRACKETS = {")": "(", "]": "[", "}": "{"}


def _identifier(value: str) -> str:
    if not is_identifier(value):
        raise ValueError(invalid_identifier("name", value))
    return value


def _matchers(value: str) -> str:
    return joined(parse_selector(value))


def _stream(value: str) -> str:
    return "{" + joined(parse_selector(value)) + "}"


def _expression(value: str) -> str:
    opened: list[str] = []
    for sign in value:
        if sign in _BRACKETS.values():
            opened.append(sign)
        elif sign in _BRACKETS and (not opened or opened.pop() != _BRACKETS[sign]):
            raise ValueError(f"has a {sign!r} that nothing opens; check the expression with promtool")
    if opened or not value.strip():
        raise ValueError("is no complete PromQL expression; check it with promtool")
    return value.strip()


Name = Annotated[str, AfterValidator(_identifier)]
Matchers = Annotated[str, Field(max_length=1000), AfterValidator(_matchers)]
Stream = Annotated[str, Field(max_length=1000), AfterValidator(_stream)]
Expression = Annotated[str, Field(max_length=4000), AfterValidator(_expression)]


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """A critical service must have every signal; a standard one is watched with what it has."""

    CRITICAL = "critical"
    STANDARD = "standard"


class MetricsSignal(_Described):
    """Metrics: label matchers as between braces, for example ``job="shop/checkout"``."""

    selector: Matchers
    connection: Name = "prometheus_default"


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

    ``rollback_policy`` takes precedence over that of the release.
    """

    name: Name
    tier: Tier
    owner: str = Field(min_length=1, max_length=200)
    description: str = ""
    dependencies: tuple[Name, ...] = ()
    endpoints: tuple[str, ...] = ()
    signals: Signals
    runbook: str | None = None
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
        raise InvalidInputError([f"services: {name!r} is not in the catalogue; known are {self._known()}"])

    def select(self, names: Iterable[str]) -> tuple[Service, ...]:
        """Return the services of these names, in their order.

        Raises:
            InvalidInputError: naming every name that is not known.
        """
        wanted = tuple(names)
        known = {service.name: service for service in self.services}
        if unknown := [name for name in wanted if name not in known]:
            raise InvalidInputError(
                [f"services: {name!r} is not in the catalogue; known are {self._known()}" for name in unknown]
            )
        return tuple(known[name] for name in wanted)

    def _known(self) -> str:
        return ", ".join(sorted(service.name for service in self.services))


def find_cycle(calls: Mapping[str, Iterable[str]]) -> tuple[str, ...] | None:
    """Return the services of one circle of calls, the first of them again at the end, or None."""
    done: set[str] = set()
    for start in calls:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, leaving = waiting.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                return (*path[path.index(name) :], name)
            elif name not in done:
                path.append(name)
                waiting.append((name, True))
                waiting.extend((callee, False) for callee in calls.get(name, ()))
    return None
