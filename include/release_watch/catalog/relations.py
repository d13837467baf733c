"""What is wrong between services, looked for as it is written: also where one is wrong by itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from release_watch.artifacts.models import Signal
from release_watch.catalog.calls import circles
from release_watch.catalog.documents import Document, Location
from release_watch.catalog.fields import endpoint_shape
from release_watch.catalog.models import LogsSignal, MetricsSignal, SyntheticsSignal, TracesSignal
from release_watch.catalog.nearest import Known
from release_watch.catalog.selectors import parse_selector

_PATH_SHOWN = 8
_MODELS: dict[Signal, type[BaseModel]] = {
    Signal.METRICS: MetricsSignal,
    Signal.LOGS: LogsSignal,
    Signal.TRACES: TracesSignal,
    Signal.SYNTHETICS: SyntheticsSignal,
}
_CONNECTIONS = {signal: model.model_fields["connection"].default for signal, model in _MODELS.items()}


class Written(NamedTuple):
    """A service as it is written: its place in the list, its name if it has one, and its fields."""

    place: int
    name: str | None
    fields: Mapping[str, Any]

    def strings(self, field: str) -> Iterator[tuple[Location, str]]:
        """Yield the place and text of each text in a list."""
        values = self.fields.get(field)
        for place, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str):
                yield self.at(field, place), value

    def at(self, *parts: Hashable) -> Location:
        """Return the location of a field of this service."""
        return ("services", self.place, *parts)


def written_services(document: Document) -> list[Written]:
    """Return the services of a document, as they are written."""
    given = document.data.get("services")
    entries = enumerate(given if isinstance(given, list) else ())
    return [Written(i, _text(entry.get("name")), entry) for i, entry in entries if isinstance(entry, dict)]


def relation_problems(document: Document) -> list[str]:
    """Return every problem between services, and between the fields of one, each with its remedy."""
    services = written_services(document)
    problems = _names_written_twice(document, services)
    problems += _dependency_problems(document, services)
    problems += _circle_problems(document, services)
    for service in services:
        problems += _written_twice(document, service, "dependencies", str)
        problems += _written_twice(document, service, "endpoints", endpoint_shape)
        problems += _business_problems(document, service)
    return problems + _shared_selectors(document, services)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _names_written_twice(document: Document, services: Iterable[Written]) -> list[str]:
    seen: dict[str, int] = {}
    problems = []
    for service in services:
        if service.name is None:
            continue
        if service.name in seen:
            line = document.line(("services", seen[service.name]))
            remedy = f"written twice, first in line {line}; keep one description"
            problems.append(document.problem(service.at("name"), service.name, remedy))
        seen.setdefault(service.name, service.place)
    return problems


def _dependency_problems(document: Document, services: Iterable[Written]) -> list[str]:
    known = Known(service.name for service in services if service.name is not None)
    problems = []
    for service in services:
        for at, dependency in service.strings("dependencies"):
            if dependency == service.name:
                problems.append(document.problem(at, dependency, "the service itself; leave it out"))
            elif dependency not in known:
                remedy = f"is no service here{known.hint(dependency)}"
                problems.append(document.problem(at, dependency, remedy))
    return problems


def _circle_problems(document: Document, services: Iterable[Written]) -> list[str]:
    by_name: dict[str, Written] = {}
    for service in services:
        if service.name is not None:
            by_name.setdefault(service.name, service)
    calls = {name: [d for _, d in service.strings("dependencies")] for name, service in by_name.items()}
    problems = []
    for circle in circles(calls):
        at = next(at for at, d in by_name[circle[0]].strings("dependencies") if d == circle[1])
        remedy = "services call each other in a circle; leave out the call that is not needed to answer"
        problems.append(document.problem(at, _path(circle), remedy))
    return problems


def _path(circle: tuple[str, ...]) -> str:
    if len(circle) > _PATH_SHOWN + 2:
        left_out = f"({len(circle) - _PATH_SHOWN - 1} more)"
        circle = (*circle[:_PATH_SHOWN], left_out, circle[-1])
    return " -> ".join(circle)


def _written_twice(
    document: Document, service: Written, field: str, shape: Callable[[str], str]
) -> Iterator[str]:
    seen: dict[str, str] = {}
    for at, value in service.strings(field):
        if (first := seen.get(shape(value))) is not None:
            yield document.problem(at, value, f"the same as {first!r} before it; keep one")
        seen.setdefault(shape(value), value)


def _business_problems(document: Document, service: Written) -> Iterator[str]:
    metrics = service.fields.get("business_metrics")
    seen: dict[tuple[str, str], int] = {}
    for place, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        for field in ("name", "query"):
            value = metric.get(field) if isinstance(metric, dict) else None
            if not isinstance(value, str):
                continue
            first = seen.setdefault((field, value.strip()), place)
            if first != place:
                remedy = f"also the {field} of business metric {first} of the service; keep one"
                yield document.problem(service.at("business_metrics", place, field), value, remedy)


def _shared_selectors(document: Document, services: Iterable[Written]) -> list[str]:
    """Two services with one selector: telemetry of the one would prove the other."""
    problems = []
    seen: dict[tuple[object, ...], Written] = {}
    for service in services:
        for signal in Signal:
            identity, field = _identity(service, signal)
            if not identity:
                continue
            first = seen.setdefault(identity, service)
            if first is not service:
                at = service.at("signals", signal.value, field)
                line = document.line(first.at("signals", signal.value, field))
                remedy = (
                    f"also that of {first.name!r} in line {line}, so one would prove the other; "
                    "give each its own"
                )
                problems.append(document.problem(at, service.fields["signals"][signal.value][field], remedy))
    return problems


def _identity(service: Written, signal: Signal) -> tuple[tuple[object, ...], str]:
    """Return what a signal is proved by, equal for two ways to write the same, and the field it is in."""
    field = "service_name" if signal is Signal.TRACES else "selector"
    signals = service.fields.get("signals")
    given = signals.get(signal.value) if isinstance(signals, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get(field), str):
        return (), field
    proof: object = given[field]
    if signal is not Signal.TRACES:
        try:
            proof = frozenset(parse_selector(given[field]))
        except ValueError:
            return (), field
    connection = given.get("connection", _CONNECTIONS[signal])
    return (signal, proof, str(connection), str(given.get("counter"))), field
