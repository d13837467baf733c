"""A release and a store whose package is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from release_watch.artifacts.models import Approval
from release_watch.artifacts.store import ArtifactStore
from release_watch.handoff.package import APPROVAL_RECORD, CONTENTS, write_checksums
from release_watch.release import Release

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RELEASE = Release(
    deployment_id="dep-1",
    release_id="rel-1",
    version="1.1.0",
    environment="production",
    services=("checkout", "payments"),
    deployed_at=datetime(2026, 11, 21, tzinfo=UTC),
    evidence_uri="file:///evidence",
)


def complete_store(root: Path) -> ArtifactStore:
    store = ArtifactStore(root, RELEASE.environment, RELEASE.release_id)
    for name in CONTENTS:
        if name != APPROVAL_RECORD:
            store.write_text(name, f"- generated_at: 2026-11-22T10:00:00.000Z\n{name}\n")
    write_checksums(store)
    store.write_text(APPROVAL_RECORD, "{}")
    return store


def approval(store: ArtifactStore, role: str, user: str | None, answer: str | None = "yes") -> Approval:
    signed = store.digest("SHA256SUMS")
    return Approval(
        role=role,
        task=f"{role}_approval",
        answer=answer,
        responded_by=user,
        responded_at=NOW if user else None,
        evidence_uri=signed.uri,
        evidence_sha256=signed.sha256,
    )


def approvals(store: ArtifactStore) -> list[Approval]:
    people = {"sre": "ada", "operations-lead": "grace", "technical-lead": "edsger"}
    return [approval(store, role, user) for role, user in people.items()]
