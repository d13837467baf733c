"""A review of a release as it is stored, so that it can be judged again: what it knew, and what it said.

Beside the reference samples of the run (``records/reference.parquet``) each review stores in
``records/reviews/`` the samples it judged (``0001.parquet``: service, metric, time, value), those of a
control group where there is one (``0001.control.parquet``), and last ``0001.json``, a :class:`StoredReview`:
where that is there, so is all of its evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from release_watch.catalog.policies import JudgePolicy
from release_watch.clock import Timestamp, now
from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.artifacts.models import Review
    from release_watch.artifacts.store import ArtifactStore, StoredArtifact
    from release_watch.release import Release

    Series = Mapping[tuple[str, str], pd.Series]

REFERENCE = "records/reference.parquet"
FOLDER = "records/reviews"


class StoredFile(BaseModel):
    """A file of samples: where it lies in the release's folder, and what exactly it is."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*/){0,3}[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def of(cls, file: str, data: bytes) -> StoredFile:
        """Return the entry of a file with this content."""
        return cls(file=file, sha256=hashlib.sha256(data).hexdigest())


class StoredJudgement(BaseModel):
    """What a review said about a metric.

    ``from_samples`` is False where no samples were judged (the server did not answer, or the metric fell
    silent): such a judgement stands as it was made.
    """

    model_config = ConfigDict(frozen=True)

    judgement: MetricJudgement
    from_samples: bool = True


class StoredReview(BaseModel):
    """All that a review judged by, and what it said.

    ``verdict``, ``score`` and ``reason`` are those over the metrics; ``published`` is the verdict of the
    review, which alerts and other findings may have made worse.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal["1.0"] = "1.0"
    release_id: str
    environment: str
    generated_at: Timestamp
    deployed_at: Timestamp
    number: int = Field(ge=1)
    at: Timestamp
    policy: JudgePolicy
    dependencies: dict[str, tuple[str, ...]]
    reference: StoredFile | None
    samples: StoredFile
    controls: StoredFile | None = None
    verdict: Verdict
    score: float
    reason: str
    published: Verdict
    metrics: tuple[StoredJudgement, ...]


def store_review(
    store: ArtifactStore,
    review: Review,
    release: Release,
    judgement: ReleaseJudgement,
    *,
    policy: JudgePolicy,
    dependencies: Mapping[str, Iterable[str]],
    samples: Series,
    controls: Series = MappingProxyType({}),
    reference: str = REFERENCE,
) -> StoredArtifact:
    """Store what ``review`` was judged by, and return the document; a repeated call replaces its own files.

    ``samples`` are those that were judged, by service and metric, also where there were none: a metric that
    is not among them was not judged by samples, and its judgement stands as it was made. ``controls`` are
    those of a control group. ``reference`` names the file in ``store`` with the samples from before the
    release; where it is not there, none were known.
    """
    from release_watch.baseline.frames import to_parquet

    document, of_release, of_group = names_of(review.number)
    files = {of_release: to_parquet(samples)}
    if controls:
        files[of_group] = to_parquet(controls)
    for name, data in files.items():
        store.write_bytes(name, data)
    before = StoredFile.of(reference, store.read_bytes(reference)) if store.exists(reference) else None
    stored = StoredReview(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=now(),
        deployed_at=release.deployed_at,
        number=review.number,
        at=review.at,
        policy=policy,
        dependencies={service: tuple(called) for service, called in dependencies.items()},
        reference=before,
        samples=StoredFile.of(of_release, files[of_release]),
        controls=StoredFile.of(of_group, files[of_group]) if controls else None,
        verdict=judgement.verdict,
        score=judgement.score,
        reason=judgement.reason,
        published=review.verdict,
        metrics=tuple(
            StoredJudgement(judgement=one, from_samples=one.spec.key in samples)
            for one in judgement.judgements
        ),
    )
    return store.write_json(document, stored)


def names_of(number: int) -> tuple[str, str, str]:
    """Return the names of a review's files: the JSON document, the samples, and those of a control group."""
    start = f"{FOLDER}/{number:04d}"
    return f"{start}.json", f"{start}.parquet", f"{start}.control.parquet"
