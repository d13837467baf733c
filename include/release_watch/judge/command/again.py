"""One stored review judged again, from the files it names."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from release_watch.clock import rfc3339
from release_watch.errors import InvalidInputError
from release_watch.judge.cases.stored import FOLDER, StoredFile, StoredReview
from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement
from release_watch.judge.metric import judge_metric
from release_watch.judge.release import judge_release

if TYPE_CHECKING:
    import pandas as pd

    Frames = dict[tuple[str, str], pd.Series]

SAME = 1e-4
"""Numbers may differ by so large a share: another machine adds up in another order."""

NUMBERS = ("score", "value", "baseline", "threshold", "effect")
WORDS = ("verdict", "state", "samples", "baseline_samples", "started_at")


@dataclass(frozen=True)
class Again:
    """A review judged again: what it says now, and what differs from what was stored."""

    stored: StoredReview
    judgement: ReleaseJudgement
    reference: Frames
    samples: Frames
    differences: tuple[str, ...]


@dataclass
class Folder:
    """The artifacts of one release; the reference, which reviews share, is read once."""

    path: Path
    _references: dict[StoredFile, Frames] = field(default_factory=dict)

    def documents(self) -> list[Path]:
        """Return the documents of all reviews, in their order."""
        return sorted((self.path / FOLDER).glob("*.json"), key=lambda path: (len(path.stem), path.stem))

    def reference(self, stored: StoredFile | None) -> Frames:
        """Return the samples from before the release; raises as :meth:`frames` does."""
        if stored is None:
            return {}
        if stored not in self._references:
            self._references[stored] = self.frames(stored)
        return self._references[stored]

    def frames(self, stored: StoredFile | None) -> Frames:
        """Return the samples of a file.

        Raises:
            InvalidInputError: if it is not there, or not what was stored.
        """
        from release_watch.baseline.frames import from_parquet

        if stored is None:
            return {}
        try:
            data = (self.path / stored.file).read_bytes()
        except OSError as error:
            raise InvalidInputError([f"{stored.file}: {error.strerror}"]) from error
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise InvalidInputError([f"{stored.file}: not the file that was stored: its SHA-256 differs"])
        return from_parquet(data)


def judged_again(folder: Folder, document: Path) -> Again:
    """Return a stored review judged again.

    Raises:
        InvalidInputError: if its evidence is not whole.
    """
    try:
        stored = StoredReview.model_validate_json(document.read_bytes())
    except OSError as error:
        raise InvalidInputError([str(error.strerror)]) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError([f"{where}: {first['msg']}" if where else first["msg"]]) from error
    reference = folder.reference(stored.reference)
    samples, controls = folder.frames(stored.samples), folder.frames(stored.controls)
    judgements = [
        _judged(one.judgement, reference, samples, controls, stored) if one.from_samples else one.judgement
        for one in stored.metrics
    ]
    judgement = judge_release(judgements, stored.policy, dependencies=stored.dependencies)
    return Again(stored, judgement, reference, samples, tuple(_differences(stored, judgement)))


def _judged(
    before: MetricJudgement, reference: Frames, samples: Frames, controls: Frames, stored: StoredReview
) -> MetricJudgement:
    import pandas as pd

    nothing = pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
    key = before.spec.key
    return judge_metric(
        reference.get(key, nothing),
        samples.get(key, nothing),
        spec=before.spec,
        policy=stored.policy,
        control=controls.get(key),
    )


def _differences(stored: StoredReview, judgement: ReleaseJudgement) -> Iterator[str]:
    if stored.verdict is not judgement.verdict:
        yield f"the verdict is {judgement.verdict}, stored is {stored.verdict}"
    if not same(stored.score, judgement.score):
        yield f"the score is {judgement.score:.6g}, stored is {stored.score:.6g}"
    for was, now in zip(stored.metrics, judgement.judgements, strict=True):
        if changed := list(_changed(was.judgement, now)):
            yield f"{now.spec.title}: {', '.join(changed)}"


def _changed(before: MetricJudgement, now: MetricJudgement) -> Iterator[str]:
    for name in WORDS:
        was, is_now = _word(getattr(before, name)), _word(getattr(now, name))
        if was != is_now:
            yield f"{name} is {is_now}, stored is {was}"
    for name in NUMBERS:
        was, is_now = getattr(before, name), getattr(now, name)
        if not same(was, is_now):
            yield f"{name} is {_number(is_now)}, stored is {_number(was)}"


def _word(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else "none" if value is None else str(value)


def same(one: float | None, other: float | None) -> bool:
    """Return whether two numbers are the same, but for the order in which a machine adds up."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=SAME, abs_tol=1e-9)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
