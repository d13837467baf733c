"""The audit trail: every decision once, in order, sealed with a chain of hashes."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from release_watch.artifacts.store import ArtifactStore, StoredArtifact
from release_watch.clock import now, rfc3339
from release_watch.identifiers import identifier

AUDIT_TRAIL = "audit-trail.jsonl"
PREVIOUS, OWN = "previous_entry_sha256", "entry_sha256"
"""The links of the chain; events may have a digest of their own, of the artifact they tell of."""


class AuditTrail:
    """The events of one run.

    Object stores cannot append, so each event is a file of its own until :meth:`seal` joins them.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def record(self, key: str, event: str, *, at: datetime | None = None, **details: Any) -> None:
        """Record ``event`` under ``key``; a retry with the same key keeps the first record."""
        name = f"audit/{identifier(key, 'audit key')}.json"
        if self._store.exists(name):
            return
        entry = {"key": key, "at": rfc3339(at or now()), "event": event, **details}
        self._store.write_json(name, entry)

    def events(self) -> list[dict[str, Any]]:
        """Return all recorded events, oldest first."""
        entries = [json.loads(self._store.read_bytes(name)) for name in self._store.names("audit/")]
        return sorted(entries, key=lambda entry: (entry["at"], entry["key"]))

    def seal(self) -> StoredArtifact:
        """Write ``audit-trail.jsonl``: one line an event, each with the SHA-256 over itself and the last."""
        lines, previous = [], "0" * 64
        for entry in self.events():
            body = json.dumps({**entry, PREVIOUS: previous}, sort_keys=True, ensure_ascii=False)
            previous = hashlib.sha256(body.encode()).hexdigest()
            lines.append(json.dumps({**json.loads(body), OWN: previous}, ensure_ascii=False))
        return self._store.write_text(AUDIT_TRAIL, "".join(line + "\n" for line in lines))


def broken_link(trail: str) -> int | None:
    """Return the number (from 1) of the first line of a sealed trail that was changed, else None."""
    previous = "0" * 64
    for number, line in enumerate(trail.splitlines(), start=1):
        entry = json.loads(line)
        claimed = entry.pop(OWN, None)
        body = json.dumps(entry, sort_keys=True, ensure_ascii=False)
        if entry.get(PREVIOUS) != previous or hashlib.sha256(body.encode()).hexdigest() != claimed:
            return number
        previous = claimed
    return None
