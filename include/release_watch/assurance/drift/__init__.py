"""Drift: what is live in another meaning than it was activated in. docs/drift.md says what counts."""

from __future__ import annotations

from release_watch.assurance.drift.activated import expected_of
from release_watch.assurance.drift.finding import drift_of
from release_watch.assurance.drift.live import Live, LiveDashboards, LiveRules, read_live
from release_watch.assurance.drift.model import Drift, DriftReport, Expected
from release_watch.assurance.drift.since import carried, seen

__all__ = [
    "Drift",
    "DriftReport",
    "Expected",
    "Live",
    "LiveDashboards",
    "LiveRules",
    "carried",
    "drift_of",
    "expected_of",
    "read_live",
    "seen",
]
