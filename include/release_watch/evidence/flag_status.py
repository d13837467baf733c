"""``feature-flags.json``: the state of each flag, and what the rollout plan says of it."""

from __future__ import annotations

from typing import Any

from release_watch.evidence.entries import EntryReading
from release_watch.evidence.flag_lines import is_active
from release_watch.evidence.inert import visible
from release_watch.evidence.models import Flag
from release_watch.evidence.structured import Structured

FILE = "feature-flags.json"
FIELDS = ("flags", "feature_flags", "features", "toggles")
_STATES = ("state", "status", "active", "enabled", "value", "on")
_PLANS = ("planned", "planned_state", "expected", "expected_state", "target", "target_state", "plan")


def read(document: Structured) -> EntryReading:
    """Return the flags of a document: a list of entries, or states by name."""
    reading = EntryReading(document)
    for entry in reading.entries(*FIELDS):
        name = entry.text("name", "flag", "key", "id") or entry.name
        if not name:
            reading.refuse(entry, "a flag with a name")
            continue
        flag = Flag(
            name=name[:200],
            active=state_of(entry.value),
            planned_off=planned_off(entry.value),
            source=reading.source(entry),
        )
        if flag.active is None:
            reading.problems.append(f"{flag.source}: whether the flag is active is not said: {flag.name}")
        reading.take(entry, "feature flag", flag)
    return reading


def state_of(value: Any) -> bool | None:
    """Return whether a flag is active: True, False, or None where that is not said."""
    if isinstance(value, dict):
        value = next((value[key] for key in _STATES if value.get(key) is not None), None)
    if isinstance(value, bool) or value is None:
        return value
    return is_active(visible(value, 100)) if isinstance(value, str) else None


def planned_off(value: Any) -> bool:
    """Return whether the rollout plan keeps a flag inactive for now."""
    if not isinstance(value, dict):
        return False
    return any(state_of(value[key]) is False for key in _PLANS if key in value)
