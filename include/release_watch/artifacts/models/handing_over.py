"""Gates, approvals, the manifest of the package and ``exit-state.json``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from release_watch.artifacts.models.artifact import Artifact, Part
from release_watch.clock import Timestamp
from release_watch.verdict import ExitState, Objective, Verdict


class GateRecord(Part):
    """What a gate decided, when, and on what."""

    gate: int = Field(ge=1, le=4)
    verdict: Verdict
    decided_at: Timestamp
    objectives: tuple[Objective, ...]


class Approval(Part):
    """Who answered what on which evidence. ``answer`` is None until a person answered."""

    role: str
    task: str
    answer: str | None
    responded_by: str | None
    responded_at: Timestamp | None
    evidence_uri: str
    evidence_sha256: str


class ApprovalRecord(Artifact):
    """``monitoring-approval-record.json``."""

    verdict: Verdict
    approvals: tuple[Approval, ...]
    on_call_owner: str | None
    effective_from: Timestamp | None


class ManifestEntry(Part):
    """One file of the package."""

    path: str
    sha256: str
    bytes: int
    produced_by: str
    produced_at: Timestamp


class Manifest(Artifact):
    """``monitoring-package-manifest.json``."""

    verdict: Verdict
    files: tuple[ManifestEntry, ...]
    approvals: tuple[Approval, ...]
    notices: tuple[dict[str, Any], ...] = ()
    links: dict[str, str] = Field(default_factory=dict)
    times: dict[str, Timestamp] = Field(default_factory=dict)


class ExitRecord(Artifact):
    """``exit-state.json``."""

    exit_state: ExitState
    reason: str
    next_steps: tuple[str, ...] = ()
    notified: tuple[str, ...]
    gates: tuple[GateRecord, ...]
