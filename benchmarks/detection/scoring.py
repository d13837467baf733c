"""Scores: confusion tables, F1 and false alarms at a look and over looks, recall by fault, delay."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.detection.truth import Labelled


@dataclass(frozen=True)
class Confusion:
    """How many cases were called bad or healthy, rightly and wrongly."""

    true_bad: int
    false_bad: int
    false_healthy: int
    true_healthy: int

    @classmethod
    def of(cls, truth: Sequence[bool], called: Sequence[bool]) -> Confusion:
        """Count."""
        pairs = list(zip(truth, called, strict=True))
        return cls(
            *(pairs.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False)))
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.true_bad / max(2 * self.true_bad + self.false_bad + self.false_healthy, 1)

    @property
    def recall(self) -> float:
        """Share of the bad cases that were called bad."""
        return self.true_bad / max(self.true_bad + self.false_healthy, 1)

    @property
    def false_alarms(self) -> float:
        """Share of the healthy cases that were called bad."""
        return self.false_bad / max(self.false_bad + self.true_healthy, 1)


def at_look(labelled: Sequence[Labelled], decisions: Sequence[Sequence[bool]], look: int) -> Confusion:
    """Return the confusion of the standing decision at one look."""
    return Confusion.of([one.bad for one in labelled], [calls[look] for calls in decisions])


def over_looks(labelled: Sequence[Labelled], decisions: Sequence[Sequence[bool]]) -> Confusion:
    """Return the confusion of having been called bad at any look."""
    return Confusion.of([one.bad for one in labelled], [any(calls) for calls in decisions])


def recall_by_fault(
    labelled: Sequence[Labelled], decisions: Sequence[Sequence[bool]]
) -> dict[str, tuple[int, int]]:
    """Return by fault how many of how many were found at any look."""
    found: dict[str, tuple[int, int]] = {}
    for one, calls in zip(labelled, decisions, strict=True):
        if one.bad:
            hits, all_ = found.get(one.fault, (0, 0))
            found[one.fault] = (hits + any(calls), all_ + 1)
    return dict(sorted(found.items()))


def delay(
    labelled: Sequence[Labelled], decisions: Sequence[Sequence[bool]], minutes: Sequence[int]
) -> float | None:
    """Return the median of the first look, in minutes, at which bad cases were found; None where none was."""
    first = [
        minutes[list(calls).index(True)]
        for one, calls in zip(labelled, decisions, strict=True)
        if one.bad and any(calls)
    ]
    return float(statistics.median(first)) if first else None
