"""``observability-configuration``: which signals the deployment configured for which service."""

from __future__ import annotations

from collections.abc import Iterable

from release_watch.evidence.entries import Entry, EntryReading
from release_watch.evidence.models import ObservedService
from release_watch.evidence.structured import Structured
from release_watch.identifiers import is_identifier

FILES = (
    "observability-configuration.json",
    "observability-configuration.yaml",
    "observability-configuration.yml",
)
_SIGNALS = {
    "metrics": ("metrics", "metric", "prometheus"),
    "logs": ("logs", "log", "logging", "loki"),
    "traces": ("traces", "trace", "tracing", "spans", "tempo"),
    "synthetics": ("synthetics", "synthetic", "probe", "probes", "synthetic_checks", "blackbox", "uptime"),
}
FIELDS = ("services", "components", "applications", *(word for words in _SIGNALS.values() for word in words))


def read(document: Structured, services: Iterable[str]) -> EntryReading:
    """Return the services that a document describes, each with at least one signal.

    A document that names no service, only signals, describes all ``services``.
    """
    reading = EntryReading(document)
    shared = signals_of(document.content)
    if shared and not any(document.content.get(field) for field in FIELDS[:3]):
        whole = Entry((), "", document.content)
        found = (ObservedService(service=s, signals=shared, source=reading.source(whole)) for s in services)
        reading.take(whole, "observability configuration of every service", *found)
        return reading
    for entry in reading.entries(*FIELDS[:3]):
        service = entry.name or entry.text("service", "name", "component")
        signals = signals_of(entry.value) or (
            signals_of(entry.value.get("signals")) if isinstance(entry.value, dict) else ()
        )
        if not is_identifier(service) or not signals:
            reading.refuse(entry, "a service with at least one of metrics, logs, traces, synthetics")
            continue
        found_one = ObservedService(service=service, signals=signals, source=reading.source(entry))
        reading.take(entry, "observability configuration", found_one)
    return reading


def signals_of(value: object) -> tuple[str, ...]:
    """Return the signals that a mapping configures; one that is empty or switched off does not count."""
    if isinstance(value, list):
        value = {str(one).casefold(): True for one in value if isinstance(one, str)}
    if not isinstance(value, dict):
        return ()
    given = {str(key).casefold() for key, content in value.items() if _configured(content)}
    return tuple(signal for signal, words in _SIGNALS.items() if given & set(words))


def _configured(content: object) -> bool:
    if isinstance(content, dict) and str(content.get("enabled", True)).casefold() in ("false", "no", "off"):
        return False
    return bool(content) and str(content).casefold() not in ("false", "no", "off", "none", "disabled")
