"""Tier, signals and runbook from the annotations, labels and links of a component."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from release_watch.artifacts.models import Signal
from release_watch.catalog.backstage.entities import Entity
from release_watch.catalog.fields import Runbook
from release_watch.catalog.models import LogsSignal, MetricsSignal, SyntheticsSignal, Tier, TracesSignal
from release_watch.catalog.nearest import Known

PREFIX = "release-watch.io/"
TIER = f"{PREFIX}tier"
RUNBOOK = f"{PREFIX}runbook"
JAEGER = "jaegertracing.io/service"
"""Of the Jaeger plugin of Backstage: the service as traces name it, which is OpenTelemetry's service.name."""

FIELDS: dict[str, tuple[Signal, str]] = {
    f"{PREFIX}metrics-selector": (Signal.METRICS, "selector"),
    f"{PREFIX}metrics-counter": (Signal.METRICS, "counter"),
    f"{PREFIX}metrics-errors": (Signal.METRICS, "errors"),
    f"{PREFIX}metrics-connection": (Signal.METRICS, "connection"),
    f"{PREFIX}logs-selector": (Signal.LOGS, "selector"),
    f"{PREFIX}logs-connection": (Signal.LOGS, "connection"),
    f"{PREFIX}traces-service": (Signal.TRACES, "service_name"),
    f"{PREFIX}traces-connection": (Signal.TRACES, "connection"),
    f"{PREFIX}synthetics-selector": (Signal.SYNTHETICS, "selector"),
    f"{PREFIX}synthetics-connection": (Signal.SYNTHETICS, "connection"),
}
UNUSABLE = {
    "prometheus.io/": "names rules and alerts to be shown, not the series of the service",
    "grafana/": "names dashboards and alerts, not the series of the service",
    "backstage.io/kubernetes-": "names pods, not the labels that their telemetry has",
}

_MODELS: dict[Signal, type[BaseModel]] = {
    Signal.METRICS: MetricsSignal,
    Signal.LOGS: LogsSignal,
    Signal.TRACES: TracesSignal,
    Signal.SYNTHETICS: SyntheticsSignal,
}
_RUNBOOK: TypeAdapter[str] = TypeAdapter(Runbook)
_OURS = Known((*FIELDS, TIER, RUNBOOK))
_AT = ("metadata", "annotations")


def tier_of(entity: Entity, *, is_known: bool = False) -> tuple[str | None, list[str]]:
    """Return the tier that an annotation or label states; lifecycle or anything else never makes one.

    One that is missing is noted, unless it ``is_known`` from elsewhere.
    """
    for place in ("annotations", "labels"):
        value = entity.part("metadata", place, TIER)
        if value is None:
            continue
        if value in tuple(Tier):
            return str(value), []
        hint = Known(tuple(Tier)).hint(value)
        return None, [entity.note(("metadata", place, TIER), value, f"is no tier{hint}")]
    if is_known:
        return None, []
    words = f"no tier: add annotation {TIER} (critical or standard), or tier to services.yaml"
    return None, [entity.note(("metadata", "name"), entity.name, words)]


def signals_of(entity: Entity) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the signals that annotations map, each checked, and what was not understood."""
    annotations = entity.part(*_AT)
    given: dict[Signal, dict[str, Any]] = {}
    for key, (signal, field) in FIELDS.items():
        value = entity.part(*_AT, key)
        if value is not None:
            given.setdefault(signal, {})[field] = value
    if "service_name" not in given.get(Signal.TRACES, {}) and entity.part(*_AT, JAEGER) is not None:
        given.setdefault(Signal.TRACES, {})["service_name"] = entity.part(*_AT, JAEGER)
    notes = list(_not_understood(entity, annotations if isinstance(annotations, dict) else {}))
    signals: dict[str, dict[str, Any]] = {}
    for signal, fields in given.items():
        try:
            model = _MODELS[signal].model_validate(fields)
            signals[signal.value] = model.model_dump(exclude_defaults=True)
        except ValidationError as error:
            notes += [_signal_note(entity, signal, problem) for problem in error.errors()]
    return {signal.value: signals[signal.value] for signal in Signal if signal.value in signals}, notes


def runbook_of(entity: Entity, *, is_known: bool = False) -> tuple[str | None, list[str]]:
    """Return the address of the runbook: of the annotation, else of the first link of type runbook.

    One that is missing is noted, unless it ``is_known`` from elsewhere.
    """
    given: list[tuple[tuple[str | int, ...], Any]] = []
    if entity.part(*_AT, RUNBOOK) is not None:
        given.append(((*_AT, RUNBOOK), entity.part(*_AT, RUNBOOK)))
    for place, link in enumerate(entity.listed("metadata", "links")):
        if isinstance(link, dict) and str(link.get("type")).lower() == "runbook":
            given.append((("metadata", "links", place, "url"), link.get("url")))
    notes: list[str] = []
    for location, value in given:
        try:
            return _RUNBOOK.validate_python(value), notes
        except ValidationError as error:
            notes.append(entity.note(location, value, _words(error.errors()[0])))
    if notes or is_known:
        return None, notes
    words = f"no runbook: add a link of type runbook, annotation {RUNBOOK}, or runbook to services.yaml"
    return None, [entity.note(("metadata", "links"), None, words)]


def _not_understood(entity: Entity, annotations: dict[Any, Any]) -> Iterator[str]:
    for key, value in annotations.items():
        if str(key).startswith(PREFIX) and key not in _OURS:
            yield entity.note((*_AT, key), value, f"unknown annotation{_OURS.hint(key)}")
        for prefix, words in UNUSABLE.items():
            if str(key).startswith(prefix):
                yield entity.note((*_AT, key), value, f"not used: {words}")


def _signal_note(entity: Entity, signal: Signal, problem: Any) -> str:
    field = problem["loc"][0]
    key = next(key for key, found in FIELDS.items() if found == (signal, field))
    if problem["type"] == "missing":
        return entity.note(_AT, None, f"no {signal}: also needs annotation {key}")
    written = JAEGER if entity.part(*_AT, key) is None else key
    return entity.note((*_AT, written), problem["input"], f"no {signal}: {_words(problem)}")


def _words(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")
