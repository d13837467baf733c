"""Pinning what a run has captured: the samples of its release baseline, or of its reference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import BaselineKind, BaselineMetrics
from release_watch.artifacts.store import ArtifactStore
from release_watch.baseline.frames import from_parquet
from release_watch.errors import InvalidInputError

if TYPE_CHECKING:
    from release_watch.artifacts.store import PathLike
    from release_watch.baseline.frames import Frames
    from release_watch.baseline.known_good import KnownGood, Pin

DOCUMENT = "records/{kind}-baseline.json"


class Captured(NamedTuple):
    """A baseline that a run has left in the store."""

    document: BaselineMetrics
    samples: Frames


def captured(root: PathLike, environment: str, release_id: str, kind: BaselineKind) -> Captured:
    """Return a baseline that a run has captured: its document, and the samples it was made of.

    Raises:
        ArtifactMissingError: if the run has not captured it.
        InvalidInputError: if an id is none, or the samples are not those of the document.
    """
    store = ArtifactStore(root, environment, release_id)
    name = DOCUMENT.format(kind=kind)
    document = store.read_model(name, BaselineMetrics)
    sampling = document.sampling
    if sampling is None or sampling.file is None:
        raise InvalidInputError([f"{store.uri_of(name)}: sampling.file: names no samples to pin"])
    data = store.read_bytes(sampling.file)
    if hashlib.sha256(data).hexdigest() != sampling.sha256:
        raise InvalidInputError([f"{store.uri_of(sampling.file)}: is not what {name} was made of"])
    return Captured(document, from_parquet(data))


def pin_all(
    pins: KnownGood,
    found: Captured,
    services: Sequence[str],
    *,
    by: str,
    reason: str,
    at: datetime,
    expires_at: datetime,
) -> list[Pin]:
    """Pin the baselines of the services; none of them where one does not convince.

    Raises:
        InvalidInputError: with every problem: a baseline that does not convince, blank words, a wrong time.
    """
    document = found.document
    problems = [problem for service in services for problem in _problems(found, service)]
    problems += [f"--{name}: is blank" for name, text in (("by", by), ("reason", reason)) if not text.strip()]
    if problems:
        raise InvalidInputError(problems)
    return [
        pins.pin(
            service,
            found.samples,
            release_id=document.release_id,
            window=(document.window.start, document.window.end),
            by=by,
            reason=reason,
            at=at,
            expires_at=expires_at,
        )
        for service in dict.fromkeys(services)
    ]


def _problems(found: Captured, service: str) -> list[str]:
    own = [entry for entry in found.document.metrics if entry.service == service]
    where = f"{service} in the {found.document.kind} baseline of {found.document.release_id}"
    if not own:
        known = ", ".join(sorted({entry.service for entry in found.document.metrics}))
        return [f"{where}: is not in it; it has {known or 'nothing'}"]
    if stale := {entry.known_good for entry in own if entry.known_good}:
        return [f"{where}: is itself pinned ({min(stale)}); pin a baseline of its own"]
    return [
        f"{where}: {entry.metric}: {entry.reason}"
        for entry in own
        if entry.verdict is None or not entry.verdict.proceeds
    ]
