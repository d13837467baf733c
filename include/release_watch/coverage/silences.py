"""Silences: a signal that came steadily since the deployment, and then did not for too long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from release_watch.artifacts.models import CoverageCheck
from release_watch.clock import in_words, rfc3339
from release_watch.coverage.questions import Question, failed, passed

_LOOK_BACK = 10
"""How many times the longest allowed gap is looked at."""
_STEADY = 8
"""Buckets in a row, of a quarter of that gap each, that make a signal steady."""
_TIMES_LONGER = 4
"""A silence is out of the ordinary if it is this many times longer than any other pause."""


class Grid(NamedTuple):
    """Buckets of equal length after the deployment, at multiples of it, the last a whole step ago."""

    start: datetime
    end: datetime
    step: timedelta

    def counts(
        self, found: Iterable[tuple[datetime, float]], add_to: Sequence[float] | None = None
    ) -> list[float]:
        """Return one count per bucket, 0 where ``found`` has none, added to those of ``add_to``.

        The first bucket is the one that ``found`` has at ``start`` plus one step.
        """
        number = round((self.end - self.start) / self.step)
        counts = list(add_to or [0.0] * number)
        for at, count in found:
            position = round((at - self.start) / self.step) - 1
            if 0 <= position < number:
                counts[position] += count
        return counts


def grid(question: Question) -> Grid | None:
    """Return the buckets to look for a silence in; None so soon after a deployment that none can be told."""
    seconds = max(1, int(question.policy.max_gap.total_seconds() / 4))
    earliest = max(question.release.deployed_at, question.at - _LOOK_BACK * question.policy.max_gap)
    # Servers that floor times have buckets only there.
    start = (math.ceil(earliest.timestamp() / seconds) + 1) * seconds
    end = (int(question.at.timestamp() / seconds) - 1) * seconds
    if (end - start) / seconds < _STEADY:
        return None
    return Grid(
        datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), timedelta(seconds=seconds)
    )


def silence_check(
    counts: Sequence[float], over: Grid, query: str, question: Question, *, enough: float, remedy: str
) -> CoverageCheck | None:
    """Return whether the signal fell silent after it first came; None where it comes too seldom to tell.

    It fails only if the signal was steady before, silent longer than the policy allows and several times
    longer than any other pause, if ``enough`` samples or more were to be expected meanwhile at its rate, and
    if it is not back. A silence that is over is told.
    """
    leading = next((i for i, count in enumerate(counts) if count), 0)
    counts, start = counts[leading:], over.start + leading * over.step
    limit = question.policy.max_gap
    expected = f"no silence longer than {in_words(limit)}"
    pauses = sorted(
        len(list(same)) for silent, same in groupby(counts, key=lambda count: count == 0) if silent
    )
    longest = max(pauses, default=0)
    if longest * over.step <= limit:
        if sum(count > 0 for count in counts) < _STEADY:
            return None
        below = in_words((longest + 1) * over.step)
        return passed("gaps", query, f"none of {below} since {rfc3339(start)}", expected)
    begun = _position(counts, longest)
    before = counts[:begun]
    others = max(pauses[:-1], default=0)
    if sum(count > 0 for count in before) < _STEADY or longest < _TIMES_LONGER * (others + 1):
        return None
    if sum(before) / len(before) * longest < enough:
        return None
    observed = f"silent for {in_words(longest * over.step)} from {rfc3339(start + begun * over.step)} on"
    if begun + longest < len(counts):
        return passed("gaps", query, f"{observed}, and back since", expected)
    return failed("gaps", query, observed, expected, remedy)


def _position(counts: Sequence[float], longest: int) -> int:
    """Return where the first silence of this length begins."""
    return next(i for i in range(len(counts)) if not any(counts[i : i + longest]))
