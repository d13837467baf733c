"""Many metrics together: what the release scores against what changes that never were score, on all at once.

The metrics of a service move together. Taking their pseudo-changes at the same moments keeps that: where a
batch job moves six metrics every other hour, six metrics that move are nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from release_watch.judge import nulls

if TYPE_CHECKING:
    from release_watch.judge.samples import Floats

STRONGEST = (2, 4)
"""The release is judged on its worst two metrics and on its worst four: something must corroborate."""

LEAST, MOST = 1.1, 4.0
"""However quiet the baseline was, so far must they be beyond their own limits; one says no more than four."""

ALONE, IN_PAIRS = 2.0, 1.3
"""How far beyond their limits must be one metric, or each of two, that no pseudo-change was tried on."""


def score(scores: Sequence[float], pseudo: Sequence[nulls.Null], alpha: float) -> float:
    """Return how far the metrics together are beyond what they do by themselves; 1 at the limit.

    ``scores`` and ``pseudo`` are those of each metric, of the release and of the same pseudo-changes.
    """
    import numpy as np

    seen, null = np.array(scores)[:, None], np.stack([one.scores for one in pseudo])
    independent = min(one.independent for one in pseudo)
    found = 0.0
    for many in STRONGEST:
        if len(scores) < many:
            continue
        theirs = _worst(null, many)
        _, limit = nulls.limits(theirs[None, :], alpha / len(STRONGEST), independent)
        found = max(found, float(_worst(seen, many)[0]) / max(float(limit[0]), LEAST))
    return found


def unproven(scores: Sequence[float]) -> float:
    """Return the score of many metrics of which none has a baseline that says what changes by itself.

    The more there are, the surer goes one of them beyond its limit: one alone must do so by far, two by some.
    """
    first, second = sorted(scores, reverse=True)[:2]
    return max(first / ALONE, second / IN_PAIRS)


def _worst(scores: Floats, many: int) -> Floats:
    import numpy as np

    kept = np.minimum(np.sort(scores, axis=0)[-many:], MOST)
    return np.asarray(kept.mean(axis=0))
