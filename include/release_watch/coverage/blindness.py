"""When a gap of telemetry leaves a critical service unwatched."""

from __future__ import annotations

from collections.abc import Collection

from release_watch.artifacts.models import CoverageStatus, Reference


def is_blind(reference: Reference, critical: Collection[str]) -> bool:
    """Return whether an alert or SLO of a critical service reads what is not there."""
    watches = reference.kind != "panel" and (reference.service is None or reference.service in critical)
    return watches and reference.check.status is CoverageStatus.FAIL
