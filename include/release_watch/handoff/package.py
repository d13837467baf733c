"""The monitoring package: what belongs into it, its checksums and its manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from release_watch.artifacts.models import Approval, Manifest, ManifestEntry
from release_watch.artifacts.store import ArtifactStore, StoredArtifact
from release_watch.release import Release
from release_watch.verdict import Verdict

MANIFEST = "monitoring-package-manifest.json"
APPROVAL_RECORD = "monitoring-approval-record.json"
CHECKSUMS = "SHA256SUMS"

CONTENTS: dict[str, str] = {
    "monitoring-plan.md": "plan",
    "monitoring-requirements.md": "phase_1_instrumentation",
    "instrumentation-audit.json": "phase_1_instrumentation",
    "dashboard-config.md": "phase_2_activation",
    "alert-rules.yaml": "phase_2_activation",
    "alert-test-results.json": "phase_2_activation",
    "RUNBOOKS/monitoring-runbook.md": "phase_2_activation",
    "baseline-metrics.json": "baseline_window",
    "monitoring-results.json": "baseline_window",
    "observability-schedule.json": "phase_3_assurance",
    "alert-tuning-report.md": "phase_3_assurance",
    "observability-scorecard.md": "phase_3_assurance",
    "improvement-backlog.md": "phase_4_handoff",
    APPROVAL_RECORD: "phase_4_handoff",
}
"""Every artifact that the package must hold, and the task group that writes it.

The manifest cannot list itself; exit state and audit trail are written after it, when the run closes.
"""

ADDITIONAL = "additional evidence"
_AFTER_THE_MANIFEST = frozenset({MANIFEST, "exit-state.json", "audit-trail.jsonl"})
_SIGNED_AFTERWARDS = frozenset({APPROVAL_RECORD, CHECKSUMS})
_RUN_NOTES = ("audit/", "earlier/", "records/", "stops/")
_GENERATED_AT = re.compile(rb"generated_at\W{1,8}(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))")
_HEAD_BYTES = 4096
_MOMENT = TypeAdapter(AwareDatetime)


def missing_artifacts(store: ArtifactStore, *, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the required artifacts that are not in the store or are empty, ``without`` left aside."""
    wanted = (name for name in CONTENTS if name not in without)
    return tuple(name for name in wanted if not store.exists(name) or not store.read_bytes(name).strip())


def write_checksums(store: ArtifactStore) -> StoredArtifact:
    """Write ``SHA256SUMS`` over the package as it is to be signed, and return it.

    People sign the digest of this file: it holds the digest of every file of the package, does not
    change when the approval record and the manifest are written after it, and ``sha256sum -c`` checks it.
    """
    names = [name for name in _packaged(store) if name not in _SIGNED_AFTERWARDS]
    return store.write_text(CHECKSUMS, "".join(f"{store.digest(name).sha256}  {name}\n" for name in names))


def changed_since_signed(store: ArtifactStore) -> tuple[str, ...]:
    """Return the files that differ from ``SHA256SUMS`` or are gone.

    Raises:
        ArtifactMissingError: if there is no ``SHA256SUMS``.
    """
    lines = (line.split("  ", 1) for line in store.read_text(CHECKSUMS).splitlines())
    return tuple(
        name for sha256, name in lines if not store.exists(name) or store.digest(name).sha256 != sha256
    )


def digests(store: ArtifactStore) -> dict[str, str]:
    """Return the SHA-256 of every artifact as it lies in the store now, by its name and by its URI."""
    found = [store.digest(name) for name in store.names()]
    return {key: stored.sha256 for stored in found for key in (stored.name, stored.uri)}


def manifest(
    store: ArtifactStore,
    release: Release,
    approvals: Sequence[Approval],
    notices: Sequence[Mapping[str, Any]],
    links: Mapping[str, str],
    times: Mapping[str, datetime],
    at: datetime,
) -> Manifest:
    """Return the manifest of what lies in the store now.

    ``links`` are the documents, dashboards, alert log, results and ticket that the audit asks for;
    ``times`` when monitoring, metrics and alerts were set up, the baseline established and all completed.
    The verdict is NO_GO while a required artifact is missing or empty.
    """
    return Manifest(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=at,
        verdict=Verdict.NO_GO if missing_artifacts(store) else Verdict.GO,
        files=tuple(_entries(store, at)),
        approvals=tuple(approvals),
        notices=tuple(dict(notice) for notice in notices),
        links=dict(links),
        times=dict(times),
    )


def _entries(store: ArtifactStore, at: datetime) -> Iterator[ManifestEntry]:
    for name in _packaged(store):
        data = store.read_bytes(name)
        yield ManifestEntry(
            path=name,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            produced_by=CONTENTS.get(name, ADDITIONAL),
            produced_at=_generated_at(data) or at,
        )


def _packaged(store: ArtifactStore) -> list[str]:
    """Return the names of all files of the package, sorted; what a run notes for itself is none of it."""
    return [n for n in store.names() if n not in _AFTER_THE_MANIFEST and not n.startswith(_RUN_NOTES)]


def _generated_at(data: bytes) -> datetime | None:
    """Return when a document says it was generated; pictures and other binary files do not say."""
    found = _GENERATED_AT.search(data[:_HEAD_BYTES])
    try:
        return _MOMENT.validate_python(found[1].decode()) if found else None
    except ValidationError:
        return None
